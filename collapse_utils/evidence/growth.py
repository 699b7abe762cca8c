"""The tests of long chains: how a loss grows over 50 fits.

``results/predictions.yml``, which was written before the chains ran, defines the statistics.  A
``table`` has one row for each chain and one column for each fit: 1, 2, ...
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .rows import NO_EFFECTS, Arm, Rows
from .verdicts import Part

EARLIER, LATER = range(21, 31), range(41, 51)  # fits whose means are compared


def _residual(y: np.ndarray, shape: np.ndarray) -> float:
    """Sum of squared residuals of y = a + b shape, by least squares."""
    design = np.column_stack([np.ones_like(shape), shape])
    return float(np.square(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]).sum())


def _prefers_harmonic(table: pd.DataFrame, other: np.ndarray) -> list[float]:
    """log(residual of ``other`` / residual of H_t) of each chain: positive if H_t fits better."""
    harmonic = np.cumsum(1 / np.arange(1.0, table.shape[1] + 1))
    return [float(np.log(_residual(y, other) / _residual(y, harmonic))) for y in table.to_numpy()]


def harmonic_over_line(table: pd.DataFrame) -> list[float]:
    """Positive where a loss grows like H_t, not like a line."""
    return _prefers_harmonic(table, np.arange(1.0, table.shape[1] + 1))


def harmonic_over_convergent(table: pd.DataFrame) -> list[float]:
    """Positive where a loss grows like H_t, not like the sum of 1/i^2, which converges."""
    return _prefers_harmonic(table, np.cumsum(1 / np.arange(1.0, table.shape[1] + 1) ** 2))


def late_change(table: pd.DataFrame) -> pd.Series:
    """Mean of the fits ``LATER`` - mean of the fits ``EARLIER``; empty for shorter chains."""
    if not {*EARLIER, *LATER} <= set(table.columns):
        return NO_EFFECTS
    return table[list(LATER)].mean(axis=1) - table[list(EARLIER)].mean(axis=1)


def grows_as_harmonic(rows: Rows, of: Arm) -> list[Part]:
    """H_t fits the loss of a chain better than a line and than the sum of 1/i^2 do."""
    table = rows.table(of)
    if table.shape[1] < 3:
        return [rows.part(NO_EFFECTS)]
    statistics = harmonic_over_line(table), harmonic_over_convergent(table)
    return [Part(values, 0.0, seeds=tuple(table.index)) for values in statistics]


def still_rises(rows: Rows, of: Arm) -> list[Part]:
    """The loss rises from the earlier to the later of two windows of ten fits."""
    return [rows.part(rows.effect(late_change(rows.logged(of))))]


def levels_off(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """The two windows differ by less than ``limit``: two one-sided tests."""
    change = rows.effect(late_change(rows.logged(of)))
    return [rows.part(change, 1 / limit if rows.log else -limit), rows.part(change, limit, -1)]
