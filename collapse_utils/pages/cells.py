"""The table of simulations beside closed forms that a theory chapter shows."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ..evidence.statistics import estimate


def agreement(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """A row a closed form: its settings, |simulation/formula - 1| over seeds, and the z-scores.

    ``names`` are the values of ``column`` (regime, or the start of a variant) with their labels.
    The z-scores of one chain are correlated, so each setting and seed gives one of them, in turn.
    """
    rows = {}
    for name, label in names.items():
        own = frame[frame[column].str.split(",").str[0] == name]
        final = own[own["iteration"] == own["iteration"].max()]
        error = final[final["metric"] == "formula_error"].groupby("seed")["value"].mean() * 100
        z = own[own["metric"] == "z"].groupby(["regime", "variant", "seed"])["value"]
        chains = [values.tolist() for _, values in z]
        chosen = pd.Series([chain[(3 * i) % len(chain)] for i, chain in enumerate(chains)])
        rows[label] = {
            "settings": own.groupby(["regime", "variant"]).ngroups,
            "simulation / formula - 1 (%)": estimate(error).text(2),
            "$|z| < 1.96$": f"{(chosen.abs() < 1.96).mean():.0%} of {len(chosen)}",
            "largest $|z|$": f"{chosen.abs().max():.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
