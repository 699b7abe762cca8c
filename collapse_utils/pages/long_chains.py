"""Chains of 50 fits: their curves, and the shapes of growth that are fitted to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..evidence import claims
from ..evidence.growth import EARLIER, LATER
from ..evidence.statistics import by_iteration
from . import figures

REGIMES = ("replace", "accumulate", "accumulate_subsample")
FACES = "iterations=50,protocol=steps"  # variants at the preset smoke
STORIES = "iterations=50"


def draw(
    ax: Axes, frame: pd.DataFrame, variant: str, metric: str, fitted: str, *, label: str = ""
) -> None:
    """The curves of a variant by regime.

    Adds the least-squares curves a + b H_t and a + b t of the regime ``fitted``, if it was run.
    """
    own = frame[frame["variant"] == variant]
    figures.regimes(ax, own, metric, REGIMES, label=label)
    mean = by_iteration(own, metric, regime=fitted)
    if mean.empty:
        return
    t = mean["iteration"].to_numpy(float)
    for shape, mark, formula in ((np.cumsum(1 / t), "-", "a + b H_t"), (t, ":", "a + b t")):
        slope, start = np.polyfit(shape, mean["mean"], 1)
        label = f"{figures.LABELS[fitted]}, ${formula}$"
        ax.plot(t, start + slope * shape, mark, color="black", linewidth=1, label=label)


def stories_text(frame: pd.DataFrame) -> str:
    """A paragraph on the long chains of language models."""
    verdicts = {claim.id: claims.judge(claim, frame) for claim in claims.of("language")}

    def change(regime: str) -> str:
        effect = verdicts[f"long-language-{regime}-rises"].effect
        return f"{effect.mean - 1:.1%} [{effect.low - 1:.1%}, {effect.high - 1:.1%}]"

    return (
        "**Fifty fits.** We ran these with smaller models that read each story once. Under "
        f"replace, the mean loss of fits {LATER[0]} to {LATER[-1]} is {change('replace')} above "
        f"that of fits {EARLIER[0]} to {EARLIER[-1]}, and under accumulate at equal size "
        f"{change('subsample')} above it. Our rule, written before the runs, calls less than 5% a "
        "plateau. But the unbounded sum 1 + 1/2 + … + 1/t fits better than one that converges."
    )
