"""The plots and tables of the scaling study, and the rows of results that they use."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ..evidence import claims, scaling
from ..evidence.scaling import AXES
from ..evidence.statistics import estimate
from . import figures
from .tables import on_one_line, signed

METRIC = "bits_per_character"
UNIT = "bits per character"
FIXED = ("replace", "accumulate_subsample")  # regimes whose training set does not grow
REGIMES = (*FIXED, "accumulate")
MARKS = ("o", "s", "^", "D", "P")  # of models, the smallest first


def grid() -> tuple[str, ...]:
    """The variants of the cells to which the forms are fitted: those of the claims."""
    return tuple(claims.page("scale").models.values())


def in_grid(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the cells in :func:`grid`."""
    return frame[frame["variant"].isin(grid())]


def parameters_text(parameters: float) -> str:
    """A number of parameters in words, such as ``98 thousand``."""
    if parameters < 1e6:
        return f"{parameters / 1e3:.0f} thousand"
    return f"{parameters / 1e6:.3g} million"


def chains(frame: pd.DataFrame, preset: str = scaling.PRESET) -> pd.DataFrame:
    """The rows of :func:`scaling.rises`, one for each chain, of the regimes of the study."""
    parts = [
        scaling.rises(frame, METRIC, regime, preset).assign(regime=regime) for regime in REGIMES
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _styles(table: pd.DataFrame) -> dict[int, dict[str, object]]:
    """Number of parameters -> colour, mark and label."""
    sizes = sorted(table["parameters"].unique())
    colours = sns.color_palette("crest", len(sizes))
    return {
        parameters: {"color": colour, "marker": mark, "label": parameters_text(parameters)}
        for parameters, colour, mark in zip(sizes, colours, MARKS, strict=False)
    }


def _points(ax: Axes, table: pd.DataFrame, x: str, y: str, **style: object) -> None:
    """Means over seeds with 95% intervals."""
    means = pd.DataFrame({at: vars(estimate(own[y])) for at, own in table.groupby(x)}).T
    ax.errorbar(means.index, means["mean"], figures.yerr(means), capsize=3, elinewidth=1, **style)


def _log_axis(ax: Axes, ticks: list[float], texts: list[str], label: str) -> None:
    """A logarithmic x axis with these ticks and no others."""
    ax.set_xscale("log")
    ax.set_xticks(ticks, texts)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(label)


def rise_panels(axes: np.ndarray, frame: pd.DataFrame) -> None:
    """The rise by number of stories for two regimes, and accumulate by number of parameters."""
    table = chains(in_grid(frame))
    styles, stories = _styles(table), sorted(table["stories"].unique())
    for ax, regime in zip(axes, FIXED, strict=False):
        for parameters, own in table[table["regime"] == regime].groupby("parameters"):
            _points(ax, own, "stories", "rise", **styles[parameters])
        ax.set_title(figures.LABELS[regime], fontsize=11)
        _log_axis(ax, stories, [f"{n:,}" for n in stories], "real stories n")
    axes[0].set_ylabel(f"final - first fit ({UNIT})")
    axes[0].sharey(axes[1])
    own = table[table["regime"] == "accumulate"]
    for parameters, part in own.groupby("parameters"):
        _points(axes[2], part, "parameters", "later", **styles[parameters])
    limit = margin()
    axes[2].axhline(limit, color="black", linestyle=":", label=f"margin, {limit}")
    axes[2].set_title(f"accumulate, n = {own['stories'].min():,}", fontsize=11)
    axes[2].set_ylabel("later fits - first fit")
    ticks = sorted(own["parameters"].unique())
    _log_axis(axes[2], ticks, [f"{p / 1e3:.0f}k" for p in ticks], "parameters P")
    for ax in axes:
        ax.axhline(0, color="black", linewidth=0.8, zorder=1)


def margin() -> float:
    """The rise up to which the claim says that a loss does not rise."""
    [claim] = [each for each in claims.of("scale") if each.id == "scale-accumulate-stays"]
    return claim.options["limit"]


def final_and_first(ax: Axes, frame: pd.DataFrame) -> None:
    """The final loss under replace by the loss of the first fit: a mark for each chain."""
    table = scaling.rises(in_grid(frame), METRIC, "replace")
    for parameters, style in _styles(table).items():
        own = table[table["parameters"] == parameters]
        ax.plot(own["first"], own["final"], linestyle="", **style)
    ends = table["first"].min(), table["first"].max()
    ax.plot(ends, ends, color="black", linewidth=0.8, label="no rise")
    ax.set_xlabel(f"first fit ({UNIT})")
    ax.set_ylabel(f"final fit ({UNIT})")


def cell_table(frame: pd.DataFrame, preset: str = scaling.PRESET) -> pd.DataFrame:
    """A row for each cell: its training, the loss of its first fit, and the changes by regime."""
    table, rows = chains(frame, preset), {}
    for (parameters, stories, variant), own in table.groupby([*reversed(AXES), "variant"]):
        config = scaling.config_of(variant, preset)
        rows[parameters_text(parameters), f"{stories:,}"] = {
            "epochs": str(config.epochs),
            "learning rate": str(config.learning_rate),
            "first fit": f"{own.groupby('seed')['first'].first().mean():.2f}",
            **{
                figures.LABELS[regime]: signed(
                    estimate(part["later" if regime == "accumulate" else "rise"]), 3
                )
                for regime, part in own.groupby("regime", sort=False)
            },
        }
    cells = pd.DataFrame.from_dict(rows, orient="index").fillna("not run")
    cells.index.names = ["parameters", "n"]
    return cells.map(on_one_line)


def glance(frame: pd.DataFrame) -> pd.DataFrame:
    """This study and the paper's language models, side by side."""
    table = chains(in_grid(frame))
    sizes = [parameters_text(p) for p in (table["parameters"].min(), table["parameters"].max())]
    low, high = (f"{n:,}" for n in (table["stories"].min(), table["stories"].max()))
    seeds = table["seed"].nunique()
    rows = {
        "model": ("Llama-2", "Llama-2, GPT-2"),
        "parameters": (" to ".join(sizes), "9 to 126 million"),
        "real stories": (f"{low} to {high}", "2.1 million"),
        "cells": (str(len(grid())), "4"),
        "fits": ("4", "5 (GPT-2: 10)"),
        "seeds": (str(seeds), "not found"),
        "chains": (str(len(table)), "not found"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["this study", "the paper"])
