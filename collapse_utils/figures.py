"""The house style and the plot that every chapter shares."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from . import statistics

# One colour and one mark for a regime on every page (Okabe and Ito's colour-blind safe palette).
COLOURS = {
    "replace": "#D55E00",
    "accumulate": "#0072B2",
    "accumulate_subsample": "#009E73",
    "replace_multiple": "#CC79A7",
}
MARKS = {"replace": "o", "accumulate": "s", "accumulate_subsample": "^", "replace_multiple": "D"}
LABELS = {
    "replace": "replace",
    "accumulate": "accumulate",
    "accumulate_subsample": "accumulate, subsampled",
    "replace_multiple": "replace, grown data",
}
REPORTED = "#6b6b6b"  # the paper's numbers, wherever they stand beside ours


def style() -> None:
    """Set matplotlib's defaults: opaque white (dark pages), large type (phones), no frame that carries no data."""
    plt.rcParams.update(
        {
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "font.size": 12,
            "axes.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.labelsize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e3e3e3",
            "grid.linewidth": 0.7,
            "axes.axisbelow": True,
            "lines.linewidth": 2.0,
            "lines.markersize": 6,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
        }
    )


def curve(ax: Axes, table: pd.DataFrame, regime: str, *, label: str | None = None, **line: object) -> None:
    """One regime: the mean by iteration with its interval as a band; ``table`` is that of ``statistics.by_iteration``."""
    colour = COLOURS[regime]
    name = LABELS[regime] if label is None else label
    ax.plot(table["iteration"], table["mean"], color=colour, marker=MARKS[regime], label=name, **line)
    if (table["n"] > 1).all():
        ax.fill_between(table["iteration"], table["low"], table["high"], color=colour, alpha=0.18, linewidth=0)


def regimes(ax: Axes, frame: pd.DataFrame, metric: str, names: Sequence[str], *, label: str = "", **where: object) -> None:
    """Every regime of ``names`` that ``frame`` holds, by model-fitting iteration."""
    for regime in names:
        table = statistics.by_iteration(frame, metric, regime=regime, **where)
        if len(table):
            curve(ax, table, regime)
    iterations = sorted(frame["iteration"].unique())
    ax.set_xticks(iterations if len(iterations) <= 10 else iterations[::5])
    ax.set_xlabel("model-fitting iteration")
    ax.set_ylabel(label or metric.replace("_", " "))


def seeds_note(frame: pd.DataFrame) -> str:
    """How many seeds a figure sums up, in words, for its title or caption."""
    count = frame["seed"].nunique()
    return "one seed, no interval" if count == 1 else f"mean and 95% interval of {count} seeds"
