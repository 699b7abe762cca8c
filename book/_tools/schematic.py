"""A drawing of the four regimes: which generations iteration t trains on, to scale.

Every block comes from :mod:`collapse_utils.regimes`, which the chains use as well, so the drawing
agrees with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collapse_utils import regimes

from .pictures import GREY, SIZES, Picture, checksum, heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

ITERATIONS = 4
WIDTH = 0.64  # of a training set; the distance between iterations is 1
ROOM = 0.45  # above a training set, for the label with its size
# Real data are dark, and each generation is paler than the one before.  The label in each block
# gives the same information without colour.
FILLS = ("#33373d", "#8b7fb8", "#bdb4da", "#e4dff2")
INKS = ("white", "white", "#1d1d1d", "#1d1d1d")
CAPTION = (
    "What iterations 1 to 4 train on, to scale. The numbers say which generation a block is, and n "
    "is the size of the real training set."
)
WORDS = {
    "replace": "only what the last model sampled",
    "accumulate": "the real data and all that was sampled",
    "accumulate_subsample": "n drawn from what accumulate has",
    "replace_multiple": "the last model's samples, t times as many",
}


class Slab(NamedTuple):
    """A part of a training set: items of one generation, from ``bottom`` upwards in n."""

    iteration: int
    generation: int
    bottom: float
    size: float


def slabs(regime: str, iteration: int) -> list[Slab]:
    """What iteration t trains on, oldest at the bottom; a uniform draw has its expected sizes."""
    blocks = regimes.trains_on(regime, iteration)
    size = regimes.training_size(regime, iteration) / len(blocks)
    return [
        Slab(iteration, block.generation, index * size, size) for index, block in enumerate(blocks)
    ]


def sentence() -> str:
    """What the drawing shows, in words."""
    parts = []
    for regime in regimes.REGIMES:
        last = slabs(regime, ITERATIONS)
        names = [
            "the real data" if t == 0 else f"generation {t}"
            for t in sorted({slab.generation for slab in last})
        ]
        whole = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        parts.append(
            f"under {regime}, {whole}, {regimes.training_size(regime, ITERATIONS)} n in all"
        )
    return f"What iteration {ITERATIONS} trains on: {'; '.join(parts)}."


def picture(columns: int) -> Picture:
    """The four regimes in ``columns`` columns: two on a wide page, one on a phone."""
    from collapse_utils.pages import figures

    style = (SIZES[columns], figures.COLOURS, figures.LABELS, FILLS, WORDS)
    return Picture(checksum(columns, *style, shown(regimes.REGIMES)), lambda: draw(columns))


def shown(names: Sequence[str]) -> list[list[Slab]]:
    """All training sets in a drawing of these regimes."""
    return [slabs(regime, t) for regime in names for t in range(1, ITERATIONS + 1)]


def column(figure: SubFigure, names: Sequence[str]) -> None:
    """Draw the regimes one below the other, on one scale."""
    tops = [max(regimes.training_size(regime, t) for t in (1, ITERATIONS)) for regime in names]
    heights = [top + 1.6 * ROOM for top in tops]
    axes = figure.subplots(len(names), 1, height_ratios=heights)
    for ax, regime, height in zip(axes, names, heights, strict=True):
        ax.set_ylim(0, height)
        _regime(ax, regime)
    axes[0].annotate(
        "(a) What a fit trains on",
        (0, 1),
        xytext=(-44, 50),
        xycoords="axes fraction",
        textcoords="offset points",
        fontweight="bold",
        fontsize=13,
        annotation_clip=False,
    )


def draw(columns: int) -> Figure:
    import matplotlib.pyplot as plt

    tops = [
        max(regimes.training_size(regime, t) for t in range(1, ITERATIONS + 1))
        for regime in regimes.REGIMES
    ]
    # one scale for all rows
    heights = [max(tops[at : at + columns]) + ROOM for at in range(0, len(tops), columns)]
    size = (SIZES[columns][0] * columns, sum(0.64 * height + 0.75 for height in heights))
    shape = {"squeeze": False, "layout": "constrained", "gridspec_kw": {"height_ratios": heights}}
    figure, axes = plt.subplots(len(heights), columns, figsize=size, **shape)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    for index, (ax, regime) in enumerate(zip(axes.flat, regimes.REGIMES, strict=True)):
        ax.set_ylim(0, heights[index // columns])
        _regime(ax, regime)
    return figure


def _regime(ax: Axes, regime: str) -> None:
    from collapse_utils.pages import figures

    for t in range(1, ITERATIONS + 1):
        parts = slabs(regime, t)
        for slab in parts:
            ax.bar(
                t,
                slab.size,
                WIDTH,
                slab.bottom,
                color=FILLS[slab.generation],
                edgecolor="white",
                linewidth=1.5,
            )
            ax.annotate(
                "real" if slab.generation == 0 else f"{slab.generation}",
                (t, slab.bottom + slab.size / 2),
                ha="center",
                va="center_baseline",
                color=INKS[slab.generation],
                fontsize=11 if slab.size > 0.4 else 8,
            )
        size = regimes.training_size(regime, t)
        ax.annotate(
            "n" if size == 1 else f"{size} n", (t, size + 0.1), ha="center", color=GREY, fontsize=11
        )
        if t > 1:  # an arrow to what the model of the last iteration has sampled
            new = [slab for slab in parts if slab.generation == t - 1]
            middle = (new[0].bottom + new[-1].bottom + new[-1].size) / 2
            before = regimes.training_size(regime, t - 1) / 2
            ends = {"xy": (t - WIDTH / 2, middle), "xytext": (t - 1 + WIDTH / 2, before)}
            arrow = {
                "arrowstyle": "-|>",
                "color": GREY,
                "linewidth": 1.3,
                "shrinkA": 2,
                "shrinkB": 1,
            }
            ax.annotate("", **ends, arrowprops=arrow)
    ax.set_xlim(0.5, ITERATIONS + 0.5)
    ax.set_xticks(range(1, ITERATIONS + 1), [f"t = {t}" for t in range(1, ITERATIONS + 1)])
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    heading(ax, figures.LABELS[regime], WORDS[regime], colour=figures.COLOURS[regime], left=0)
