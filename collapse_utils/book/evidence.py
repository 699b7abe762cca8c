"""How much a verdict is worth: its false positives on simulated results without effect, and its power, by seeds."""

from __future__ import annotations

import numpy as np

from ..statistics import detectable, false_positive_rate

SEEDS = (3, 5, 10)
TRIALS = 10_000


def table() -> str:
    """A row for each number of seeds; the simulation has a fixed seed."""
    lines = [
        f"| seeds | false positives in {TRIALS:,} claims without effect | effect found with 80% power |",
        "|---|---|---|",
    ]
    for seeds in SEEDS:
        rate = false_positive_rate(seeds, TRIALS, np.random.default_rng(seeds))
        lines.append(f"| {seeds} | {rate:.1%} | {detectable(seeds):.1f} standard deviations between seeds |")
    return "\n".join([*lines, ""])
