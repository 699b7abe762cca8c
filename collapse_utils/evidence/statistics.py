"""Means over seeds, with intervals.

A chain is one observation, since its seed decides the initialisation, the order of the data and
every sample.  Numbers are therefore averaged over seeds, and comparisons are paired by seed.
Intervals are Student's t at 95%.  Ratios are averaged as logarithms, so that no interval of a ratio
contains negative numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` observations with its interval.

    The bounds are infinite for a single observation, and ``nan`` where no interval is defined.
    """

    mean: float
    low: float
    high: float
    n: int

    def text(self, digits: int) -> str:
        if self.n < 2:
            return f"{self.mean:.{digits}f} (one seed)"
        if math.isnan(self.low):
            return f"{self.mean:.{digits}f}"
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def __str__(self) -> str:
        return self.text(3)


@functools.cache
def _critical(n: int, confidence: float) -> float:
    return float(stats.t.ppf(0.5 + confidence / 2, n - 1))


def estimate(
    values: Sequence[float], confidence: float = CONFIDENCE, log: bool = False
) -> Estimate:
    """Mean and t-interval of independent values; with ``log``, geometric mean and its interval."""
    values = np.asarray(values, float)
    if log:
        own = estimate(np.log(values), confidence)
        return Estimate(math.exp(own.mean), math.exp(own.low), math.exp(own.high), own.n)
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, n)
    half = _critical(n, confidence) * values.std(ddof=1) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def by_seed(frame: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """One metric by seed (rows) and iteration (columns); only seeds with all iterations.

    ``where`` selects rows by column, for example ``regime="replace"``.
    """
    rows = frame[frame["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.pivot(index="seed", columns="iteration", values="value").dropna()


def seeds_of(frame: pd.DataFrame) -> str:
    """The number of seeds of tidy results, such as ``3 seeds`` or ``3 to 5 seeds``."""
    counts = frame.groupby(["variant", "regime"])["seed"].nunique()
    if counts.empty:
        return "no seeds"
    fewest, most = int(counts.min()), int(counts.max())
    return f"{fewest} to {most} seeds" if fewest != most else f"{most} seed{'s' * (most > 1)}"


def growth(frame: pd.DataFrame, metric: str, regime: str, variant: str = "") -> pd.DataFrame:
    """A metric / that of the first fit, by seed (rows) and iteration (columns)."""
    table = by_seed(frame, metric, regime=regime, variant=variant)
    return table.div(table.iloc[:, 0], axis=0) if table.size else table


def final_growth(frame: pd.DataFrame, metric: str, regime: str, variant: str = "") -> Estimate:
    """A metric of the final fit / that of the first: the geometric mean over seeds."""
    return estimate(growth(frame, metric, regime, variant).iloc[:, -1], log=True)


def by_iteration(frame: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """Mean, low, high and n of a metric for every iteration."""
    return summary(by_seed(frame, metric, **where))


def summary(table: pd.DataFrame, log: bool = False) -> pd.DataFrame:
    """Mean, low, high and n of every column of :func:`by_seed`."""
    rows = [(t, *vars(estimate(table[t], log=log)).values()) for t in table.columns]
    return pd.DataFrame(rows, columns=["iteration", "mean", "low", "high", "n"])
