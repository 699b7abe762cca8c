"""The tables and plots that the linear notebook shows and no other page needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from .. import sections
from ..linear import grid, theory
from ..regimes import REGIMES
from . import figures

QUICK_REPEATS = 200  # of a grid that a notebook simulates itself
ITERATIONS_SHOWN = (1, 2, 5, 10, 20, 50)


def simulate_grid(seed: int, repeats: int = QUICK_REPEATS) -> pd.DataFrame:
    """The whole same-x grid simulated anew, with the columns of ``grid.csv``."""
    rows = [
        row
        for config, regime in grid.cells(repeats)
        if config.x == "same"
        for row in grid.cell(config, regime, seed)
    ]
    return pd.DataFrame(rows)[list(grid.COLUMNS)]


def against_theory(
    axes: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str], *, sigma2: float
) -> None:
    """Test error by iteration, one panel a T: simulated points with intervals on the lines of
    theory.
    """
    for ax, T in zip(axes, sorted(frame["T"].unique()), strict=True):
        for regime in names:
            cell = frame[
                (frame["T"] == T) & (frame["sigma2"] == sigma2) & (frame["regime"] == regime)
            ]
            cell = cell[cell["x"] == "same"]
            shown = cell[(cell["n"] % 5 == 0) | (cell["n"] == 1)]
            error = [shown["mean"] - shown["low"], shown["high"] - shown["mean"]]
            colour = figures.COLOURS[regime]
            ax.plot(cell["n"], cell["theory"], color=colour, linewidth=1.5)
            ax.errorbar(
                shown["n"],
                shown["mean"],
                yerr=error,
                color=colour,
                fmt=figures.MARKS[regime],
                markersize=4.5,
                label=figures.LABELS[regime],
            )
        ax.set(xlabel="iteration n", title=f"T = {T}", yscale="log")
    axes[0].set_ylabel("test error")


def noise_levels(axes: Sequence[Axes], frame: pd.DataFrame) -> None:
    """Replace and accumulate at every noise level, one panel a T; the bound of Theorem 2 dotted."""
    for ax, T in zip(axes, sorted(frame["T"].unique()), strict=True):
        part = frame[(frame["T"] == T) & (frame["x"] == "same")]
        for sigma2 in sorted(part["sigma2"].unique()):
            for regime in ("replace", "accumulate"):
                cell = part[(part["sigma2"] == sigma2) & (part["regime"] == regime)]
                ax.plot(cell["n"], cell["mean"], color=figures.COLOURS[regime], linewidth=1.6)
            first = theory.base(int(part["d"].iloc[0]), int(T), sigma2)
            ax.axhline(
                first * theory.ACCUMULATE_BOUND,
                color=figures.COLOURS["accumulate"],
                linestyle=":",
                linewidth=1,
            )
            ax.annotate(
                f"{sigma2:g}",
                (50, first * 50),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=9,
                va="center",
            )
        ax.set(xlabel="iteration n", title=f"T = {T}", yscale="log")
        ax.margins(x=0.12)
    axes[0].set_ylabel("test error")
    axes[0].plot([], [], color=figures.COLOURS["replace"], label="replace (number: sigma2)")
    axes[0].plot([], [], color=figures.COLOURS["accumulate"], label="accumulate")
    axes[0].legend(fontsize=9, loc="lower right")


def z_scores(ax: Axes, frame: pd.DataFrame) -> None:
    """Independent z-scores, sorted, against the quantiles of N(0, 1)."""
    chosen = pd.DataFrame(grid.independent(frame.to_dict("records"))).sort_values("z")
    place = stats.norm.ppf((np.arange(len(chosen)) + 0.5) / len(chosen))
    for regime in REGIMES:
        here = (chosen["regime"] == regime).to_numpy()
        ax.plot(
            place[here],
            chosen["z"][here],
            figures.MARKS[regime],
            color=figures.COLOURS[regime],
            label=figures.LABELS[regime],
        )
    ends = np.array([-2.7, 2.7])
    ax.plot(ends, ends, color=figures.REPORTED, linewidth=1)
    ax.set(
        xlabel="quantile of N(0, 1)",
        ylabel="z of simulation against theory",
        title="one iteration of every cell",
    )
    ax.legend(fontsize=10)


def chance_table(frame: pd.DataFrame) -> pd.DataFrame:
    """How the independent z-scores compare with chance, for each regime and together."""
    chosen = grid.independent(frame.to_dict("records"))
    rows = {}
    for regime in [*REGIMES, "all"]:
        z = np.array([row["z"] for row in chosen if regime in (row["regime"], "all")])
        found = grid.chance(z)
        rows[figures.LABELS.get(regime, regime)] = {
            "cells": found["cells"],
            "sum of squares": f"{found['chi2']:.1f}",
            "share within 1.96": f"{found['inside_95']:.2f}",
            "largest": f"{found['largest']:.2f}",
            "Kolmogorov-Smirnov p": f"{found['ks_p']:.2f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _replace(frame: pd.DataFrame, T: int, sigma2: float = 1.0) -> pd.DataFrame:
    same = frame[
        (frame["x"] == "same") & (frame["regime"] == "replace") & (frame["sigma2"] == sigma2)
    ]
    return same[same["T"] == T]


def off_by_one(ax: Axes, frame: pd.DataFrame, *, T: int) -> None:
    """Replace at small n: the simulation, n x base, and the (n + 1) x base of the authors' site."""
    cell = _replace(frame, T)
    cell = cell[cell["n"] <= 10]
    first = theory.base(int(cell["d"].iloc[0]), T, 1.0)
    ax.plot(
        cell["n"], cell["n"] * first, color=figures.COLOURS["replace"], label="n x base (Theorem 1)"
    )
    ax.plot(
        cell["n"],
        (cell["n"] + 1) * first,
        "--",
        color=figures.REPORTED,
        label="(n + 1) x base (the site's figure)",
    )
    error = [cell["mean"] - cell["low"], cell["high"] - cell["mean"]]
    ax.errorbar(
        cell["n"],
        cell["mean"],
        yerr=error,
        fmt="o",
        color=figures.COLOURS["replace"],
        label="simulation",
    )
    ax.set(
        xlabel="iteration n",
        ylabel="test error",
        title=f"replace, d = {cell['d'].iloc[0]}, T = {T}",
    )
    ax.legend(fontsize=10)


def off_by_one_text(frame: pd.DataFrame) -> str:
    """The size of the defect in a sentence, from the simulated first fits."""
    ratios = [
        cell["mean"].iloc[0] / cell["theory"].iloc[0]
        for T in grid.T_VALUES
        if len(cell := _replace(frame, T))
    ]
    values = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    sizes = ", ".join(map(str, grid.T_VALUES))
    return (
        f"Simulated error of the first fit over *base*, at T = {sizes}: {values}. The site's line "
        "says 2."
    )


def fresh_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Error over base at some iterations, rows used again beside fresh rows; sigma2 = 1, smallest
    and largest T.
    """
    rows = {}
    for T in (min(grid.T_VALUES), max(grid.T_VALUES)):
        first = theory.base(grid.D, T, 1.0)
        for regime in REGIMES:
            for x in ("same", "fresh"):
                cell = frame[
                    (frame["T"] == T)
                    & (frame["sigma2"] == 1.0)
                    & (frame["regime"] == regime)
                    & (frame["x"] == x)
                ]
                cell = cell[cell["n"].isin(ITERATIONS_SHOWN)]
                values = {
                    f"n = {n}": f"{mean / first:.2f} ± {(high - low) / 2 / first:.2f}"
                    for n, mean, low, high in cell[["n", "mean", "low", "high"]].itertuples(
                        index=False
                    )
                }
                rows[T, figures.LABELS[regime], f"{x} rows"] = values
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["T", "regime", "x"])
    return table


def heavy_tails(ax: Axes, tails: pd.DataFrame) -> None:
    """Quantiles, mean and base of the first fit's error by the distance of T from the edge of
    existence, d + 1.
    """
    colour, edge = figures.COLOURS["accumulate"], tails["T"] - tails["d"] - 1
    ax.fill_between(
        edge, tails["q0.025"], tails["q0.975"], color=colour, alpha=0.15, label="95% of repeats"
    )
    ax.fill_between(
        edge, tails["q0.25"], tails["q0.75"], color=colour, alpha=0.3, label="half of them"
    )
    ax.plot(edge, tails["q0.5"], color=colour, label="median")
    ax.plot(edge, tails["base"], color="black", linewidth=1.2, label="base = expected error")
    ax.plot(
        edge,
        tails["mean"],
        "x",
        color=figures.COLOURS["replace"],
        label=f"mean of {tails['repeats'].iloc[0]:,}",
    )
    ax.plot(edge, tails["max"], ".", color=figures.REPORTED, label="largest of them")
    ax.set(xscale="log", yscale="log", xlabel="T - d - 1", ylabel="test error of the first fit")
    ax.set_title(f"d = {tails['d'].iloc[0]}, T from {tails['T'].min()} to {tails['T'].max()}")
    ax.set_xticks(edge, [str(value) for value in edge], fontsize=10)
    ax.minorticks_off()
    ax.legend(fontsize=9)


def theory_lines(ax: Axes, frame: pd.DataFrame) -> None:
    """The formulas at the sizes of the preset that a frame of chains was run at, dashed."""
    config, _ = sections.configuration("linear", frame["preset"].iloc[0])
    n = np.arange(1, config.iterations + 1)
    for regime in frame["regime"].unique():
        expected = theory.test_error(regime, n, config.d, config.T, config.sigma2)
        ax.plot(n, expected, "--", color=figures.COLOURS[regime], linewidth=1)
    ax.set_yscale("log")
