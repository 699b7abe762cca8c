"""The tables and plots of the chapter on the sizes of the model and of the training set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..evidence import scaling
from ..evidence.scaling import AXES
from ..evidence.statistics import estimate
from . import figures
from .tables import signed

METRIC = "bits_per_character"
LOSS = "bits per character"
REGIMES = ("replace", "accumulate_subsample", "accumulate")
MARKS = ("o", "s", "^", "D", "P")  # of model sizes, the smallest first
PAPER_STORIES = 2_100_000
PAPER = {  # parameters of the paper's models (READ, from the names of its runs)
    "llama-12m": 12_488_960,
    "llama-42m": 41_755_136,
    "llama-126m": 125_553_408,
    "gpt2-9m": 8_890_880,
}
CHARACTERS = 4.07  # a token of the paper's vocabulary: 4.04 to 4.09


def size(parameters: float) -> str:
    """A number of parameters as a reader says it, such as ``98 thousand``."""
    if parameters < 1e6:
        return f"{parameters / 1e3:.0f} thousand"
    return f"{parameters / 1e6:.3g} million"


def chains(frame: pd.DataFrame, preset: str = scaling.PRESET) -> pd.DataFrame:
    """One row a chain of :func:`scaling.rises`, for the regimes of the study."""
    parts = [
        scaling.rises(frame, METRIC, regime, preset).assign(regime=regime)
        for regime in REGIMES
        if (frame["regime"] == regime).any()
    ]
    return pd.concat(parts, ignore_index=True)


def rises(frame: pd.DataFrame) -> Figure:
    """The rise by number of stories, a line for each size of the model and a panel a regime."""
    fig, axes = figures.grid(1, 3, sharey=True)
    table = chains(frame)
    sizes = sorted(table["parameters"].unique())
    colours = sns.color_palette("crest", len(sizes))
    for ax, regime in zip(axes[0], REGIMES, strict=True):
        part = table[table["regime"] == regime]
        for place, parameters in enumerate(sizes):
            own = part[part["parameters"] == parameters]
            means = pd.DataFrame(
                {n: vars(estimate(of_n["rise"])) for n, of_n in own.groupby("stories")}
            ).T
            if means.empty:
                continue
            style = {"color": colours[place], "marker": MARKS[place], "label": size(parameters)}
            ax.errorbar(
                means.index,
                means["mean"],
                [means["mean"] - means["low"], means["high"] - means["mean"]],
                capsize=3,
                elinewidth=1,
                **style,
            )
        ax.axhline(0, color="black", linewidth=0.8, zorder=1)
        ax.set_title(figures.LABELS[regime], fontsize=11)
        _stories_axis(ax, sorted(table["stories"].unique()))
    axes[0, 0].set_ylabel(f"rise in four fits ({LOSS})")
    figures.legend(fig, axes.flat)
    return fig


def _stories_axis(ax: Axes, ticks: Sequence[int]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("real stories N")


def against_first(frame: pd.DataFrame) -> Figure:
    """The rise under replace by the loss of the first fit: a point a chain."""
    fig, axes = figures.grid(1, 1)
    table = chains(frame)
    table = table[table["regime"] == "replace"]
    sizes = sorted(table["parameters"].unique())
    sns.scatterplot(
        table.assign(parameters=table["parameters"].map(size)),
        x="first",
        y="rise",
        hue="parameters",
        style="parameters",
        hue_order=[size(each) for each in sizes],
        style_order=[size(each) for each in sizes],
        markers=list(MARKS[: len(sizes)]),
        palette=sns.color_palette("crest", len(sizes)),
        s=60,
        ax=axes[0, 0],
    )
    axes[0, 0].get_legend().set_title("parameters")
    axes[0, 0].set_xlabel(f"loss of the first fit ({LOSS})")
    axes[0, 0].set_ylabel(f"rise in four fits ({LOSS})")
    return fig


def paper_rises(reported: pd.DataFrame) -> dict[str, float]:
    """Model of the paper -> its rise under replace in four fits, in bits per character.

    ``reported`` are the rows of ``results/reported/language.csv``.
    """
    part = reported[(reported["where"] == "Table 2") & (reported["temperature"] == 1.0)]
    part = part[part["regime"] == "replace"]
    nats = part.pivot(index="model", columns="iteration", values="value")
    rise = (nats[4] - nats[1]) / math.log(2) / CHARACTERS
    return {model: float(rise[model]) for model in PAPER}


def beside_the_paper(frame: pd.DataFrame, reported: pd.DataFrame) -> Figure:
    """The rise under replace by parameters: ours, the forecast for N of the paper, the paper's."""
    fig, axes = figures.grid(1, 1)
    ax = axes[0, 0]
    table = scaling.rises(frame, METRIC, "replace")
    forms = scaling.fit(table)
    colours = sns.color_palette("crest", table["stories"].nunique())
    for colour, (n, own) in zip(colours, table.groupby("stories"), strict=True):
        means = own.groupby("parameters")["rise"].mean()
        ax.plot(means.index, means, "o-", color=colour, label=f"ours, N = {n:,}")
    grid = np.geomspace(table["parameters"].min(), max(PAPER.values()) * 1.3, 40)
    ahead = [scaling.forecast(forms, PAPER_STORIES, p) for p in grid]
    band = {"color": figures.REPORTED, "linewidth": 0}
    ax.fill_between(grid, [a.low for a in ahead], [a.high for a in ahead], alpha=0.2, **band,
                    label="95% forecast, N = 2.1 million")  # fmt: skip
    points = paper_rises(reported)
    ax.plot([PAPER[m] for m in points], list(points.values()), "D", color="black",
            markerfacecolor="white", label="the paper, N = 2.1 million")  # fmt: skip
    ax.axhline(0, color="black", linewidth=0.8, zorder=1)
    ax.set_xscale("log")
    ax.set_xlabel("parameters P")
    ax.set_ylabel(f"rise in four fits ({LOSS})")
    figures.legend(fig, [ax], columns=2)
    return fig


def cell_table(frame: pd.DataFrame, preset: str = scaling.PRESET) -> pd.DataFrame:
    """Every cell: how it was trained, the loss of its first fit, and the rise by regime."""
    table, rows = chains(frame, preset), {}
    for (parameters, stories, variant), own in table.groupby([*reversed(AXES), "variant"]):
        config = scaling.config_of(variant, preset)
        rows[size(parameters), f"{stories:,}"] = {
            "epochs": config.epochs,
            "learning rate": config.learning_rate,
            "loss of the first fit": f"{own.groupby('seed')['first'].first().mean():.2f}",
            **{
                figures.LABELS[regime]: signed(estimate(part["rise"]), 3)
                for regime, part in own.groupby("regime", sort=False)
            },
        }
    made = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    made.index.names = ["parameters", "N"]
    return made


def numbers(frame: pd.DataFrame, reported: pd.DataFrame) -> dict[str, object]:
    """What the text quotes of the published chains."""
    table = chains(frame)
    of = dict(iter(table.groupby("regime")))
    replace, half = (
        of[regime].groupby(list(AXES))["rise"].mean()
        for regime in ("replace", "accumulate_subsample")
    )
    per_seed = scaling.slopes(of["replace"])
    share = half / replace
    forms = scaling.fit(of["replace"])
    paper = paper_rises(reported)
    ahead = {model: scaling.forecast(forms, PAPER_STORIES, PAPER[model]) for model in paper}
    inside = [ahead[model].low < rise < ahead[model].high for model, rise in paper.items()]
    narrow = [ahead[model].high - ahead[model].low < rise / 2 for model, rise in paper.items()]
    return {
        "cells": len(replace),
        "chains": len(table),
        "fewest": int(table["stories"].min()),
        "most": int(table["stories"].max()),
        "smallest": size(table["parameters"].min()),
        "largest": size(table["parameters"].max()),
        "low": replace.min(),
        "high": replace.max(),
        **{over: signed(estimate(per_seed[over]), 3) for over in AXES},
        "share_low": share.min(),
        "share_high": share.max(),
        "accumulate": of["accumulate"].groupby(list(AXES))["rise"].mean().max()
        if "accumulate" in of
        else math.nan,
        "paper_low": min(paper.values()),
        "paper_high": max(paper.values()),
        "inside": sum(inside),
        "on_trend": all(inside) and all(narrow),
        "correlation": float(of["replace"][["first", "rise"]].corr(method="spearman").iloc[0, 1]),
    }
