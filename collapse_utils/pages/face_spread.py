"""The variance of the book's example of an own model, and its closed form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..chain import Chain, iterate
from ..durable.metrics import KEY
from ..durable.store import InMemory
from ..loading import Adapted
from ..presets import Config
from ..theory.bias import growth
from . import theory
from .face_density import FaceDensity


class Spread(FaceDensity):
    """The same model, measured by its mean variance along a component; real faces have 1."""

    def evaluate(self, model, real_test):
        return {"value": np.var(model.tree_.data, axis=0, ddof=1).mean() + self.bandwidth**2}


def spread(
    regimes: Sequence[str], seeds: Sequence[int], iterations: int, **arguments: object
) -> pd.DataFrame:
    """The variance of every fit, from chains in memory; the tidy rows of ``own.experiment``."""
    section = Adapted(Spread(**arguments))
    train, test = section.real_data()
    rows = []
    for regime, seed in itertools.product(regimes, seeds):
        chain = Chain("own_model", regime, seed, Config(iterations=iterations))
        store = InMemory(chain.config)
        iterate(section, chain, train, test, store)
        rows += [
            ("own_model", "own", "own", "", regime, seed, t, metric, value)
            for t, metrics in store.results.items()
            for metric, value in metrics.items()
        ]
    return pd.DataFrame(rows, columns=[*KEY, "value"])


def draw_spread(ax: Axes, frame: pd.DataFrame, regimes: Sequence[str], bandwidth: float) -> None:
    """Measured variances as points with intervals, and the closed forms 1 + h² t and 1 + h² H_t."""
    for regime in regimes:
        total = bandwidth**2 * growth(regime, int(frame["iteration"].max()))
        theory.line(ax, regime, 1 + total)
        theory.points(ax, frame, "", regime)
    ax.set(xlabel="model-fitting iteration $t$", ylabel="variance / real")
