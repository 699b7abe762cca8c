"""Means with intervals over seeds, and verdicts on claims.

A chain is one observation: its seed decides the initialisation, the order of the data and every sample, so numbers are
summed up over seeds, and comparisons are paired by seed.  Intervals are Student's t at 95%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` observations with its interval; infinite bounds where one observation says nothing of spread."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n < 2:
            return f"{self.mean:.3f} (one seed)"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean and t-interval of independent observations."""
    values = np.asarray(values, float)
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, n)
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def by_seed(frame: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """The values of one metric as a table: a row a seed, a column an iteration; seeds that lack an iteration are left out.

    ``where`` selects rows by column, for example ``regime="replace"``.
    """
    rows = frame[frame["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.pivot(index="seed", columns="iteration", values="value").dropna()


def by_iteration(frame: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """Mean, low, high and n of a metric for every iteration."""
    table = by_seed(frame, metric, **where)
    rows = [(t, *vars(estimate(table[t])).values()) for t in table.columns]
    return pd.DataFrame(rows, columns=["iteration", "mean", "low", "high", "n"])


@dataclass(frozen=True)
class Verdict:
    """A claim held against results: the statement, the outcome, and the effect that decided it."""

    claim: str
    outcome: str
    effect: Estimate
    threshold: float

    def line(self) -> str:
        """The line a notebook prints; it holds no number, so that it is the same wherever the claim holds."""
        return f"{self.claim}: {self.outcome}"


def _outcome(effect: Estimate, threshold: float, sign: int) -> str:
    low, high = sorted((sign * effect.low, sign * effect.high))
    if low > sign * threshold:
        return REPRODUCED
    return NOT_REPRODUCED if high < sign * threshold else UNDECIDED


def exceeds(claim: str, effects: Sequence[float], threshold: float = 0.0) -> Verdict:
    """The claim that an effect, one value a seed, is above ``threshold``: decided by which side its interval is on."""
    effect = estimate(effects)
    return Verdict(claim, _outcome(effect, threshold, +1), effect, threshold)


def stays_below(claim: str, effects: Sequence[float], threshold: float = 0.0) -> Verdict:
    """The claim that an effect, one value a seed, is below ``threshold``."""
    effect = estimate(effects)
    return Verdict(claim, _outcome(effect, threshold, -1), effect, threshold)


def rises_everywhere(claim: str, table: pd.DataFrame) -> Verdict:
    """The claim that every step from one iteration to the next is a rise.

    ``table`` is that of :func:`by_seed`.  Reproduced if the interval of every step lies above zero; not reproduced if one
    lies below.  Each step is tested at the full level: a claim on all steps is false if any is (intersection-union test).
    """
    steps = [exceeds(claim, step) for step in table.diff(axis=1).iloc[:, 1:].T.to_numpy()]
    weakest = min(steps, key=lambda step: step.effect.low)
    outcomes = {step.outcome for step in steps}
    if NOT_REPRODUCED in outcomes:
        weakest = min(steps, key=lambda step: step.effect.high)
        return weakest
    outcome = REPRODUCED if outcomes == {REPRODUCED} else UNDECIDED
    return Verdict(claim, outcome, weakest.effect, 0.0)
