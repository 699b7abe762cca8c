"""Means with intervals over seeds, and verdicts on claims.

A chain is one observation: its seed decides the initialisation, the order of the data and every sample, so numbers are
summed up over seeds, and comparisons are paired by seed.  Intervals are Student's t at 95%.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

CONFIDENCE = 0.95
REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_RUN = "reproduced", "not reproduced", "undecided", "not run"
VERDICT_SEEDS = 3  # fewer seeds than this get no verdict, only a direction


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` observations with its interval; infinite bounds where one observation tells no spread."""

    mean: float
    low: float
    high: float
    n: int

    def text(self, digits: int) -> str:
        if self.n < 2:
            return f"{self.mean:.{digits}f} (one seed)"
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def __str__(self) -> str:
        return self.text(3)


@functools.cache
def _critical(n: int, confidence: float) -> float:
    return float(stats.t.ppf(0.5 + confidence / 2, n - 1))


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean and t-interval of independent observations."""
    values = np.asarray(values, float)
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, n)
    half = _critical(n, confidence) * values.std(ddof=1) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def by_seed(frame: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """The values of one metric as a table: a row a seed, a column an iteration; seeds that lack an iteration are left out.

    ``where`` selects rows by column, for example ``regime="replace"``.
    """
    rows = frame[frame["metric"] == metric]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.pivot(index="seed", columns="iteration", values="value").dropna()


def seeds_of(frame: pd.DataFrame) -> str:
    """How many seeds the regimes and variants of tidy results have, such as ``3 seeds`` or ``3 to 5 seeds``."""
    counts = frame.groupby(["variant", "regime"])["seed"].nunique()
    if counts.empty:
        return "no seeds"
    fewest, most = int(counts.min()), int(counts.max())
    return f"{fewest} to {most} seeds" if fewest != most else f"{most} seed{'s' * (most > 1)}"


def growth(frame: pd.DataFrame, metric: str, regime: str, variant: str = "") -> pd.DataFrame:
    """A metric over that of the first fit: a row a seed, a column an iteration."""
    table = by_seed(frame, metric, regime=regime, variant=variant)
    return table.div(table.iloc[:, 0], axis=0) if table.size else table


def by_iteration(frame: pd.DataFrame, metric: str, **where: object) -> pd.DataFrame:
    """Mean, low, high and n of a metric for every iteration."""
    table = by_seed(frame, metric, **where)
    rows = [(t, *vars(estimate(table[t])).values()) for t in table.columns]
    return pd.DataFrame(rows, columns=["iteration", "mean", "low", "high", "n"])


@dataclass(frozen=True)
class Verdict:
    """A claim held against results: the statement, the outcome, and the effect that decided it.

    ``sign`` is +1 if the claim is that the effect lies above ``threshold``, -1 if below.
    """

    claim: str
    outcome: str
    effect: Estimate
    threshold: float
    sign: int
    claimed: str = ""  # where the effect is claimed to lie, in words

    def line(self) -> str:
        """The line a notebook prints; it holds no number, so that it is the same wherever the claim holds."""
        return f"{self.outcome}: {self.claim}"

    def direction(self) -> str:
        """What the mean alone says, for a run with too few seeds for a verdict."""
        if self.outcome == NOT_RUN:
            return f"{NOT_RUN}: {self.claim}"
        claimed = self.sign * self.effect.mean > self.sign * self.threshold
        return f"{'as' if claimed else 'not as'} claimed in this run: {self.claim}"


def decide(claim: str, effects: Sequence[float], threshold: float, sign: int) -> Verdict:
    """The verdict on a claim that an effect, one value a seed, lies above (``sign`` +1) or below (-1) ``threshold``.

    It falls by the side of the threshold on which the whole interval of the effect lies; no effects, not run.
    """
    if len(effects) == 0:
        return Verdict(claim, NOT_RUN, Estimate(math.nan, -math.inf, math.inf, 0), threshold, sign)
    effect = estimate(effects)
    low, high = sorted((sign * effect.low, sign * effect.high))
    outcome = REPRODUCED if low > sign * threshold else NOT_REPRODUCED if high < sign * threshold else UNDECIDED
    return Verdict(claim, outcome, effect, threshold, sign)


def exceeds(claim: str, effects: Sequence[float], threshold: float = 0.0) -> Verdict:
    """The claim that an effect, one value a seed, is above ``threshold``."""
    return decide(claim, effects, threshold, +1)


def stays_below(claim: str, effects: Sequence[float], threshold: float = 0.0) -> Verdict:
    """The claim that an effect, one value a seed, is below ``threshold``."""
    return decide(claim, effects, threshold, -1)


def all_of(claim: str, parts: Sequence[Verdict]) -> Verdict:
    """The claim that every part holds: the verdict of the part that stands weakest.

    Each part is tested at the full level, since a claim on all of them is false if any is (intersection-union test).
    """
    for outcome in (NOT_RUN, NOT_REPRODUCED, UNDECIDED, REPRODUCED):
        found = [part for part in parts if part.outcome == outcome]
        if found:
            weakest = min(found, key=lambda part: part.sign * (part.effect.mean - part.threshold))
            return dataclasses.replace(weakest, claim=claim, outcome=outcome)
    raise ValueError("no parts")


def power(effect: float, seeds: int, confidence: float = CONFIDENCE) -> float:
    """The chance that a claim is *reproduced* where its effect is ``effect`` standard deviations between seeds.

    Normal effects: the t-interval lies above the threshold when a noncentral t exceeds its critical value.
    """
    return float(stats.nct.sf(_critical(seeds, confidence), seeds - 1, effect * math.sqrt(seeds)))


def detectable(seeds: int, wanted: float = 0.8) -> float:
    """The effect, in standard deviations between seeds, that ``seeds`` seeds find with the power ``wanted``."""
    return float(optimize.brentq(lambda effect: power(effect, seeds) - wanted, 0.01, 50.0))


def false_positive_rates(seeds: int, trials: int, rng: np.random.Generator, first_look: int = 0) -> tuple[float, float]:
    """How often :func:`exceeds` calls a simulated claim without effect *reproduced*, and how often *not reproduced*.

    With a ``first_look``, so many seeds decide where they can, and all of them only what those leave undecided.
    """
    outcomes = []
    for row in rng.standard_normal((trials, seeds)):
        early = exceeds("no effect", row[:first_look]).outcome
        outcomes.append(early if early in (REPRODUCED, NOT_REPRODUCED) else exceeds("no effect", row).outcome)
    return outcomes.count(REPRODUCED) / trials, outcomes.count(NOT_REPRODUCED) / trials
