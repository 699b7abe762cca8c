"""Pictures made from results or from code: kept small, with a digest in their metadata by which a stale one is found."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collapse_utils.sweeps.execute import fewer_colours

from .headline import UNITS, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#5a5a5a"
SIZES = {2: (4.3, 3.3), 1: (4.5, 3.3)}  # inches of a panel, where one or two stand beside one another


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
    """One figure of all sections, ``columns`` panels beside one another: two on a wide page, one on a phone."""
    from collapse_utils.pages import figures

    digest = checksum(columns, SIZES[columns], figures.COLOURS, UNITS, *(panel.digest() for panel in found))
    return Picture(digest, lambda: _opening(found, columns))


def _opening(found: list[Panel], columns: int) -> Figure:
    import matplotlib.pyplot as plt

    rows = math.ceil(len(found) / columns)
    width, height = SIZES[columns]
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    for place, ax in enumerate(axes.flat):
        if place >= len(found):
            ax.set_axis_off()
            continue
        _panel(ax, found[place])
        if place + columns >= len(found):  # nothing stands below it
            ax.set_xlabel("model-fitting iteration")
    return figure


def _panel(ax: Axes, panel: Panel) -> None:
    from collapse_utils.pages import figures

    for regime, table in panel.curves.items():
        figures.curve(ax, table, regime, markevery=1 if len(table) <= 12 else (0, 7))
    upper = max(panel.curves, key=lambda regime: panel.fit(regime, -1).mean)
    for regime, table in panel.curves.items():
        # Along the last third of its line and clear of the interval: over the upper line, under the lower one.
        near = table[table["iteration"] > table["iteration"].iloc[-1] * 0.65]
        bounds = near["high" if regime == upper else "low"].where(near["n"] > 1, near["mean"])
        ax.annotate(
            figures.LABELS[regime],
            (table["iteration"].iloc[-1], bounds.max() if regime == upper else bounds.min()),
            xytext=(0, 6 if regime == upper else -6),
            textcoords="offset points",
            ha="right",
            va="bottom" if regime == upper else "top",
            color=figures.COLOURS[regime],
            fontweight="bold",
        )
    ax.margins(y=0.2)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(nbins=5)
    ax.set_ylabel(f"{panel.measure} ({UNITS[panel.metric]})" if panel.metric in UNITS else panel.measure, fontsize=10.5)
    name, _, section = panel.title.partition(" (")
    about = panel.about.removeprefix("preset ")
    under = f"{section.rstrip(')')}: {panel.data}, {about}".removeprefix(": ")
    over(ax, name, under)


def over(ax: Axes, title: str, under: str, colour: str = "black", left: float = -44) -> None:
    """A title in bold and a grey line under it, both from the left edge of the axes' labels, where phones have room."""
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(title, (0, 1), xytext=(left, 25), color=colour, fontweight="bold", fontsize=13, **place)
    ax.annotate(under, (0, 1), xytext=(left, 9), color=GREY, fontsize=10.5, **place)
