"""How certain a verdict is: its measured error rates, its power, and what is left after a
correction for many claims.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from collapse_utils.evidence.statistics import detectable
from collapse_utils.evidence.verdicts import LEVEL, TWO_LOOKS, Verdict, error_rates, multiplicity

from .tables import captioned

SEEDS = (3, 5, 10)
PARTS = (1, 4, 7, 9)  # as our claims have
LOOKS = (3, 5)  # seeds that were looked at before more were run, and all of them
TRIALS = 20_000
RATE = 0.05  # of the corrections for many claims


def table() -> str:
    """Wrong verdicts in simulations by seeds and parts, and the effect that is found; the
    simulation has a fixed seed.
    """
    lines = [
        "| seeds | parts | p needed | wrongly *reproduced* | wrongly *not reproduced* "
        "| effect found |",
        "|---|---|---|---|---|---|",
    ]
    for seeds in SEEDS:
        for parts in PARTS:
            power = f"{detectable(seeds):.1f}" if parts == 1 else ""
            lines.append(_row(str(seeds), seeds, parts, LEVEL, power))
    first, last = LOOKS
    lines.append(_row(f"{first}, then {last}", last, 1, TWO_LOOKS, "", first_look=first))
    return captioned(
        "\n".join([*lines, ""]),
        f"Wrong verdicts in {TRIALS:,} simulated claims without an effect. The last column is the "
        "smallest effect that is found four times in five, in standard deviations between seeds.",
        "table-error-rates",
    )


def _row(label: str, seeds: int, parts: int, level: float, power: str, first_look: int = 0) -> str:
    rates = error_rates(seeds, parts, TRIALS, np.random.default_rng((seeds, parts)), first_look)
    return (
        f"| {label} | {parts} | {level} | {rates.reproduced:.1%} | {rates.not_reproduced:.1%} | "
        f"{power} |"
    )


def multiplicity_table(counted: Sequence[tuple[str, Sequence[Verdict]]]) -> str:
    """How many *reproduced* verdicts survive Holm and Benjamini-Hochberg, a row for each named set
    of verdicts.
    """
    lines = [
        f"| verdicts | decided by a test | *reproduced* | after Holm ({RATE:.0%}) "
        f"| after Benjamini-Hochberg ({RATE:.0%}) |",
        "|---|---|---|---|---|",
    ]
    for name, verdicts in counted:
        count = multiplicity(verdicts, RATE)
        lines.append(
            f"| {name} | {count.decided} | {count.reproduced} | {count.holm} | "
            f"{count.benjamini_hochberg} |"
        )
    return captioned(
        "\n".join([*lines, ""]),
        "Verdicts that remain after a correction for the number of claims. Counts are of verdicts, "
        "one for each claim and data set.",
        "table-multiplicity",
    )
