"""The figures and tables of the chapter on sampling at a low temperature."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..evidence import claims
from ..evidence.statistics import Estimate, by_seed, estimate, final_growth
from ..theory import sharpening
from . import figures

VARIANT = "temperature=0.3"
LEARNERS = {  # in the main figure: label, colour
    "replace": ("replace", figures.COLOURS["replace"]),
    "pooled": ("accumulate, one distribution", figures.COLOURS["accumulate_subsample"]),
    "kept": ("accumulate, components kept", figures.COLOURS["accumulate"]),
}


def curves(tau: float, iterations: int, length: int, words: int) -> pd.DataFrame:
    """Closed forms by learner and iteration.

    Columns: learner, iteration, rise (of the loss, nats per token; of kept components: the bound),
    effective_words (exp of the entropy of the samples).
    """
    p, fits = sharpening.zipf(words), np.arange(1, iterations + 1)
    entropy = sharpening.entropy(p)
    parts = []
    for learner, regime in (("replace", "replace"), ("pooled", "accumulate")):
        q, samples = sharpening.pooled(p, tau, iterations, regime)
        rise, variety = sharpening.cross_entropy(p, q) - entropy, sharpening.entropy(samples)
        parts.append((learner, rise, np.exp(variety)))
    kept = [sharpening.entropy(sharpening.sampled_words(p, tau, int(t))) for t in fits]
    parts.append(("kept", sharpening.loss_bound(fits, length), np.exp(kept)))
    frames = []
    for name, rise, variety in parts:
        columns = {"learner": name, "iteration": fits, "rise": rise, "effective_words": variety}
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
        ax.set(xlabel="iteration $t$", yscale="log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def in_short(table: pd.DataFrame, tau: float, words: int, stories: pd.DataFrame) -> str:
    """The chapter's answer, in numbers of the toy and of the language models at temperature 0.3."""
    entropy = float(sharpening.entropy(sharpening.zipf(words)))
    kept = table[table["learner"] == "kept"].iloc[-1]
    change, _, left = language_change(stories, "accumulate")
    high, _, left_replace = language_change(stories, "replace")
    return f"""
**In short**

- Yes. Take a perfect learner that keeps what it saw and samples at a temperature of {tau:g}. Its
  loss rises by at most {kept["rise"]:.3f} nats per token in {kept["iteration"]:.0f} fits,
  {kept["rise"] / entropy:.1%} of its value. Its samples then use {kept["effective_words"]:.0f}
  effective words (exp of their entropy), where real text uses {np.exp(entropy):.0f}.
- Our language models at temperature 0.3 are similar. The cross-entropy rises by {change.mean:.2f}
  nats per token under accumulate and by {high.mean:.1f} under replace. Yet the samples keep only
  {left.mean:.0%} and {left_replace.mean:.0%} of distinct-2, so their variety is lost in both.
- The bound of the perfect learner, log t nats per story, is no guarantee for a real model.
"""


def language_change(frame: pd.DataFrame, regime: str) -> tuple[Estimate, Estimate, Estimate]:
    """Estimates over seeds: final - first cross-entropy, in nats per token and per story, and
    final / first distinct-2.
    """
    left = final_growth(frame, "distinct_2", regime, VARIANT)
    return *map(estimate, _rises(frame, regime, VARIANT)), left


def _rises(frame: pd.DataFrame, regime: str, variant: str) -> tuple[pd.Series, pd.Series]:
    """Final - first cross-entropy by seed, in nats per token and, as in the claims, per story of
    mean length.
    """
    where = {"regime": regime, "variant": variant}
    loss, length = (
        by_seed(frame, metric, **where) for metric in ("cross_entropy", "mean_length_real")
    )
    rise = loss.iloc[:, -1] - loss.iloc[:, 0]
    return rise, rise * length.iloc[:, -1]


def language(axes: np.ndarray, frame: pd.DataFrame) -> None:
    """Cross-entropy and distinct-2 of the language models at temperature 0.3, by iteration."""
    names = ("replace", "accumulate")
    labels = ("cross-entropy (nats per token)", "distinct-2 of the samples")
    for ax, metric, label in zip(axes, ("cross_entropy", "distinct_2"), labels, strict=True):
        figures.regimes(ax, frame, metric, names, label=label, variant=VARIANT)
        ax.set_xlabel("iteration $t$")
    axes[1].set_ylim(0, None)


def language_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The changes of the loss and of the samples' variety, with 95% intervals over seeds."""
    rows = {}
    for regime in ("accumulate", "replace"):
        per_token, per_story, left = language_change(frame, regime)
        rows[figures.LABELS[regime]] = {
            "rise of the loss (nats per token)": claims.text(per_token),
            "rise of the loss (nats per story)": claims.text(per_story),
            "distinct-2, final / first": left.text(2),
            "seeds": per_token.n,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def bound_text(frame: pd.DataFrame) -> str:
    """A paragraph on whether the language models stay below the bound of a perfect learner."""
    fits = int(frame["iteration"].max())
    rises = {}
    for tau, variant in (("0.3", VARIANT), ("1", "")):
        _, rise = _rises(frame, "accumulate", variant)
        above = f"above the bound in {(rise > np.log(fits)).sum()} of {len(rise)} seeds"
        rises[tau] = f"{estimate(rise).text(1)} at τ = {tau} ({above})"
    return (
        f"**The bound is no guarantee for them.** A perfect learner rises by at most log {fits} = "
        f"{np.log(fits):.2f} nats per story in {fits} fits. Ours rise by {rises['0.3']} and by "
        f"{rises['1']}, with 95% intervals over seeds. A transformer is no mixture: the same "
        "weights model real and synthetic stories, and it never learns its training set exactly."
    )


def depth_distribution(ax: Axes) -> None:
    """The number of samplings between a training text and real data, under accumulate."""
    for t, shade in zip((1, 5, 20, 100), np.linspace(0.3, 1, 4), strict=True):
        w, colour = sharpening.depths(t)[:9], figures.COLOURS["accumulate"]
        ax.plot(range(len(w)), w, "o-", color=colour, alpha=shade, label=f"t = {t}")
    ax.set(xlabel="samplings away from real data", ylabel="share of the training set")
    ax.legend(title="fit")
