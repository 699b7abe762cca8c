"""The rules by which a claim is *reproduced*, *not reproduced* or *undecided*.

A claim has one or more parts.  A part has one effect for each seed, a threshold, and the side of
the threshold on which the claim places the effects.  A one-sided t-test decides it, on logarithms
if the effect is a ratio.

- *reproduced*: every part is significant at ``level``.  The claim is false if any part is false, so
  no correction is needed (intersection-union test).
- *not reproduced*: some part is significant in the other direction at ``level`` / k, for k parts
  (Bonferroni), since each of the k may contradict the claim by chance.
- *undecided*: neither.

A claim of no difference has two parts, one for each side of the margin (two one-sided tests).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .statistics import Estimate, estimate

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
UNDECIDED = "undecided"
NOT_RUN = "not run"
OUTCOMES = (REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_RUN)
LEVEL = 0.025  # one-sided: that of a 95% interval
TWO_LOOKS = 0.014  # at each of two looks at the results: 2.5% in all (the tests measure it)
VERDICT_SEEDS = 3  # fewer seeds than this get no verdict, only a direction


def p_above(effects: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """One-sided p of "the mean is at most ``threshold``": t-test along the last axis; 1 for a
    single observation.
    """
    effects = np.asarray(effects, float)
    n = effects.shape[-1]
    if n < 2:
        return np.ones(effects.shape[:-1])
    above = effects.mean(axis=-1) - threshold
    error = effects.std(axis=-1, ddof=1) / math.sqrt(n)
    # Equal effects have no error: p is 0 or 1 beside the threshold, and 0.5 on it.
    t = np.divide(
        above, error, out=np.where(above == 0, 0.0, np.copysign(np.inf, above)), where=error > 0
    )
    return stats.t.sf(t, n - 1)


def reproduced_or_contradicted(
    support: np.ndarray, against: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether claims are reproduced, and whether they are contradicted.

    ``support`` and ``against`` are the p of their parts, along the last axis.
    """
    return np.all(support < level, axis=-1), np.any(
        against < level / np.shape(against)[-1], axis=-1
    )


@dataclass(frozen=True)
class Part:
    """Effects, one for each seed, and the claim that they lie above (``sign`` +1) or below (-1) the
    threshold.

    ``log``: effects and threshold are ratios, compared as logarithms.  ``exact``: the p for and
    against the claim, from a test other than the t-test of the effects.  ``seeds`` are those of
    the effects, if these are of chains.
    """

    effects: Sequence[float]
    threshold: float
    sign: int = +1
    log: bool = False
    exact: tuple[float, float] | None = None
    seeds: tuple[int, ...] = ()
    level: float = LEVEL  # one-sided

    def p(self) -> tuple[float, float]:
        """One-sided p for the claim, and against it."""
        if self.exact is not None:
            return self.exact
        values, threshold = np.asarray(self.effects, float), self.threshold
        if self.log:
            values, threshold = np.log(values), math.log(threshold)
        support, against = (
            float(p_above(s * values, s * threshold)) for s in (self.sign, -self.sign)
        )
        return support, against

    def estimate(self) -> Estimate:
        """The mean effect with its interval at 1 - 2 ``level``; an exact test has no interval."""
        if self.exact is not None:
            return Estimate(float(np.mean(self.effects)), math.nan, math.nan, len(self.effects))
        return estimate(self.effects, 1 - 2 * self.level, log=self.log)

    def margin(self) -> float:
        """How far the mean lies on the claimed side of the threshold."""
        return self.sign * (self.estimate().mean - self.threshold)


@dataclass(frozen=True)
class Verdict:
    """A claim's outcome, and the effect of its least certain part (the largest p / level).

    ``sign`` is +1 if the claim is that the effect lies above ``threshold``, -1 if below.
    """

    claim: str
    outcome: str
    effect: Estimate
    threshold: float
    sign: int
    p: float = 1.0  # one-sided, of the least certain part: that of the whole claim
    part: int = 0  # the index of that part
    parts: int = 0  # the number of parts
    level: float = LEVEL  # of that part, one-sided
    claimed: str = ""  # where the effect is claimed to lie, in words
    note: str = ""  # what else a reader of the verdict must know, in words
    beside: str = ""  # the effect in another unit, in words

    def line(self) -> str:
        """The line that a notebook prints, without numbers: the same wherever the claim holds."""
        return f"{self.outcome}: {self.claim}"

    def direction(self) -> str:
        """On which side the mean lies, for a run with too few seeds for a verdict."""
        if self.outcome == NOT_RUN:
            return f"{NOT_RUN}: {self.claim}"
        claimed = self.sign * self.effect.mean > self.sign * self.threshold
        return f"{'as' if claimed else 'not as'} claimed in this run: {self.claim}"


def decide(claim: str, parts: Sequence[Part]) -> Verdict:
    """The verdict on a claim that holds if all its parts hold; *not run* if one has no effects."""
    if not parts or any(len(part.effects) == 0 for part in parts):
        return Verdict(claim, NOT_RUN, Estimate(math.nan, -math.inf, math.inf, 0), 0.0, +1)
    support, against = np.transpose([part.p() for part in parts])
    level = np.array([part.level for part in parts])
    reproduced, contradicted = reproduced_or_contradicted(support, against, level)
    outcome = REPRODUCED if reproduced else NOT_REPRODUCED if contradicted else UNDECIDED
    # Of equally uncertain parts (such as all parts with one seed), take the one that lies furthest
    # from the claim.
    weakest = max(range(len(parts)), key=lambda k: (support[k] / level[k], -parts[k].margin()))
    part = parts[weakest]
    return Verdict(
        claim,
        outcome,
        part.estimate(),
        part.threshold,
        part.sign,
        float(support[weakest]),
        weakest,
        len(parts),
        part.level,
    )
