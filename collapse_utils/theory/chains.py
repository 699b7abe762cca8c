"""Chains of fits, simulated for many repeats at once; the theory chapters share this module.

The first axis of every array is the repeat, R of them.  A training set is an array of items, shape
(R, m, ...).  A block has n items, as many as the real training set.  The regimes are those of
:mod:`collapse_utils.regimes`; iteration 1 trains on the real block alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import regimes

WHOLE_BLOCKS = ("replace", "accumulate", "replace_multiple")  # train on every item of their blocks
ACCUMULATING = ("accumulate", "accumulate_subsample")  # keep all earlier blocks
Fit = Callable[[np.ndarray, int], np.ndarray]
Sample = Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]


def simulate(
    real: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    fit: Fit,
    sample: Sample,
    regime: str,
    iterations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The parameters of every fit, shape (R, iterations, ...).

    Parameters
    ----------
    real : the real training set, (R, n, ...).
    statistic : items (R, m, ...) -> one statistic for each item, (R, m, ...).
    fit : (mean of the statistic over the training set, iteration) -> parameters (R, ...).
    sample : (parameters, training set, size, iteration) -> new items (R, size, ...).
        The training set is passed for models that resample it, as a kernel density estimate does.
    regime : one of ``regimes.REGIMES``.
    rng : draws the picks of ``accumulate_subsample``; ``sample`` brings its own generator.

    Only the newest block is reduced under ``accumulate``, so a chain of N fits costs N blocks.
    """
    regimes.check(regime)
    keep = regime in ACCUMULATING
    R, n = real.shape[:2]
    if keep:
        pool = np.empty((R, iterations * n, *real.shape[2:]), real.dtype)
    train, total, fits = real, 0.0, []
    for t in range(1, iterations + 1):
        new = train
        if keep:
            pool[:, (t - 1) * n : t * n] = new
            train = pool[:, : t * n]
        if regime == "accumulate":
            total = total + statistic(new).mean(axis=1)
            mean = total / t
        else:
            if regime == "accumulate_subsample":
                train = _subsample(train, n, rng)
            mean = statistic(train).mean(axis=1)
        fits.append(fit(mean, t))
        if t < iterations:
            size = n * (t + 1) if regime == "replace_multiple" else n
            train = sample(fits[-1], train, size, t)
    return np.stack(fits, axis=1)


def _subsample(items: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` of each repeat's items, drawn uniformly without replacement."""
    R, m = items.shape[:2]
    if m == n:
        return items
    picks = np.stack([rng.choice(m, n, replace=False, shuffle=False) for _ in range(R)])
    return items[np.arange(R)[:, None], picks]
