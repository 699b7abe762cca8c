"""The figures and numbers of the chapter on Gaussian and discrete distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..theory import gaussian, published
from . import figures
from .theory import line, means, points


def variance(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Variance of a Gaussian fit: the mean over chains; under replace, also the typical chain."""
    n, case = 10, "n=10,d=1"
    for regime in names:
        line(ax, regime, gaussian.retained(regime, n, 1000))
        if regime != "replace":
            points(ax, frame, case, regime)
            continue
        drift, _ = gaussian.log_drift(n)
        t = np.arange(1.0, 1001)
        line(ax, regime, np.exp(drift * t), "replace, typical chain", linestyle="--")
        typical = means(frame, case, regime)
        style = {"mfc": "white", "color": figures.COLOURS[regime], "markersize": 5}
        ax.plot(typical.index, np.exp(typical), "o", **style)
    ax.set(xscale="log", yscale="log", xlabel="iteration $t$", ylabel="variance / real")
    ax.set(title=f"a Gaussian, $n$ = {n}", ylim=(1e-4, 2))


def words(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """How many of 1,000 words are still in the training data, under replace and accumulate."""
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
    """The numbers in the chapter's sentences."""
    typical = means(frame, "n=10,d=1", "replace")
    replace, accumulate = (means(frame, "words", name) for name in ("replace", "accumulate"))
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
