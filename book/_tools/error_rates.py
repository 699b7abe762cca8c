"""The certainty of verdicts: measured error rates, power, and corrections for many claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from collapse_utils.evidence.statistics import CONFIDENCE
from collapse_utils.evidence.verdicts import (
    LEVEL,
    NOT_RUN,
    REPRODUCED,
    TWO_LOOKS,
    Verdict,
    p_above,
    reproduced_or_contradicted,
)

from .tables import captioned, markdown

SEEDS = (3, 5, 10)
PARTS = (1, 4, 7, 9)  # numbers of parts that our claims have
LOOKS = (3, 5)  # seeds at the first look, and at the second
TRIALS = 20_000
RATE = 0.05  # the error rate of the corrections for many claims


def power(effect: float, seeds: int) -> float:
    """The power of a claim whose effect is ``effect`` standard deviations between seeds.

    Effects are normal, so the t-interval lies above the threshold if a noncentral t exceeds its
    critical value.
    """
    critical = stats.t.ppf(0.5 + CONFIDENCE / 2, seeds - 1)
    return float(stats.nct.sf(critical, seeds - 1, effect * math.sqrt(seeds)))


def detectable(seeds: int) -> float:
    """The effect, in standard deviations between seeds, that is found with a power of 80%."""
    return float(optimize.brentq(lambda effect: power(effect, seeds) - 0.8, 0.01, 50.0))


@dataclass(frozen=True)
class Multiplicity:
    """How many verdicts are *reproduced*, and how many are after a correction for their number."""

    decided: int
    reproduced: int
    holm: int  # controls the chance of a single false *reproduced*
    benjamini_hochberg: int  # controls the expected share of false ones among the *reproduced*


def multiplicity(verdicts: Sequence[Verdict]) -> Multiplicity:
    """Count the verdicts, without *not run*, that are *reproduced* at the error rate ``RATE``."""
    ran = [verdict for verdict in verdicts if verdict.outcome != NOT_RUN]
    if not ran:
        return Multiplicity(0, 0, 0, 0)
    p = np.array([verdict.p for verdict in ran])
    order = np.argsort(p)
    holm = np.empty_like(p)
    holm[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    discovery = stats.false_discovery_control(p)
    reproduced = np.array([verdict.outcome == REPRODUCED for verdict in ran])
    counts = [int(np.sum(reproduced & (adjusted <= RATE))) for adjusted in (holm, discovery)]
    return Multiplicity(len(ran), int(reproduced.sum()), *counts)


@dataclass(frozen=True)
class ErrorRates:
    """How often simulated claims get each of two wrong verdicts, in the worst case for it."""

    reproduced: float  # one part has no effect, the others a large one
    not_reproduced: float  # every part lies on its threshold


def measured(
    seeds: int, parts: int, trials: int, rng: np.random.Generator, first_look: int = 0
) -> ErrorRates:
    """The error rates of ``verdicts.decide`` on normal effects of ``parts`` independent parts.

    With ``first_look``, that number of seeds decides a claim if it can, and all seeds decide what
    is then still undecided; both looks are at the level of two looks.
    """
    level = np.full(parts, TWO_LOOKS if first_look else LEVEL)
    effects = rng.standard_normal((trials, parts, seeds))
    # all parts but the first have an effect that no test misses
    others_hold = effects + 1e3 * (np.arange(parts) > 0)[:, None]

    def verdicts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        good, bad = reproduced_or_contradicted(p_above(values), p_above(-values), level)
        if not first_look:
            return good, bad
        early = values[..., :first_look]
        early_good, early_bad = reproduced_or_contradicted(p_above(early), p_above(-early), level)
        undecided = ~(early_good | early_bad)
        return early_good | (undecided & good), early_bad | (undecided & bad)

    return ErrorRates(float(verdicts(others_hold)[0].mean()), float(verdicts(effects)[1].mean()))


def table() -> str:
    """Wrong verdicts in simulations, by seeds and parts, and the effect that is detected."""
    head = (
        "seeds",
        "parts",
        "p needed",
        "wrongly *reproduced*",
        "wrongly *not reproduced*",
        "effect found",
    )
    rows = []
    for seeds in SEEDS:
        for parts in PARTS:
            effect = f"{detectable(seeds):.1f}" if parts == 1 else ""
            rows.append(_row(str(seeds), seeds, parts, LEVEL, effect))
    first, last = LOOKS
    rows.append(_row(f"{first}, then {last}", last, 1, TWO_LOOKS, "", first_look=first))
    return captioned(
        markdown(head, rows),
        f"Wrong verdicts in {TRIALS:,} simulated claims without an effect. The last column is the "
        "smallest effect that is found four times in five, in standard deviations between seeds.",
        "table-error-rates",
    )


def _row(
    label: str, seeds: int, parts: int, level: float, effect: str, first_look: int = 0
) -> tuple[str, ...]:
    rates = measured(seeds, parts, TRIALS, np.random.default_rng((seeds, parts)), first_look)
    shares = f"{rates.reproduced:.1%}", f"{rates.not_reproduced:.1%}"
    return label, str(parts), str(level), *shares, effect


def multiplicity_table(counted: Sequence[tuple[str, Sequence[Verdict]]]) -> str:
    """How many verdicts of each set are *reproduced* after Holm and Benjamini-Hochberg."""
    after = [f"after {name} ({RATE:.0%})" for name in ("Holm", "Benjamini-Hochberg")]
    rows = []
    for name, verdicts in counted:
        count = multiplicity(verdicts)
        numbers = count.decided, count.reproduced, count.holm, count.benjamini_hochberg
        rows.append((name, *map(str, numbers)))
    return captioned(
        markdown(("verdicts", "decided by a test", "*reproduced*", *after), rows),
        "Verdicts that remain after a correction for the number of claims. Counts are of verdicts, "
        "one for each claim and data set.",
        "table-multiplicity",
    )
