"""The tables that more than one chapter shows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import regimes
from ..durable import files
from ..durable.progress import duration
from ..evidence.statistics import Estimate, by_seed, estimate
from . import figures


def signed(effect: Estimate, digits: int = 2) -> str:
    """A change with its interval, such as ``+0.31 [+0.25, +0.37]``."""
    mean, low, high = (f"{value:+.{digits}f}" for value in (effect.mean, effect.low, effect.high))
    return mean if effect.n < 2 else f"{mean} [{low}, {high}]"


def control_table(
    ours: pd.DataFrame, metric: str, items: str, *, digits: int = 3, change_digits: int = 2
) -> pd.DataFrame:
    """The final fit of every regime: the size of its training set, its metric and the change."""
    rows = {}
    for regime in regimes.REGIMES:
        table = by_seed(ours, metric, regime=regime, variant="")
        if not table.size:
            continue
        last = table.columns[-1]
        share = f"1/{last}" if regime in ("accumulate", "accumulate_subsample") else "none"
        size = f"{regimes.training_size(regime, last)} n, {share} real"
        final = estimate(table[last]).text(digits)
        change = signed(estimate(table[last] - table[1]), change_digits)
        rows[figures.LABELS[regime]] = size, final, change
    name = metric.replace("_", "-" if metric == "cross_entropy" else " ")
    columns = [items, f"{name}, final fit", "change since the first"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def change_cells(growth: pd.DataFrame) -> dict[int, str]:
    """A metric as a multiple of that of the first fit, with its interval, by iteration.

    ``growth`` has a row for each seed and a column for each iteration; the interval is taken on the
    log scale.
    """
    return {t: estimate(growth[t], log=True).text(2) for t in growth.columns[1:]}


def reported_cells(curve: pd.DataFrame) -> dict[int, str]:
    """:func:`change_cells` of a reported curve, which has the columns iteration and value."""
    values = curve.set_index("iteration")["value"]
    return {t: f"{value / values[1]:.2f}" for t, value in values.items() if t > 1}


def change_frame(rows: dict[tuple[str, ...], dict[int, str]], names: list[str]) -> pd.DataFrame:
    """The cells of :func:`change_cells` and :func:`reported_cells` as a table.

    The keys of ``rows`` are tuples with a value for each of ``names``.
    """
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame = frame[sorted(frame.columns)].fillna("")
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=names)
    return frame.rename(columns=lambda t: f"t = {t}")


def cost_table(folder: Path) -> pd.DataFrame:
    """Median time and memory of the reference chains by variant and regime."""
    records = files.read_json(folder / "provenance.json")
    rows = [
        {
            "variant": record["variant"] or "as the preset",
            "regime": figures.LABELS[record["regime"]],
            "chains": 1,
            "minutes a chain": record["provenance"]["wall_s"] / 60,
            "peak memory (MB)": record["provenance"]["peak_memory_mb"],
            "threads": record["provenance"]["threads"],
        }
        for record in records
    ]
    grouped = pd.DataFrame(rows).groupby(["variant", "regime"], sort=True)
    medians = dict.fromkeys(("minutes a chain", "peak memory (MB)"), "median")
    frame = grouped.agg({"chains": "sum", **medians, "threads": "first"})
    rounded = frame.round({"minutes a chain": 1, "peak memory (MB)": 0})
    return rounded.astype({"peak memory (MB)": int})


def times(folder: Path) -> str:
    """Median run time of the preset's chains under replace and accumulate: ``2 min to 14 min``."""
    records = files.read_json(folder / "provenance.json")
    rows = [(r["regime"], r["provenance"]["wall_s"]) for r in records if not r["variant"]]
    seconds = pd.DataFrame(rows, columns=["regime", "s"]).groupby("regime")["s"].median()
    return " to ".join(dict.fromkeys(duration(seconds[x]) for x in ("replace", "accumulate")))


def on_one_line(interval: str) -> str:
    """A text in which a line never ends inside an interval."""
    return interval.replace(", ", ",\N{NO-BREAK SPACE}")
