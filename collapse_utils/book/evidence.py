"""How much a verdict is worth: its false positives on simulated results without effect, and its power, by seeds."""

from __future__ import annotations

import numpy as np

from ..statistics import detectable, false_positive_rates

SEEDS = (3, 5, 10)
TRIALS = 10_000


def table() -> str:
    """A row for each number of seeds; the simulation has a fixed seed."""
    lines = [
        f"| seeds | of {TRIALS:,} claims without effect: reproduced | not reproduced | effect found with 80% power |",
        "|---|---|---|---|",
    ]
    for seeds in SEEDS:
        wrong = " | ".join(f"{rate:.1%}" for rate in false_positive_rates(seeds, TRIALS, np.random.default_rng(seeds)))
        lines.append(f"| {seeds} | {wrong} | {detectable(seeds):.1f} standard deviations between seeds |")
    return "\n".join([*lines, ""])
