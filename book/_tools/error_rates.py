"""How much a verdict is worth: its false positives on simulated results without effect, and its power, by seeds."""

from __future__ import annotations

import numpy as np

from collapse_utils.evidence.statistics import detectable, false_positive_rates

SEEDS = (3, 5, 10)
LOOKS = (3, 5)  # seeds that were looked at before more were run, and with those
TRIALS = 10_000


def table() -> str:
    """A row for each number of seeds; the simulation has a fixed seed."""
    lines = [
        f"| seeds | of {TRIALS:,} claims without effect: reproduced | not reproduced | effect found with 80% power |",
        "|---|---|---|---|",
    ]
    for seeds in SEEDS:
        wrong = false_positive_rates(seeds, TRIALS, np.random.default_rng(seeds))
        lines.append(_row(str(seeds), wrong, f"{detectable(seeds):.1f} standard deviations between seeds"))
    first, last = LOOKS
    wrong = false_positive_rates(last, TRIALS, np.random.default_rng(first + last), first_look=first)
    lines.append(_row(f"{first}, then {last} where undecided", wrong, f"at most that of {last}"))
    return "\n".join([*lines, ""])


def _row(seeds: str, wrong: tuple[float, float], found: str) -> str:
    return f"| {seeds} | {' | '.join(f'{rate:.1%}' for rate in wrong)} | {found} |"
