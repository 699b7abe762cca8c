"""What the chapter on Gaussian and discrete distributions shows: variance and words kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..theory import gaussian, published
from . import figures
from .theory import line, points, table


def variance(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Variance of a Gaussian fit: the mean over chains and, under replace, the typical one."""
    n, case = 10, "n=10,d=1"
    for regime in names:
        line(ax, regime, gaussian.retained(regime, n, 1000))
        if regime != "replace":
            points(ax, frame, case, regime)
            continue
        drift, _ = gaussian.log_drift(n)
        t = np.arange(1.0, 1001)
        line(ax, regime, np.exp(drift * t), "replace, typical chain", linestyle="--")
        typical = table(frame, case, regime)
        style = {"mfc": "white", "color": figures.COLOURS[regime], "markersize": 5}
        ax.plot(typical["iteration"], np.exp(typical["mean"]), "o", **style)
    ax.set(xscale="log", yscale="log", xlabel="iteration $t$", ylabel="variance / real")
    ax.set(title=f"a Gaussian, $n$ = {n}", ylim=(1e-4, 2))


def words(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """How many of 1,000 words the training data still hold, replace and accumulate."""
    for regime in (name for name in names if name in ("replace", "accumulate")):
        kept = np.sum(1 - gaussian.lost(regime, published.WORDS, 1000, 1000), axis=0)
        line(ax, regime, kept)
        points(ax, frame, "words", regime)
    ax.set(xscale="log", xlabel="iteration $t$", ylabel="words known", ylim=(0, None))
    ax.set(title="1,000 words by Zipf's law, $n$ = 1,000")


def states(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Heterozygosity of ten equally likely states by iteration."""
    for regime in names:
        line(ax, regime, 0.9 * gaussian.retained(regime, 100, 1000))
        points(ax, frame, "states", regime)
    ax.set(xscale="log", xlabel="iteration $t$", ylabel="heterozygosity", ylim=(0, 1))
    ax.set(title="ten states, $n$ = 100")


def numbers(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers that the chapter's sentences hold."""
    typical = table(frame, "n=10,d=1", "replace").set_index("iteration")["mean"]
    replace, accumulate = (
        table(frame, "words", regime).set_index("iteration")["mean"]  # words known, by fit
        for regime in ("replace", "accumulate")
    )
    return {
        "kept": gaussian.accumulate_limit(10),
        "typical_power": float(typical.loc[1000] / np.log(10)),
        "words_first": accumulate.loc[1],
        "words_accumulate": accumulate.loc[1000],
        "words_replace_10": replace.loc[10],
        "words_replace": replace.loc[1000],
        "fixation_two": gaussian.fixation_time([0.5, 0.5], 100),
        "fixation_ten": gaussian.fixation_time(np.full(10, 0.1), 100),
    }
