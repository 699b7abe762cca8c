"""The table of simulations beside closed forms that a theory chapter shows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..evidence.statistics import estimate
from ..evidence.theory_effects import ratios


def agreement(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A row a closed form: its settings, simulation / closed form over seeds, and the z-scores.

    The z-scores of one chain are correlated, so each setting and seed gives one of them, in turn.
    """
    rows = {}
    for name in names:
        z = frame[(frame["regime"] == name) & (frame["metric"] == "z")]
        chains = [chain["value"].tolist() for _, chain in z.groupby(["variant", "seed"])]
        chosen = pd.Series([chain[(3 * i) % len(chain)] for i, chain in enumerate(chains)])
        ratio = estimate(ratios(frame, name).mean(axis=1))
        rows[name] = {
            "settings": z["variant"].nunique(),
            "simulation / closed form": ratio.text(4),
            "$|z| < 1.96$": f"{(chosen.abs() < 1.96).mean():.0%} of {len(chosen)}",
            "largest $|z|$": f"{chosen.abs().max():.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
