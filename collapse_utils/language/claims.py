"""The claims of section 2.1 and our controls, decided from tidy results."""

from __future__ import annotations

import pandas as pd

from ..statistics import Verdict, all_of, by_seed, exceeds, rises_everywhere, stays_below

# How far accumulate may end from its own first fit: the group's own rerun of a published curve differs by 0.10 nats.
TOLERANCE = 0.1  # nats
COLD = "temperature=0.3"  # the variant at the paper's second temperature


def verdicts(frame: pd.DataFrame) -> list[Verdict]:
    """Every claim, in the paper's order; a claim whose regimes or temperature ``frame`` lacks is ``not run``."""

    def table(regime: str, variant: str = "") -> pd.DataFrame:
        return by_seed(frame, "cross_entropy", regime=regime, variant=variant)

    def excess(regime: str, variant: str = "") -> pd.DataFrame:
        """Cross-entropy above that of the first fit, a column an iteration."""
        values = table(regime, variant)
        return values.sub(values.iloc[:, 0], axis=0) if values.size else values

    def gap(above: pd.DataFrame, below: pd.DataFrame) -> list[float]:
        """The paired difference at the last iteration that both have, a value a seed."""
        if above.empty or below.empty:
            return []
        last = min(above.columns[-1], below.columns[-1])
        return (above[last] - below[last]).dropna().tolist()

    def worst(values: pd.DataFrame) -> list[float]:
        return values.iloc[:, 1:].max(axis=1).tolist() if values.shape[1] > 1 else []

    cold_speed = "replace rises faster at temperature 0.3 than at 1.0"
    between = "replace with grown data ends between accumulate and replace"
    return [
        rises_everywhere("replace rises at every iteration", table("replace")),
        rises_everywhere("replace rises at every iteration at temperature 0.3", table("replace", COLD)),
        stays_below("accumulate stays within 0.1 nats of its first fit", worst(excess("accumulate")), TOLERANCE),
        stays_below(
            "accumulate stays within 0.1 nats of its first fit at temperature 0.3",
            worst(excess("accumulate", COLD)),
            TOLERANCE,
        ),
        exceeds("replace ends above accumulate", gap(table("replace"), table("accumulate"))),
        exceeds(cold_speed, gap(excess("replace", COLD), excess("replace"))),
        all_of(
            between,
            [
                exceeds(between, gap(table("replace"), table("replace_multiple"))),
                exceeds(between, gap(table("replace_multiple"), table("accumulate"))),
            ],
        ),
        exceeds(
            "accumulate, subsampled to equal training, ends below replace",
            gap(table("replace"), table("accumulate_subsample")),
        ),
        exceeds(
            "accumulate, subsampled to equal training, ends above accumulate",
            gap(table("accumulate_subsample"), table("accumulate")),
        ),
    ]
