"""The style of all figures, and the plots that chapters share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .. import selection
from ..evidence import statistics


class ByRegime(dict[str, str]):
    """A property of each regime.  For a regime with a share, such as ``fixed_real=0.25``, it is
    ``with_share(name, share)``.
    """

    def __init__(self, table: Mapping[str, str], with_share: Callable[[str, float], str]):
        super().__init__(table)
        self.with_share = with_share

    def __missing__(self, regime: str) -> str:
        share = selection.share_of_real(regime)
        if share is None:
            raise KeyError(regime)
        return self.with_share(regime.partition("=")[0], share)


def _shade(name: str, share: float) -> str:
    """Darker for a larger share of real items."""
    light = to_rgb({"fixed_real": "#E69F00", "redrawn_real": "#56B4E9"}[name])
    return to_hex([part * (1 - share / 2) for part in light])


def _share_label(name: str, share: float) -> str:
    return f"{share:g} real, {'always the same' if name == 'fixed_real' else 'redrawn'}"


# The same colour and mark for a regime on every page (Okabe and Ito's colour-blind safe palette).
COLOURS = ByRegime(
    {
        "replace": "#D55E00",
        "accumulate": "#0072B2",
        "accumulate_subsample": "#009E73",
        "replace_multiple": "#CC79A7",
    },
    _shade,
)
MARKS = ByRegime(
    {"replace": "o", "accumulate": "s", "accumulate_subsample": "^", "replace_multiple": "D"},
    lambda name, _: {"fixed_real": "v", "redrawn_real": "P"}[name],
)
LABELS = ByRegime(
    {
        "replace": "replace",
        "accumulate": "accumulate",
        "accumulate_subsample": "accumulate at equal size",
        "replace_multiple": "replace, t times the data",
    },
    _share_label,
)
REPORTED = "#6b6b6b"  # the paper's numbers beside ours

# changes to seaborn's white grid: opaque (for dark pages), large type (for phones), no frame
STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.transparent": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "axes.edgecolor": "black",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "xtick.bottom": True,
    "ytick.left": True,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "lines.linewidth": 2.0,
    "lines.markersize": 6,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def style() -> None:
    """Set the style of all figures: seaborn's white grid with the book's colours and type."""
    sns.set_theme(style="whitegrid", palette=list(COLOURS.values()), font="DejaVu Sans", rc=STYLE)


def curve(ax: Axes, table: pd.DataFrame, regime: str, **line: object) -> None:
    """One regime from means and intervals; ``table`` is that of ``statistics.by_iteration``."""
    t, colour = table["iteration"], COLOURS[regime]
    line |= {"color": colour, "marker": MARKS[regime], "label": LABELS[regime]}
    ax.plot(t, table["mean"], **line)
    if (table["n"] > 1).all():
        ax.fill_between(t, table["low"], table["high"], color=colour, alpha=0.18, linewidth=0)


def yerr(table: pd.DataFrame) -> list[pd.Series]:
    """Lengths of error bars below and above the means, from the columns mean, low and high."""
    return [table["mean"] - table["low"], table["high"] - table["mean"]]


def regimes(
    ax: Axes,
    frame: pd.DataFrame,
    metric: str,
    names: Sequence[str],
    *,
    label: str = "",
    **where: object,
) -> None:
    """The mean over seeds by iteration, with its 95% interval, of every regime in ``frame``.

    Values that are not finite, of a fit that has diverged, are left out.
    """
    for name in names:
        means = [
            {"iteration": t, **vars(statistics.estimate(values))}
            for t, column in statistics.by_seed(frame, metric, regime=name, **where).items()
            if len(values := column[np.isfinite(column)])
        ]
        if means:
            curve(ax, pd.DataFrame(means), name, markeredgewidth=0)
    iterations = sorted(frame["iteration"].unique())
    ax.set_xticks(iterations if len(iterations) <= 10 else iterations[::5])
    ax.set_xlabel("model-fitting iteration")
    ax.set_ylabel(label or metric.replace("_", " "))


def growth(
    ax: Axes, frame: pd.DataFrame, metric: str, names: Sequence[str], variant: str = ""
) -> None:
    """A metric divided by that of the first fit of its chain, by regime: geometric mean over seeds
    and 95% interval, on a logarithmic axis.
    """
    for name in names:
        table = statistics.growth(frame, metric, name, variant)
        if table.size:
            curve(ax, statistics.summary(table, log=True), name)
    _relative(ax)


def reported_growth(ax: Axes, curves: pd.DataFrame) -> None:
    """The paper's curves of one metric, each divided by its first value, hollow and dashed; the
    legend of our curves names their regimes.

    ``curves`` has the columns regime, iteration and value.
    """
    first = curves[curves["iteration"] == 1].set_index("regime")["value"]
    for regime, line in curves.groupby("regime", sort=False):
        style = {"color": COLOURS[regime], "marker": MARKS[regime], "markerfacecolor": "white"}
        ax.plot(line["iteration"], line["value"] / first[regime], "--", **style)
    _relative(ax)


def _relative(ax: Axes) -> None:
    """The axes of a panel of relative losses: ticks at round numbers, a line at the first fit."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.axhline(1, color="black", linewidth=0.8, zorder=1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("fit t")


PANELS = {1: (6.6, 4.2), 2: (4.8, 4.0), 3: (3.6, 3.5)}  # inches, by the number of panels in a row


def grid(rows: int, columns: int, **shared: object) -> tuple[Figure, np.ndarray]:
    """A figure of ``rows`` by ``columns`` panels whose text is as large as that of the page."""
    width, height = PANELS[columns]
    return plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, **shared
    )


def legend(figure: Figure, axes: Iterable[Axes], columns: int = 0) -> None:
    """One legend for all panels, below them; in one row by default."""
    entries = {
        label: handle
        for ax in axes
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    style = {"ncols": columns or max(len(entries), 1), "columnspacing": 1.5, "handletextpad": 0.5}
    style |= {"loc": "outside lower left", "fontsize": 11}
    figure.legend(entries.values(), entries.keys(), **style)


def previews(samples: Path, regime: str, name: str) -> dict[int, Path]:
    """Iteration -> the preview file called ``name`` of a regime, at the preset itself."""
    paths = sorted((samples / "base" / regime).glob(f"iteration-*/{name}"))
    return {int(path.parent.name.split("-")[1]): path for path in paths}


def title(name: str, frame: pd.DataFrame) -> str:
    """The title of results: their name, and the number of seeds."""
    count = statistics.seeds_of(frame)
    if count == "1 seed":
        return f"{name}: one seed, no interval"
    return f"{name}: mean and 95% interval of {count}"
