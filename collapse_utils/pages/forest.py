"""The forest plot of a chapter's claims: effect, interval and threshold of each, in one figure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..evidence import claims, reported
from ..evidence.claims import Claim
from ..evidence.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED, Verdict
from . import figures

STYLES = {  # outcome -> colour and mark; the mark alone identifies the outcome
    REPRODUCED: {"color": figures.COLOURS["accumulate"], "marker": "o"},
    UNDECIDED: {"color": figures.REPORTED, "marker": "o", "markerfacecolor": "white"},
    NOT_REPRODUCED: {"color": figures.COLOURS["replace"], "marker": "X", "markersize": 8},
}
PAPER = {"color": "black", "marker": "D", "markerfacecolor": "white", "markersize": 5}
NO_LINE = {"linestyle": "none"}
WIDTH, LINE = 7.2, 0.18  # inches: of the figure, and of a line of text
CHARACTERS = 92  # in a line of a statement
# x of names, of numbers and of the right edge; bars run from -1 to 1
LEFT, RIGHT, END = -2.5, 1.2, 5.5


def plot(
    section: str,
    judged: Mapping[str, Sequence[Verdict]],
    names: Mapping[str, str],
    *,
    results_root: Path | None = None,
    only: Sequence[str] = (),
) -> Figure:
    """The claims of a section: a statement, and below it a row for each of the results.

    In each row the vertical line is the threshold and the claimed side is on the right.  Each
    claim has a scale of its own, logarithmic for ratios; the numbers are printed beside it.

    Parameters
    ----------
    judged : results -> verdicts, as ``notebook.Opened.verdicts`` gives them.
    names : results -> what a reader calls them; only these results are shown, in this order.
    results_root : the folder of results, whose ``reported`` holds the paper's values.
    only : ids of claims to show; all of the section's claims if empty.
    """
    chosen = [claim for claim in claims.of(section) if not only or claim.id in only]
    rows = []
    for claim in chosen:
        verdicts = {
            names[name]: verdict
            for name in names
            for verdict in judged.get(name, ())
            if verdict.claim == claim.statement and verdict.outcome != NOT_RUN
        }
        if verdicts:
            rows.append((claim, verdicts))
    heights = [len(_wrapped(claim)) + len(verdicts) + 0.4 for claim, verdicts in rows]
    size = (WIDTH, LINE * (sum(heights) + 2))
    figure = plt.figure(figsize=size, layout="none")
    ax = figure.add_axes((0.01, 0.3 / size[1], 0.98, 1 - 0.3 / size[1]))
    at = 0.0
    for (claim, verdicts), height in zip(rows, heights, strict=True):
        _claim(ax, at, claim, verdicts, results_root)
        at += height
    ax.set(xlim=(LEFT, END), ylim=(at, -0.3))
    ax.set_axis_off()
    ax.legend(*_legend(ax), loc="upper left", bbox_to_anchor=(0, 0), ncols=4, fontsize=10)
    return figure


def _wrapped(claim: Claim) -> list[str]:
    return textwrap.wrap(claim.statement.replace(" = ", "\u00a0=\u00a0"), CHARACTERS)


def _claim(
    ax: Axes, at: float, claim: Claim, verdicts: Mapping[str, Verdict], root: Path | None
) -> None:
    """One claim: its statement from line ``at``, then its rows."""
    lines = _wrapped(claim)
    ax.text(LEFT, at, "\n".join(lines), va="top", fontsize=10.5, linespacing=1.25)
    values = []  # the paper's, if they are of the same metric
    if reported.paper_metric(claim, root) == claim.metric:
        values = reported.paper_effects(claim, root)
    sides = {name: _side(claim, verdict) for name, verdict in verdicts.items()}
    ends = [
        abs(side(value))
        for name, side in sides.items()
        for value in (*_bounds(verdicts[name]), *values)
        if math.isfinite(side(value))
    ]
    scale = max(ends, default=0) or 1.0
    for row, (name, verdict) in enumerate(verdicts.items()):
        y = at + len(lines) + row + 0.4
        side, style = sides[name], STYLES[verdict.outcome]
        ax.plot([0, 0], [y - 0.45, y + 0.45], color="black", linewidth=1)
        ax.plot([-1, 1], [y, y], color="#e3e3e3", linewidth=1, zorder=0)
        bounds = [min(max(side(value) / scale, -1), 1) for value in _bounds(verdict)]
        ax.plot(bounds, [y, y], color=style["color"], linewidth=2.2)
        ax.plot(side(verdict.effect.mean) / scale, y, label=verdict.outcome, **style, **NO_LINE)
        if row == 0 and values:
            points = [side(value) / scale for value in values]
            ax.plot(points, [y] * len(values), label="the paper", **PAPER, **NO_LINE)
        ax.text(LEFT, y, name, va="center", fontsize=9, color=figures.REPORTED)
        numbers = f"{claims.text(verdict.effect)}; claimed {verdict.claimed}"
        ax.text(RIGHT, y, numbers, va="center", fontsize=9)


def _side(claim: Claim, verdict: Verdict) -> Callable[[float], float]:
    """Value -> its distance from the threshold, positive on the claimed side."""
    if claim.ratio or claim.test in ("follows_theory", "grid_bounded", "grid_ends_above"):
        return lambda value: (
            verdict.sign * math.log(value / verdict.threshold) if value > 0 else math.nan
        )
    return lambda value: verdict.sign * (value - verdict.threshold)


def _bounds(verdict: Verdict) -> tuple[float, float]:
    """The interval of an effect; the effect itself where the test has none."""
    effect = verdict.effect
    finite = math.isfinite(effect.low) and math.isfinite(effect.high)
    return (effect.low, effect.high) if finite else (effect.mean, effect.mean)


def _legend(ax: Axes) -> tuple[list[Line2D], list[str]]:
    """An entry for each outcome that is shown, and one for the paper's values."""
    entries = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    order = [name for name in (*STYLES, "the paper") if name in entries]
    return [entries[name] for name in order], order
