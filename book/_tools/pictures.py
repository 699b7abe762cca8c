"""Pictures that are drawn from results or code, with a digest that detects an outdated one."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from collapse_utils.sweeps.execute import reduce_colours

from .headline import REGIMES, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#5a5a5a"
SIZES = {2: (4.3, 3.3), 1: (4.5, 3.3)}  # number of panels in a row -> inches of a panel


@dataclass(frozen=True)
class Picture:
    """A PNG of the book: a function that draws it, and a checksum of what it shows."""

    digest: str
    draw: Callable[[], Figure]

    def is_current(self, path: Path) -> bool:
        return digest_of(path) == self.digest

    def save(self, path: Path) -> None:
        drawn = io.BytesIO()
        self.write(drawn, format="png", dpi=200, metadata={"Results": self.digest})
        path.write_bytes(reduce_colours(drawn.getvalue()))

    def write(self, file: BinaryIO, **options: object) -> None:
        """Draw into an open file; ``options`` are those of ``Figure.savefig``."""
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        from collapse_utils.pages import figures

        with plt.rc_context({"svg.hashsalt": "book"}):  # drawing an SVG twice gives equal files
            figures.style()
            figure = self.draw()
            figure.savefig(file, **options)
            plt.close(figure)


def digest_of(path: Path) -> str:
    """The digest that is stored in a picture; empty if there is none."""
    from PIL import Image

    if not path.is_file():
        return ""
    with Image.open(path) as image:
        return image.info.get("Results", "")


def checksum(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def opening(panels: list[Panel], columns: int) -> Picture:
    """Figure 1: what a fit trains on and the losses that result, side by side on a wide page, one
    below the other on a phone.
    """
    from collapse_utils.pages import figures

    from . import schematic

    digest = checksum(
        columns,
        SIZES[columns],
        figures.COLOURS,
        figures.LABELS,
        schematic.shown(REGIMES),
        schematic.WORDS,
        *(panel.digest() for panel in panels),
    )
    return Picture(digest, lambda: _opening(panels, columns))


def _opening(panels: list[Panel], columns: int) -> Figure:
    import matplotlib.pyplot as plt

    from collapse_utils.pages import figures

    from . import schematic

    rows = math.ceil(len(panels) / columns)
    width, height = SIZES[columns]
    if columns > 1:  # the drawings are in a column of their own
        size = (width * (columns + 0.9), height * rows)
        figure = plt.figure(figsize=size, layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(0.9, columns))
    else:
        size = (width, 1.9 * len(REGIMES) + height * rows)
        figure = plt.figure(figsize=size, layout="constrained")
        ratios = (1.9 * len(REGIMES), height * rows)
        left, right = figure.subfigures(2, 1, height_ratios=ratios)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    schematic.column(left, REGIMES)
    axes = right.subplots(rows, columns, squeeze=False)
    for index, ax in enumerate(axes.flat):
        if index >= len(panels):
            ax.set_axis_off()
            continue
        _panel(ax, panels[index], f"({'bcdefg'[index]}) ")
        if index + columns >= len(panels):  # no panel is below it
            ax.set_xlabel("model-fitting iteration t")
    figures.legend(right, axes.flat, columns=0 if columns > 1 else 2)
    return figure


def _panel(ax: Axes, panel: Panel, letter: str) -> None:
    """Losses relative to the first fit, on a logarithmic axis; the paper's values as open marks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from collapse_utils.pages import figures

    for regime in panel.curves:
        table = panel.ratios[regime]
        figures.curve(ax, table, regime, markevery=1 if len(table) <= 12 else (0, 7))
        paper = panel.paper[panel.paper["regime"] == regime]
        marker = {
            "marker": figures.MARKS[regime],
            "markerfacecolor": "white",
            "linestyle": "none",
            "alpha": 0.9,
        }
        ax.plot(paper["iteration"], paper["value"], color=figures.COLOURS[regime], **marker)
    ax.axhline(1, color=GREY, linewidth=0.8, zorder=1)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=_ticks(ax.get_ylim())))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel(f"{panel.measure} / first fit", fontsize=10.5)
    model = panel.title.partition(" (")[2].rstrip(")")
    heading(ax, letter + panel.name.capitalize(), f"{model}: {panel.data}".removeprefix(": "))


def _ticks(limits: tuple[float, float]) -> tuple[float, ...]:
    """Ticks within a decade, finer where the axis is short."""
    decades = math.log10(limits[1] / limits[0])
    if decades > 0.5:
        return 1, 2, 5
    return (1, 1.5, 2, 3, 5) if decades > 0.25 else (0.9, 1, 1.1, 1.2, 1.4)


def heading(ax: Axes, title: str, subtitle: str, colour: str = "black", left: float = -44) -> None:
    """A bold title with a grey subtitle above the axes, from ``left`` points of their left edge."""
    offset = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(
        title, (0, 1), xytext=(left, 25), color=colour, fontweight="bold", fontsize=13, **offset
    )
    ax.annotate(subtitle, (0, 1), xytext=(left, 9), color=GREY, fontsize=10.5, **offset)
