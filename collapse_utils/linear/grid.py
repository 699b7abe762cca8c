"""The whole grid of the paper's figure, simulated and compared with theory.

    python -m collapse_utils grid --out results/linear/grid

writes these files, which are the same to the last digit for the same seed:

    grid.csv       T, d, sigma2, regime, x, n, mean, low, high, theory, z, repeats
    zscores.csv    one row per T, sigma2, regime at the n given there: z
    quantiles.csv  the first fit near T = d + 2, where the mean over repeats is unreliable
    summary.json   the distribution of the independent z against N(0, 1), and the seed

Every cell (T, sigma2, regime) has draws of its own, so that cells are independent, although sigma2
only scales the noise.  The iterations of a cell are dependent, so the test of the z takes one
iteration of each cell.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from .. import seeds
from ..errors import InputError
from ..regimes import REGIMES
from . import theory
from .config import Linear
from .simulation import QUANTILES, quantiles, simulate, summary

D = 32
T_VALUES = (100, 316, 1000)
SIGMA2_VALUES = (0.01, 0.1, 1.0, 10.0, 100.0)
ITERATIONS = 50
REPEATS = 10_000
FRESH_REPEATS = 1_000  # of fresh x, which costs more and which no claim reads
FRESH_SIGMA2 = (1.0,)
TAIL_REPEATS = 20_000
TAIL_T = (34, 35, 36, 38, 42, 50, 66, 100, 316, 1000)
COLUMNS = ("T", "d", "sigma2", "regime", "x", "n", "mean", "low", "high", "theory", "z", "repeats")


def cell(config: Linear, regime: str, seed: int) -> list[dict]:
    """Simulate one cell: a row for every iteration, with theory and z where there is a theory."""
    cell_seed = seeds.derive(
        seed, "grid", config.x, config.T, config.d, repr(config.sigma2), regime
    )
    simulated = summary(simulate(config, regime, cell_seed))
    n = np.arange(1, config.iterations + 1)
    formula = theory.test_error if config.x == "same" else theory.fresh_test_error
    expected = formula(regime, n, config.d, config.T, config.sigma2)
    z = (simulated["mean"] - expected) / ((simulated["high"] - simulated["low"]) / (2 * 1.96))
    fixed = {"T": config.T, "d": config.d, "sigma2": config.sigma2, "regime": regime, "x": config.x}
    return [
        {
            **fixed,
            "n": int(i),
            **{key: values[i - 1] for key, values in simulated.items()},
            "theory": expected[i - 1],
            "z": z[i - 1],
            "repeats": config.repeats,
        }
        for i in n
    ]


def cells(
    repeats: int = REPEATS, threads: int = 1, iterations: int = ITERATIONS
) -> Iterator[tuple[Linear, str]]:
    """The configurations of the grid: same x first, then fresh x with fewer repeats."""
    fewer = min(repeats, FRESH_REPEATS)
    for x, levels, count in (("same", SIGMA2_VALUES, repeats), ("fresh", FRESH_SIGMA2, fewer)):
        common = {"d": D, "x": x, "iterations": iterations, "repeats": count, "threads": threads}
        for T, sigma2, regime in itertools.product(T_VALUES, levels, REGIMES):
            yield Linear(T=T, sigma2=sigma2, **common), regime


def independent(rows: Iterable[dict]) -> list[dict]:
    """Rows with independent z: one of every same-x cell, at an iteration that varies by cell."""
    by_cell: dict[tuple, list[dict]] = {}
    for row in rows:
        if row["x"] == "same":
            by_cell.setdefault((row["T"], row["sigma2"], row["regime"]), []).append(row)
    return [group[(7 * index) % len(group)] for index, group in enumerate(by_cell.values())]


def chance(z: np.ndarray) -> dict[str, float]:
    """Independent z against N(0, 1): sum of squares, Kolmogorov-Smirnov p, largest, and so on."""
    k, ks = len(z), stats.kstest(z, "norm").statistic
    root = (math.sqrt(k) + 0.12 + 0.11 / math.sqrt(k)) * ks  # Stephens' finite-sample form
    square = float(np.sum(np.square(z)))
    # Wilson and Hilferty: the cube root of a chi-square is nearly normal.
    chi2_z = ((square / k) ** (1 / 3) - (1 - 2 / (9 * k))) / math.sqrt(2 / (9 * k))
    inside = float(np.mean(np.abs(z) <= 1.96))
    return {
        "cells": k,
        "chi2": square,
        "chi2_z": chi2_z,
        "ks_p": float(stats.kstwobign.sf(root)),
        "inside_95": inside,
        "largest": float(np.max(np.abs(z))),
    }


def tails(seed: int) -> list[dict]:
    """Quantiles of the first fit's error for T from d + 2 up, with base and simulated mean."""
    rows = []
    for T in TAIL_T:
        config = Linear(d=D, T=T, iterations=1, repeats=TAIL_REPEATS)
        errors = simulate(config, "replace", seeds.derive(seed, "tails", T))
        values = dict(zip((f"q{p:g}" for p in QUANTILES), quantiles(errors)[:, 0], strict=True))
        rows.append(
            {
                "T": T,
                "d": D,
                "base": theory.base(D, T, 1.0),
                "mean": errors.mean(),
                **values,
                "max": errors.max(),
                "repeats": TAIL_REPEATS,
            }
        )
    return rows


def _write_csv(path: Path, rows: list[dict], columns: Sequence[str] | None = None) -> None:
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")


def write(
    out: Path, seed: int = 0, repeats: int = REPEATS, threads: int = 1, iterations: int = ITERATIONS
) -> dict:
    """Simulate the grid and write the four files into ``out``; returns the summary."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(
            "--out", str(out), f"a folder that can be written ({problem.strerror})"
        ) from None
    rows: list[dict] = []
    for config, regime in cells(repeats, threads, iterations):
        rows += cell(config, regime, seed)
    chosen = independent(rows)
    result = {
        "seed": seed,
        "repeats": repeats,
        "all": chance(np.array([row["z"] for row in chosen])),
    }
    for regime in REGIMES:
        result[regime] = chance(np.array([row["z"] for row in chosen if row["regime"] == regime]))
    _write_csv(out / "grid.csv", rows, COLUMNS)
    _write_csv(out / "zscores.csv", chosen, ("T", "sigma2", "regime", "n", "z"))
    _write_csv(out / "quantiles.csv", tails(seed))
    rounded = {
        key: {k: round(v, 4) for k, v in part.items()} if isinstance(part, dict) else part
        for key, part in result.items()
    }
    (out / "summary.json").write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
    return result


def summary_line(out: Path, chances: dict) -> str:
    """The line that the command prints when the grid is finished."""
    return (
        f"{out}: {chances['cells']} independent z, sum of squares {chances['chi2']:.1f}, "
        f"KS p {chances['ks_p']:.2f}, largest {chances['largest']:.2f}"
    )
