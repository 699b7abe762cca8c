"""Pictures made from results or code, with a digest by which a stale one is detected."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collapse_utils.sweeps.execute import fewer_colours

from .headline import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#5a5a5a"
# inches of a panel, where one or two stand beside one another
SIZES = {2: (4.3, 3.3), 1: (4.5, 3.3)}


@dataclass(frozen=True)
class Picture:
    """A PNG of the book: what it shows, as a checksum, and how to draw it."""

    digest: str
    draw: Callable[[], Figure]

    def is_current(self, path: Path) -> bool:
        return digest_of(path) == self.digest

    def save(self, path: Path) -> None:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        from collapse_utils.pages import figures

        with plt.rc_context():
            figures.style()
            figure = self.draw()
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png", dpi=200, metadata={"Results": self.digest})
            plt.close(figure)
        path.write_bytes(fewer_colours(drawn.getvalue()))


def digest_of(path: Path) -> str:
    """The digest of what a picture was drawn from; empty if there is none."""
    from PIL import Image

    if not path.is_file():
        return ""
    with Image.open(path) as image:
        return image.info.get("Results", "")


def checksum(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def opening(found: list[Panel], columns: int) -> Picture:
    """One figure of all sections, with ``columns`` panels in a row: one on a phone."""
    from collapse_utils.pages import figures

    digest = checksum(
        columns,
        SIZES[columns],
        figures.COLOURS,
        figures.LABELS,
        *(panel.digest() for panel in found),
    )
    return Picture(digest, lambda: _opening(found, columns))


def _opening(found: list[Panel], columns: int) -> Figure:
    import matplotlib.pyplot as plt

    from collapse_utils.pages import figures

    rows = math.ceil(len(found) / columns)
    width, height = SIZES[columns]
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    for place, ax in enumerate(axes.flat):
        if place >= len(found):
            ax.set_axis_off()
            continue
        _panel(ax, found[place])
        if place + columns >= len(found):  # nothing stands below it
            ax.set_xlabel("model-fitting iteration t")
    figures.legend(figure, axes.flat)
    return figure


def _panel(ax: Axes, panel: Panel) -> None:
    """Losses relative to the first fit, on a logarithmic axis; the paper's values as open marks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from collapse_utils.pages import figures

    for regime in panel.curves:
        table = panel.relative(regime)
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
    name, _, section = panel.title.partition(" (")
    over(ax, name, f"{section.rstrip(')')}: {panel.data}".removeprefix(": "))


def _ticks(limits: tuple[float, float]) -> tuple[float, ...]:
    """Steps within a decade: finer where the axis spans little."""
    decades = math.log10(limits[1] / limits[0])
    return (
        (1, 2, 5)
        if decades > 0.5
        else (1, 1.5, 2, 3, 5)
        if decades > 0.25
        else (0.9, 1, 1.1, 1.2, 1.4)
    )


def over(ax: Axes, title: str, under: str, colour: str = "black", left: float = -44) -> None:
    """A title in bold and a grey line under it, from the left edge of the axes' labels."""
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(
        title, (0, 1), xytext=(left, 25), color=colour, fontweight="bold", fontsize=13, **place
    )
    ax.annotate(under, (0, 1), xytext=(left, 9), color=GREY, fontsize=10.5, **place)
