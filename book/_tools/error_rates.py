"""How certain a verdict is: measured error rates, power, and corrections for many claims."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from collapse_utils.evidence.statistics import detectable
from collapse_utils.evidence.verdicts import LEVEL, TWO_LOOKS, Verdict, error_rates, multiplicity

from .tables import captioned, markdown

SEEDS = (3, 5, 10)
PARTS = (1, 4, 7, 9)  # as our claims have
LOOKS = (3, 5)  # seeds that were looked at before more were run, and all of them
TRIALS = 20_000
RATE = 0.05  # of the corrections for many claims


def table() -> str:
    """Wrong verdicts in simulations by seeds and parts, and the effect that is detected."""
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
            power = f"{detectable(seeds):.1f}" if parts == 1 else ""
            rows.append(_row(str(seeds), seeds, parts, LEVEL, power))
    first, last = LOOKS
    rows.append(_row(f"{first}, then {last}", last, 1, TWO_LOOKS, "", first_look=first))
    return captioned(
        markdown(head, rows),
        f"Wrong verdicts in {TRIALS:,} simulated claims without an effect. The last column is the "
        "smallest effect that is found four times in five, in standard deviations between seeds.",
        "table-error-rates",
    )


def _row(
    label: str, seeds: int, parts: int, level: float, power: str, first_look: int = 0
) -> tuple[str, ...]:
    rates = error_rates(seeds, parts, TRIALS, np.random.default_rng((seeds, parts)), first_look)
    shares = f"{rates.reproduced:.1%}", f"{rates.not_reproduced:.1%}"
    return label, str(parts), str(level), *shares, power


def multiplicity_table(counted: Sequence[tuple[str, Sequence[Verdict]]]) -> str:
    """How many *reproduced* verdicts remain after Holm and Benjamini-Hochberg, by set."""
    after = [f"after {name} ({RATE:.0%})" for name in ("Holm", "Benjamini-Hochberg")]
    rows = []
    for name, verdicts in counted:
        count = multiplicity(verdicts, RATE)
        numbers = count.decided, count.reproduced, count.holm, count.benjamini_hochberg
        rows.append((name, *map(str, numbers)))
    return captioned(
        markdown(("verdicts", "decided by a test", "*reproduced*", *after), rows),
        "Verdicts that remain after a correction for the number of claims. Counts are of verdicts, "
        "one for each claim and data set.",
        "table-multiplicity",
    )
