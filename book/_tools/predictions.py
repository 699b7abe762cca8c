"""The predictions that were registered before their runs, ``results/predictions.yml``, and their
outcomes.

The file defines the statistics and the rules of decision; this module computes them.  A chain is
one observation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from collapse_utils.errors import one_of
from collapse_utils.evidence import growth, results
from collapse_utils.evidence.statistics import Estimate, by_seed, estimate

FILE = "predictions.yml"
UNDECIDED, NOT_RUN = "undecided", "not run"
PLATEAU = 0.05  # largest change of the logarithm of a loss between the windows of late_change


def final_ratio(table: pd.DataFrame) -> list[float]:
    """log(loss of the final fit / loss of the first)."""
    return np.log(table.iloc[:, -1] / table.iloc[:, 0]).tolist()


def final_gap(table: pd.DataFrame, other: pd.DataFrame) -> list[float]:
    """log(loss of the final fit / that of ``other``) for the seeds that both have."""
    return np.log(table.iloc[:, -1] / other.iloc[:, -1]).dropna().tolist()


STATISTICS = {
    "growth": growth.harmonic_over_line,
    "bounded": growth.harmonic_over_convergent,
    "late_change": lambda table: growth.late_change(np.log(table)).tolist(),
    "final_ratio": final_ratio,
}
SIGNS = {  # outcome of a statistic above 0, and below 0
    "growth": ("H_t", "a line"),
    "bounded": ("H_t", "S_t"),
    "final_ratio": ("above 0", "below 0"),
    "final_gap": ("above 0", "below 0"),
}


def outcome(statistic: str, values: list[float]) -> tuple[Estimate, str]:
    """The mean of a statistic over chains, its 95% interval, and the outcome by the file's rule."""
    effect = estimate(values)
    if statistic == "late_change":
        narrow = estimate(values, 0.90)  # two one-sided tests at 5%
        if narrow.low > -PLATEAU and narrow.high < PLATEAU:
            return effect, "plateau"
        return effect, "still rising" if effect.low > 0 else UNDECIDED
    above, below = SIGNS[statistic]
    return effect, above if effect.low > 0 else below if effect.high < 0 else UNDECIDED


def read(given: str | Path | None = None) -> list[dict[str, Any]]:
    """The entries of the file, if it exists; InputError for a statistic that it does not define."""
    path = results.root(given) / FILE
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else []
    for entry in entries:
        for prediction in entry["predictions"]:
            one_of(entry["id"], prediction["statistic"], [*STATISTICS, "final_gap"])
    return entries


def _table(
    entry: dict[str, Any], source: str, regime: str, given: str | Path | None
) -> pd.DataFrame:
    """The metric of an entry: one row for each registered seed that was run, one column for each
    fit.
    """
    name = f"{entry['preset']}-{source}"
    if not (results.root(given) / entry["section"] / name / "metrics.csv").exists():
        return pd.DataFrame()
    frame = results.named(entry["section"], name, given)
    table = by_seed(frame, entry["metric"], regime=regime, variant=entry["variant"])
    return table[table.index.isin(entry["seeds"])]


def outcomes(given: str | Path | None = None) -> pd.DataFrame:
    """Every prediction with its outcome, one row for each data source."""
    entries = {entry["id"]: entry for entry in read(given)}
    rows = []
    for name, entry in entries.items():
        sources = entry["source"] if isinstance(entry["source"], list) else [entry["source"]]
        for source in sources:
            for prediction in entry["predictions"]:
                regime = prediction["regime"]
                over = prediction.get("over")
                statistic = prediction["statistic"]
                table = _table(entry, source, regime, given)
                if over is None:
                    values = STATISTICS[statistic](table) if table.size else []
                else:
                    other = (
                        _table(entries[over], source, regime, given)
                        if over in entries
                        else _table(entry, source, over, given)
                    )
                    values = final_gap(table, other) if table.size and other.size else []
                effect, decided = outcome(statistic, values) if values else (None, NOT_RUN)
                rows.append(
                    {
                        "id": name,
                        "source": source,
                        "regime": regime,
                        "over": over or "",
                        "statistic": statistic,
                        "expected": prediction["expect"],
                        "probability": prediction["probability"],
                        "chains": len(values),
                        "value": "" if effect is None else effect.text(3),
                        "outcome": decided,
                    }
                )
    return pd.DataFrame(rows)
