"""All random numbers of a simulated chain of least-squares fits.

Given these draws a chain is a deterministic computation.  ``simulation.py`` does all fits at once;
the tests compare it with one ``lstsq`` per fit (``benchmarks/linear_speed.py``), equal to 1e-8.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import regimes
from .config import Linear, covariance_factor


class Draws(NamedTuple):
    """The random numbers of ``R`` repeats: B blocks of T rows, see :func:`block_list`."""

    x: np.ndarray  # (R, 1, T, d) if all blocks share their rows, otherwise (R, B, T, d)
    noise: np.ndarray  # (R, B, T), N(0, 1); the noise of y is sqrt(sigma2) times it
    # accumulate_subsample: iteration n trains on items picks[n - 1][r] of n T, (R, T)
    picks: list[np.ndarray] | None
    w_star: np.ndarray  # (R, d)


def block_list(regime: str, iterations: int) -> list[regimes.Block]:
    """Every block that some iteration trains on, by generation."""
    return sorted(
        {block for n in range(1, iterations + 1) for block in regimes.trains_on(regime, n)}
    )


def draw(
    config: Linear, regime: str, rng: np.random.Generator, repeats: int | None = None
) -> Draws:
    """Draws of ``repeats`` repeats (default: ``config.repeats``), independent of sigma2."""
    R, d, T = repeats or config.repeats, config.d, config.T
    blocks = len(block_list(regime, config.iterations))
    x = rng.standard_normal((R, 1 if config.x == "same" else blocks, T, d))
    if config.condition != 1:
        x = x @ covariance_factor(config).T
    noise = rng.standard_normal((R, blocks, T))
    picks = None
    if regime == "accumulate_subsample":
        picks = [subsets(R, T, n * T, rng) for n in range(1, config.iterations + 1)]
    w_star = rng.standard_normal((R, d))
    w_star *= config.signal / np.linalg.norm(w_star, axis=1, keepdims=True)
    return Draws(x, noise, picks, w_star)


def subsets(R: int, k: int, population: int, rng: np.random.Generator) -> np.ndarray:
    """``R`` uniform subsets of ``k`` of range(population), sorted, shape (R, k).

    Draws with replacement, then draws repeated items again until none is left.  Every step treats
    all items alike, so all subsets are equally likely.  A whole batch costs only a few sorts.
    """
    if k == population:
        return np.tile(np.arange(population, dtype=np.int32), (R, 1))
    # int32 sorts faster than int64
    chosen = np.sort(rng.integers(0, population, (R, k), dtype=np.int32), axis=1)
    open_rows = np.arange(R)  # those that may hold an item twice
    while len(open_rows):
        repeated = chosen[open_rows, 1:] == chosen[open_rows, :-1]
        some = repeated.any(axis=1)
        open_rows, repeated = open_rows[some], repeated[some]
        rows = chosen[open_rows]
        rows[:, 1:][repeated] = rng.integers(
            0, population, np.count_nonzero(repeated), dtype=np.int32
        )
        rows.sort(axis=1)
        chosen[open_rows] = rows
    return chosen
