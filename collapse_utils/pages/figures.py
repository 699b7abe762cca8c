"""The house style and the plot that every chapter shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evidence import statistics

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


PANELS = {1: (6.6, 4.2), 2: (4.8, 4.0), 3: (3.6, 3.5)}  # inches, by the number of panels in a row


def grid(rows: int, columns: int, **shared: object) -> tuple[Figure, np.ndarray]:
    """A figure of ``rows`` by ``columns`` panels, whose letters are about as large as the text of the page."""
    width, height = PANELS[columns]
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **shared)


def titles(row: Sequence[Axes], names: Sequence[str], about: str) -> None:
    """Name the panels of a row; above the first name stands, as wide as it needs, what the whole row is ``about``."""
    for ax, name in zip(row, names, strict=True):
        ax.set_title(f"\n{name}", fontsize=11)
    above = row[0].annotate(about, (0, 1), xytext=(0, 20), xycoords="axes fraction", textcoords="offset points", fontsize=11)
    above.set_in_layout(False)  # else it would widen the first panel


def legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """One legend for all panels, below them, where no curve passes."""
    entries = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside lower left", ncols=max(len(entries), 1), fontsize=11,
                  columnspacing=1.5, handletextpad=0.5)  # fmt: skip


def spread(values: Sequence[int], most: int) -> list[int]:
    """The first, the last, and values evenly between them; all of them if there are no more than ``most``."""
    places = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[place] for place in places]


def about(name: str, frame: pd.DataFrame) -> str:
    """The title of results: their name, and how many seeds are summed up."""
    count = statistics.seeds_of(frame)
    return f"{name}: {'one seed, no interval' if count == '1 seed' else f'mean and 95% interval of {count}'}"
