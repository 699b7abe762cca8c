"""The tests of long chains: how a loss grows over 50 fits.

The statistics are those of ``results/predictions.yml``, which was written before the chains ran.
"""

from __future__ import annotations

import pandas as pd

from . import predictions
from .rows import NOTHING, Arm, Rows
from .verdicts import Part


def grows_as_harmonic(rows: Rows, of: Arm) -> list[Part]:
    """H_t fits the loss of a chain better than a line and than the sum of 1/i^2 do."""
    table = rows.table(of)
    if table.shape[1] < 3:
        return [rows.part(NOTHING)]
    statistics = predictions.growth(table), predictions.bounded(table)
    return [Part(values, 0.0, seeds=tuple(table.index)) for values in statistics]


def _late_change(rows: Rows, of: Arm) -> pd.Series:
    """The change of the loss between two windows; empty for chains that end too early."""
    table = rows.logged(of)
    if not {*predictions.EARLIER, *predictions.LATER} <= set(table.columns):
        return NOTHING
    later, earlier = (
        table[list(fits)].mean(axis=1) for fits in (predictions.LATER, predictions.EARLIER)
    )
    return rows.effect(later - earlier)


def still_rises(rows: Rows, of: Arm) -> list[Part]:
    """The loss rises from the earlier to the later of two windows of ten fits."""
    return [rows.part(_late_change(rows, of))]


def levels_off(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """The two windows differ by less than ``limit``: two one-sided tests."""
    change = _late_change(rows, of)
    return [rows.part(change, 1 / limit if rows.log else -limit), rows.part(change, limit, -1)]
