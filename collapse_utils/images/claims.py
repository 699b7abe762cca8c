"""The claims of section 2.3 and our controls, decided from tidy results.

Losses of different networks, sizes and faces are not to be compared, so every effect is a ratio: to the same chain's first
fit, or of two regimes of one seed.  The threshold of a ratio is 1.
"""

from __future__ import annotations

import pandas as pd

from .. import statistics
from ..statistics import Verdict, all_of, exceeds, last, last_ratio, stays_below

EPOCHS = ""  # the variant of a preset itself: training grows with the data
STEPS = "protocol=steps"  # the variant in which every fit has as many steps as the first


def growth(frame: pd.DataFrame, regime: str, variant: str = EPOCHS) -> pd.DataFrame:
    """Test loss over that of the first fit: a row a seed, a column an iteration."""
    return statistics.growth(frame, "test_loss", regime, variant)


def _stays_above(frame: pd.DataFrame, regime: str) -> Verdict:
    claim = f"{regime} raises the test loss above its first fit in every later one"
    later = growth(frame, regime).iloc[:, 1:]
    return all_of(claim, [exceeds(claim, later[t], 1.0) for t in later] or [exceeds(claim, [])])


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Every claim, in the paper's order, then our controls; one whose regimes ``frame`` lacks is ``not run``."""
    modes = "replaced models lose variety: less variance and fewer modes than accumulate"
    return [
        _stays_above(frame, "replace"),
        exceeds("replace ends above accumulate", last_ratio(frame, "test_loss", "replace", "accumulate"), 1.0),
        exceeds("accumulate ends above its own first fit", last(growth(frame, "accumulate")), 1.0),
        all_of(
            modes,
            [
                stays_below(modes, last_ratio(frame, "sample_variance_ratio", "replace", "accumulate"), 1.0),
                stays_below(modes, last_ratio(frame, "modes", "replace", "accumulate"), 1.0),
            ],
        ),
        exceeds(
            "accumulate, subsampled to equal training, ends below replace",
            last_ratio(frame, "test_loss", "replace", "accumulate_subsample"),
            1.0,
        ),
        exceeds(
            "replace with grown data ends above accumulate",
            last_ratio(frame, "test_loss", "replace_multiple", "accumulate"),
            1.0,
        ),
    ]


def step_verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """The claims on the variant in which every fit has the same number of steps."""
    return [
        exceeds(
            "with a fixed number of steps, replace ends above accumulate",
            last_ratio(frame, "test_loss", "replace", "accumulate", STEPS),
            1.0,
        ),
        exceeds(
            "with a fixed number of steps, accumulate ends above its own first fit",
            last(growth(frame, "accumulate", STEPS)),
            1.0,
        ),
    ]
