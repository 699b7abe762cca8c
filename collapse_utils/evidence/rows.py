"""The results that a claim reads: the table of an arm, or a comparison of two arms, on the claim's
scale.

An arm is the chains of one regime and variant.  Effects are paired by seed, since chains of one
seed share their first fit.  On the scale ``difference`` the null effect is 0.  On the scale
``ratio`` it is 1, and effects are compared as logarithms: this is for losses whose level has no
meaning beyond one network and one data set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .statistics import by_seed
from .verdicts import Part

SCALES = ("difference", "ratio")
REAL_LENGTH = "mean_length_real"  # the metric that holds the tokens of a real test text
# the loss of a model that is evaluated at the temperature of its samples
TEMPERED = "cross_entropy_sampling_temperature"
NO_EFFECTS = pd.Series(dtype=float)  # of chains that were not run
Arm = str | dict  # a regime, or {regime: ..., variant: ..., metric: ...}


def arm_options(arm: Arm) -> dict:
    """An arm as a dictionary, also if it is a regime alone."""
    return {"regime": arm} if isinstance(arm, str) else arm


def variant_fields(variant: str) -> dict[str, str]:
    """``temperature=0.3,architecture=gpt2`` as a dictionary."""
    return dict(field.split("=") for field in variant.split(",") if field)


def joined(model: str, variant: str) -> str:
    """Two variants as one, such as ``architecture=gpt2`` and ``temperature=0.3``."""
    return ",".join(part for part in (model, variant) if part)


def part(effects: pd.Series, threshold: float, sign: int = +1, log: bool = False) -> Part:
    """A part of a claim from effects whose index holds their seeds."""
    effects = effects.dropna()
    return Part(effects.tolist(), threshold, sign, log, seeds=tuple(effects.index))


@dataclass(frozen=True)
class Rows:
    """Tidy results, with the metric, scale and variant that all arms of a claim share."""

    frame: pd.DataFrame
    metric: str
    scale: str
    variant: str = ""
    model: str = ""  # the fields that name a model, such as ``architecture=gpt2``

    @property
    def log(self) -> bool:
        return self.scale == "ratio"

    @property
    def null(self) -> float:
        return 1.0 if self.log else 0.0

    def part(self, effects: pd.Series, threshold: float | None = None, sign: int = +1) -> Part:
        """The claim that effects lie above (``sign`` +1) or below a threshold, by default the null
        effect.
        """
        return part(effects, self.null if threshold is None else threshold, sign, self.log)

    def table(self, arm: Arm) -> pd.DataFrame:
        """One row for each seed, one column for each iteration; empty if the arm was not run."""
        options = arm_options(arm)
        metric = options.get("metric", self.metric)
        variant = joined(self.model, options.get("variant", self.variant))
        table = by_seed(self.frame, metric, regime=options["regime"], variant=variant)
        if self.log and (table.to_numpy() <= 0).any():
            raise InputError(
                metric, float(table.to_numpy().min()), "values above 0, on the scale ratio"
            )
        return table

    def logged(self, arm: Arm) -> pd.DataFrame:
        """The table of an arm on the scale on which its changes are differences."""
        return np.log(self.table(arm)) if self.log else self.table(arm)

    def effect(self, change: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame:
        """A change on the scale of :meth:`logged` as an effect: a difference or a ratio."""
        return np.exp(change) if self.log else change

    def changes(self, arm: Arm) -> pd.DataFrame:
        """Later fits - first fit, on the scale of :meth:`logged`: (seeds, later fits)."""
        table = self.logged(arm)
        return table.iloc[:, 1:].sub(table.iloc[:, 0], axis=0) if table.size else table

    def at_the_end(self, first: Arm, second: Arm) -> pd.Series:
        """Two arms compared at the last fit that both have: one effect for each seed."""
        tables = self.logged(first), self.logged(second)
        if any(table.empty for table in tables):
            return NO_EFFECTS
        end = min(table.columns[-1] for table in tables)
        return self.effect(tables[0][end] - tables[1][end])

    def rises_to_the_end(self, first: Arm, second: Arm) -> tuple[pd.Series, pd.Series]:
        """The differences last fit - first fit of two arms, at the last fit that both have."""
        tables = self.table(first), self.table(second)
        if any(table.shape[1] < 2 for table in tables):
            return NO_EFFECTS, NO_EFFECTS
        end = min(table.columns[-1] for table in tables)
        first_rise, second_rise = (table[end] - table[table.columns[0]] for table in tables)
        return first_rise, second_rise
