"""The figures and tables of the chapter on what the loss cannot see."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..evidence.statistics import by_seed, estimate
from ..theory import sharpening
from . import figures

VARIANT = "temperature=0.3"
LEARNERS = {  # of the main figure: label, colour
    "replace": ("replace", figures.COLOURS["replace"]),
    "pooled": ("accumulate, one distribution", figures.COLOURS["accumulate_subsample"]),
    "kept": ("accumulate, components kept", figures.COLOURS["accumulate"]),
}


def curves(tau: float, iterations: int, length: int, words: int) -> pd.DataFrame:
    """Closed forms by learner and iteration.

    Columns: learner, iteration, rise (of the loss, nats per token; of kept components: the bound),
    effective_words (exp of the entropy of the samples).
    """
    p, t_all = sharpening.zipf(words), np.arange(1, iterations + 1)
    entropy = sharpening.entropy(p)
    parts = []
    for learner, regime in (("replace", "replace"), ("pooled", "accumulate")):
        fits, samples = sharpening.pooled(p, tau, iterations, regime)
        rise, variety = sharpening.cross_entropy(p, fits) - entropy, sharpening.entropy(samples)
        parts.append((learner, rise, np.exp(variety)))
    kept = [sharpening.entropy(sharpening.sampled_words(p, tau, int(t))) for t in t_all]
    parts.append(("kept", sharpening.loss_bound(t_all, length), np.exp(kept)))
    frames = []
    for name, rise, variety in parts:
        columns = {"learner": name, "iteration": t_all, "rise": rise, "effective_words": variety}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def loss_and_samples(axes: np.ndarray, table: pd.DataFrame, words: int) -> None:
    """The rise of the loss beside the variety of the samples, both on logarithmic axes."""
    for learner, (label, colour) in LEARNERS.items():
        rows = table[table["learner"] == learner]
        later = rows[rows["iteration"] > 1]  # the first rise is 0
        axes[0].plot(later["iteration"], later["rise"], color=colour, label=label)
        axes[1].plot(rows["iteration"], rows["effective_words"], color=colour)
    real = float(np.exp(sharpening.entropy(sharpening.zipf(words))))
    axes[1].axhline(real, color=figures.REPORTED, linestyle=":", label="real text")
    axes[0].set(ylabel="rise of the loss (nats per token)", title="what the loss shows")
    axes[1].set(ylabel="effective words in the samples", title="what the samples show")
    for ax in axes:
        ax.set(xlabel="model-fitting iteration t", yscale="log")


def in_short(table: pd.DataFrame, tau: float, words: int, stories: pd.DataFrame) -> str:
    """The answer in numbers: the toy's, and those of the language models at temperature 0.3."""
    entropy = float(sharpening.entropy(sharpening.zipf(words)))
    kept = table[table["learner"] == "kept"].iloc[-1]
    change, left = language_change(stories, "accumulate")
    direction = "above" if change.mean > 0 else "below"
    return (
        f"**In short.** At a sampling temperature of {tau:g}, the loss of a model that keeps what "
        f"it saw rises by at most {kept['rise']:.3f} nats per token in {kept['iteration']:.0f} "
        f"fits, {100 * kept['rise'] / entropy:.1f}% of its value. Its samples then use "
        f"{kept['effective_words']:.0f} effective words, where real text uses "
        f"{np.exp(entropy):.0f}. Our language models behave alike at temperature 0.3. Under "
        f"accumulate, the final cross-entropy is {abs(change.mean):.2f} nats per token {direction} "
        f"that of the first fit, and {100 * left.mean:.0f}% of the samples' distinct-2 is left."
    )


def language_change(frame: pd.DataFrame, regime: str) -> tuple:
    """Final - first cross-entropy, and final / first distinct-2, as estimates over seeds."""
    where = {"regime": regime, "variant": VARIANT}
    loss, variety = (by_seed(frame, metric, **where) for metric in ("cross_entropy", "distinct_2"))
    return (
        estimate(loss.iloc[:, -1] - loss.iloc[:, 0]),
        estimate(variety.iloc[:, -1] / variety.iloc[:, 0]),
    )


def language(axes: np.ndarray, frame: pd.DataFrame) -> None:
    """Cross-entropy and distinct-2 of the language models at temperature 0.3, by iteration."""
    names = ("replace", "accumulate")
    labels = ("cross-entropy (nats per token)", "distinct-2 of the samples")
    for ax, metric, label in zip(axes, ("cross_entropy", "distinct_2"), labels, strict=True):
        figures.regimes(ax, frame, metric, names, label=label, variant=VARIANT)
    axes[1].set_yscale("log")


def language_table(frame: pd.DataFrame) -> pd.DataFrame:
    """What the loss and what the samples say of both regimes, with 95% intervals over seeds."""
    rows = {}
    for regime in ("accumulate", "replace"):
        change, left = language_change(frame, regime)
        rows[figures.LABELS[regime]] = {
            "cross-entropy, final - first (nats per token)": change.text(2),
            "distinct-2, final / first": left.text(3),
            "seeds": change.n,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def depth_distribution(ax: Axes, iterations: tuple[int, ...] = (1, 5, 20, 100)) -> None:
    """How many samplings lie between a training text and real data, under accumulate."""
    shades = np.linspace(0.3, 1, len(iterations))
    for t, shade in zip(iterations, shades, strict=True):
        w, colour = sharpening.depths(t)[:9], figures.COLOURS["accumulate"]
        ax.plot(range(len(w)), w, "o-", color=colour, alpha=shade, label=f"t = {t}")
    ax.set(xlabel="samplings away from real data", ylabel="share of the training set")
    ax.legend(title="fit")
