"""The claims of section 2.2 and our controls, decided from tidy results.

Losses of different networks and molecules are not to be compared, so every effect is a ratio: to the same chain's first fit,
or of two regimes of one seed.  The threshold of a ratio is 1 unless the claim names another.
"""

from __future__ import annotations

import pandas as pd

from ..statistics import Verdict, all_of, by_seed, exceeds, growth, last, last_ratio, stays_below

LOSSES = ("local_loss", "global_loss", "total_loss")
LANGEVIN = "sampler=langevin,sampling_steps=1000"  # the variant that samples as GeoDiff does
# The largest ratio of the authors' accumulate runs to their first fit (local loss, validation).
AUTHORS_RATIO = 90.0 / 54.68


def _rises(claim: str, frame: pd.DataFrame, metric: str, regime: str, variant: str = "") -> Verdict:
    """Every step from one iteration to the next is a rise: the ratio of neighbours lies above 1."""
    table = by_seed(frame, metric, regime=regime, variant=variant)
    steps = [(table[t] / table[t - 1]).tolist() for t in table.columns[1:]] if table.size else [[]]
    return all_of(claim, [exceeds(claim, step, 1.0) for step in steps])


def _worst(table: pd.DataFrame) -> list[float]:
    return table.iloc[:, 1:].max(axis=1).tolist() if table.shape[1] > 1 else []


def _share_of_rise(frame: pd.DataFrame, metric: str) -> list[float]:
    """How much of replace's rise from the first fit to the last accumulate makes, a value a seed."""
    tables = [by_seed(frame, metric, regime=regime, variant="") for regime in ("accumulate", "replace")]
    if any(table.shape[1] < 2 for table in tables):
        return []
    end = min(table.columns[-1] for table in tables)
    accumulate, replace = (table[end] - table[1] for table in tables)
    return (accumulate / replace).dropna().tolist()


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Every claim, loss by loss, then our controls; one whose regimes ``frame`` lacks is ``not run``."""
    found = []
    for metric in LOSSES:
        name = metric.replace("_", " ")
        found += [
            _rises(f"{name}: replace rises at every iteration", frame, metric, "replace"),
            exceeds(f"{name}: replace ends above accumulate", last_ratio(frame, metric, "replace", "accumulate"), 1.0),
        ]
    jump = "total loss: accumulate makes most of replace's rise, as in the authors' runs"
    local = "local loss: accumulate rises by no larger factor than in the authors' runs"
    samples = "samples: replace strains molecules more than accumulate"
    return [
        *found,
        stays_below(local, _worst(growth(frame, "local_loss", "accumulate")), AUTHORS_RATIO),
        exceeds("local loss: accumulate ends above its own first fit", last(growth(frame, "local_loss", "accumulate")), 1.0),
        exceeds("total loss: accumulate ends above its own first fit", last(growth(frame, "total_loss", "accumulate")), 1.0),
        exceeds(jump, _share_of_rise(frame, "total_loss"), 0.5),
        exceeds(samples, last_ratio(frame, "strain", "replace", "accumulate"), 1.0),
        exceeds(
            "local loss: accumulate, subsampled to the first set's size, ends below replace",
            last_ratio(frame, "local_loss", "replace", "accumulate_subsample"),
            1.0,
        ),
        exceeds(
            "local loss: replace with grown data ends above accumulate",
            last_ratio(frame, "local_loss", "replace_multiple", "accumulate"),
            1.0,
        ),
    ]


def sampler_verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """The claims on the variant that samples as GeoDiff does."""
    langevin = "local loss, GeoDiff's own sampler: replace rises at every iteration"
    langevin_end = "local loss, GeoDiff's own sampler: replace ends above accumulate"
    return [
        _rises(langevin, frame, "local_loss", "replace", LANGEVIN),
        exceeds(langevin_end, last_ratio(frame, "local_loss", "replace", "accumulate", LANGEVIN), 1.0),
    ]
