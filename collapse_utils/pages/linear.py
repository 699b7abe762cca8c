"""The tables and plots of the linear notebook."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import sections
from ..evidence import statistics
from ..linear import grid, theory
from ..linear.config import PRESETS
from ..regimes import REGIMES
from . import figures
from .notebook import Opened

QUICK_REPEATS = 200  # of the grid that the notebook simulates


def simulate_grid(seed: int) -> pd.DataFrame:
    """A new simulation of the whole same-x grid, with the columns of ``grid.csv``."""
    rows = [
        row
        for config, regime in grid.cells(QUICK_REPEATS)
        if config.x == "same"
        for row in grid.cell(config, regime, seed)
    ]
    return pd.DataFrame(rows)[list(grid.COLUMNS)]


def _cell(frame: pd.DataFrame, regime: str, T: int, sigma2: float = 1.0) -> pd.DataFrame:
    """The rows of one cell of the same-x grid."""
    chosen = (frame["regime"] == regime) & (frame["T"] == T) & (frame["sigma2"] == sigma2)
    return frame[chosen & (frame["x"] == "same")]


def _relative(frame: pd.DataFrame, regime: str, T: int) -> pd.Series:
    """Simulated error of a regime, divided by that of its first fit, by iteration; sigma2 = 1."""
    error = _cell(frame, regime, T).set_index("n")["mean"]
    return error / error.loc[1]


def numbers(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers in the text: final fits / first fits at the smallest T, sigma2 = 1; z-scores."""
    T = min(grid.T_VALUES)
    final = {regime: _relative(frame, regime, T).iloc[-1] for regime in REGIMES}
    rows = frame[frame["x"] == "same"]
    z = [row["z"] for row in grid.independent(frame.to_dict("records"))]
    chance = grid.chance(np.array(z))
    first = rows[(rows["regime"] == "replace") & (rows["sigma2"] == 1.0) & (rows["n"] == 1)]
    return {
        **final,
        "T": T,
        "fits": int(rows["n"].max()),
        "repeats": int(rows["repeats"].iloc[0]),
        "cells": chance["cells"],
        "inside": chance["inside_95"],
        "largest": chance["largest"],
        "p": chance["ks_p"],
        "first": float((first["mean"] / first["theory"]).mean()),
    }


def glance(opened: Opened, frame: pd.DataFrame) -> pd.DataFrame:
    """This book's experiment and the paper's, side by side."""
    chain = PRESETS["cpu"]
    levels = ", ".join(f"{value:g}" for value in grid.SIGMA2_VALUES)
    sizes = ", ".join(map(str, grid.T_VALUES))
    rows = {
        "model": ("least squares", "least squares"),
        "parameters d": (f"{grid.D}", "32"),
        "rows T": (sizes, "100, 316, 1000"),
        "noise σ²": (levels, "0.01, 0.1, 1, 10, 100"),
        "fits": (f"{frame['n'].max()}", "50"),
        "regimes": (f"{len(REGIMES)}", "replace, accumulate"),
        "repeats of a cell": (f"{frame['repeats'].max():,}", "not found"),
        "general chain": (
            f"{chain.iterations} fits, {statistics.seeds_of(opened.reference)}",
            "none",
        ),
    }
    columns = ["this book", "the paper"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def deviations(frame: pd.DataFrame) -> Figure:
    """z-scores of simulation against formula as heat maps: one fit of every cell of the grid."""
    rows = pd.DataFrame(grid.independent(frame.to_dict("records")))
    fig, axes = plt.subplots(1, len(REGIMES), figsize=(7.2, 2.9), sharey=True)
    for ax, regime in zip(axes, REGIMES, strict=True):
        table = rows[rows["regime"] == regime].pivot(index="sigma2", columns="T", values="z")
        style = {"vmin": -3, "vmax": 3, "cmap": "vlag", "cbar": False, "linewidths": 1}
        sns.heatmap(table, annot=True, fmt=".1f", annot_kws={"fontsize": 9}, ax=ax, **style)
        ax.set_title(
            figures.LABELS[regime].replace(" at", "\nat").replace(", ", ",\n"), fontsize=10
        )
        ax.set(xlabel="T", ylabel="")
        ax.tick_params(labelsize=9, rotation=0, length=0)
    axes[0].set_ylabel("noise level σ²")
    return fig


def against_theory(
    axes: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str], *, sigma2: float
) -> None:
    """Test error by iteration, a panel for each T: simulated points with intervals, and theory as
    lines.
    """
    for ax, T in zip(axes, sorted(frame["T"].unique()), strict=True):
        for regime in names:
            cell = _cell(frame, regime, T, sigma2)
            shown = cell[(cell["n"] % 5 == 0) | (cell["n"] == 1)]
            colour = figures.COLOURS[regime]
            ax.plot(cell["n"], cell["theory"], color=colour, linewidth=1.5)
            style = {"color": colour, "fmt": figures.MARKS[regime], "markersize": 4.5}
            style |= {"yerr": figures.yerr(shown), "label": figures.LABELS[regime]}
            ax.errorbar(shown["n"], shown["mean"], **style)
        ax.set(xlabel="iteration n", title=f"$T = {T}$", yscale="log")
    axes[0].set_ylabel("test error")


def off_by_one(ax: Axes, frame: pd.DataFrame, *, T: int) -> None:
    """Replace at small n: the simulation, n x base, and the (n + 1) x base of the authors' site."""
    cell = _cell(frame, "replace", T)
    cell = cell[cell["n"] <= 10]
    n, d, colour = cell["n"], int(cell["d"].iloc[0]), figures.COLOURS["replace"]
    first, site = theory.base(d, T, 1.0), "$(n + 1)$ × base (the site's figure)"
    ax.plot(n, n * first, color=colour, label="$n$ × base (Theorem 1)")
    ax.plot(n, (n + 1) * first, "--", color=figures.REPORTED, label=site)
    style = {"yerr": figures.yerr(cell), "fmt": "o", "color": colour, "label": "simulation"}
    ax.errorbar(n, cell["mean"], **style)
    ax.set(xlabel="iteration n", ylabel="test error", title=f"replace, $d$ = {d}, $T$ = {T}")
    ax.legend(fontsize=10)


def heavy_tails(ax: Axes, tails: pd.DataFrame) -> None:
    """Quantiles, mean and base of the first fit's error by T - d - 1; at 0 the mean is infinite."""
    colour, excess = figures.COLOURS["accumulate"], tails["T"] - tails["d"] - 1
    ax.fill_between(
        excess, tails["q0.025"], tails["q0.975"], color=colour, alpha=0.15, label="95% of repeats"
    )
    ax.fill_between(
        excess, tails["q0.25"], tails["q0.75"], color=colour, alpha=0.3, label="half of them"
    )
    ax.plot(excess, tails["q0.5"], color=colour, label="median")
    ax.plot(excess, tails["base"], color="black", linewidth=1.2, label="base = expected error")
    mean = f"mean of {tails['repeats'].iloc[0]:,}"
    ax.plot(excess, tails["mean"], "x", color=figures.COLOURS["replace"], label=mean)
    ax.plot(excess, tails["max"], ".", color=figures.REPORTED, label="largest of them")
    ax.set(xscale="log", yscale="log", xlabel="T - d - 1", ylabel="test error of the first fit")
    ax.set_title(f"d = {tails['d'].iloc[0]}, T from {tails['T'].min()} to {tails['T'].max()}")
    ax.set_xticks(excess, [str(value) for value in excess], fontsize=10)
    ax.minorticks_off()
    ax.legend(fontsize=9)


def theory_lines(ax: Axes, frame: pd.DataFrame) -> None:
    """The formulas as dashed lines, at the sizes of the preset of the chains in ``frame``.

    There is none for a regime with a share.
    """
    config, _ = sections.configuration("linear", frame["preset"].iloc[0])
    n = np.arange(1, config.iterations + 1)
    for regime in (name for name in REGIMES if name in set(frame["regime"])):
        expected = theory.test_error(regime, n, config.d, config.T, config.sigma2)
        ax.plot(n, expected, "--", color=figures.COLOURS[regime], linewidth=1)
    ax.set_yscale("log")
