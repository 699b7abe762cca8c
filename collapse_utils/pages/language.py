"""The tables and plots of the language notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..durable import files
from ..evidence import claims, results
from ..evidence.statistics import by_iteration, final_growth, seeds_of
from ..evidence.verdicts import NOT_REPRODUCED, REPRODUCED, UNDECIDED
from ..language.config import PRESETS, LanguageConfig
from ..presets import override
from . import figures
from .notebook import Opened
from .tables import cost_table as cost_table

COLD = "temperature=0.3"  # the variant at the paper's second temperature
GPT2 = "architecture=gpt2"
TRAINED = f"{GPT2},epochs=12"  # trained out, GPT-2 needs more epochs than Llama
BIBLE = "epochs=8"  # Llama, trained out on the Bible
MARGIN = {  # a verdict on whether the loss stays
    REPRODUCED: "within our margin",
    UNDECIDED: "undecided",
    NOT_REPRODUCED: "beyond our margin",
}
# variants at temperatures 1.0 and 0.3
ARCHITECTURES = {
    "Llama": ("", COLD),
    "GPT-2": (GPT2, f"{GPT2},{COLD}"),
    "GPT-2, trained out": (TRAINED, f"{TRAINED},{COLD}"),
    "Llama, trained out": (BIBLE, f"{BIBLE},{COLD}"),
}
LOSS = "cross-entropy (nats per token)"
COLUMNS = {"trained-tinystories": "trained out", "cpu-tinystories": "one epoch"}
PAPER = {  # what the paper reports of its models, by row of the table; the tags are in the caption
    "model": "Llama-2, GPT-2",
    "parameters": "9 to 126 million",
    "real stories": "2.1 million",
    "tokens of these": "470 million",
    "epochs": "1",
    "fits": "5 (GPT-2: 10)",
    "seeds": "not found",
}


def _part(frame: pd.DataFrame, variant: str) -> pd.DataFrame:
    return frame[frame["variant"] == variant]


def main_figure(frame: pd.DataFrame, names: Sequence[str]) -> Figure:
    """The loss at both temperatures, and the variety of samples at the lower temperature."""
    fig, axes = figures.grid(1, 3)
    hot, cold = _part(frame, ""), _part(frame, COLD)
    for ax, part, tau in zip(axes[0], (hot, cold), ("1", "0.3"), strict=False):
        figures.regimes(ax, part, "cross_entropy", names, label=LOSS)
        ax.set_title(f"loss on real stories, τ = {tau}", fontsize=11)
    _with_real(axes[0, 2], cold, "distinct_2", names, "distinct-2")
    axes[0, 2].set_title("variety of samples, τ = 0.3", fontsize=11)
    axes[0, 2].set_ylim(0, None)
    figures.legend(fig, axes.flat)
    return fig


def _with_real(ax: Axes, part: pd.DataFrame, metric: str, names: Sequence[str], label: str) -> None:
    """A measure of samples by iteration, with its value for real stories as a line."""
    figures.regimes(ax, part, metric, names, label=label)
    real = part[part["metric"] == f"{metric}_real"]["value"].mean()
    ax.axhline(real, color=figures.REPORTED, linestyle=":", label="real stories")


def numbers(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers in the text: means over seeds of first and final fits."""

    def mean(metric: str, regime: str, variant: str, index: int) -> float:
        return by_iteration(frame, metric, regime=regime, variant=variant)["mean"].iloc[index]

    def kept(regime: str, variant: str) -> str:
        return final_growth(frame, "distinct_2", regime, variant).text(2)

    def later(variant: str) -> float:
        means = by_iteration(frame, loss, regime="accumulate", variant=variant)["mean"]
        return means.iloc[1:].mean() - means.iloc[0]

    loss, fits = "cross_entropy", int(frame["iteration"].max())
    rises = [
        by_iteration(frame, "nats_per_story", regime="accumulate", variant=variant)["mean"]
        for variant in ("", COLD)
    ]
    return {
        "first": mean(loss, "replace", "", 0),
        "replace": mean(loss, "replace", "", -1),
        "replace_cold": mean(loss, "replace", COLD, -1),
        "accumulate": mean(loss, "accumulate", "", -1),
        "accumulate_cold": mean(loss, "accumulate", COLD, -1),
        "later": later(""),
        "later_cold": later(COLD),
        "subsample": mean(loss, "accumulate_subsample", "", -1),
        "kept_cold": kept("accumulate", COLD),
        "kept_replace_cold": kept("replace", COLD),
        "tempered": mean("cross_entropy_sampling_temperature", "replace", COLD, 0),
        "second_cold": mean(loss, "replace", COLD, 1),
        "best_cold": mean("cross_entropy_best_temperature", "replace", COLD, -1),
        "rise": rises[0].iloc[-1] - rises[0].iloc[0],
        "rise_cold": rises[1].iloc[-1] - rises[1].iloc[0],
        "log_t": math.log(fits),
        "fits": fits,
        "parameters": _parameters(PRESETS["trained"]),
        "stories": PRESETS["trained"].stories,
        "tokens_first": mean("trained_tokens", "replace", "", 0),
        "tokens": mean("trained_tokens", "replace", "", -1),
        "tokens_subsample": mean("trained_tokens", "accumulate_subsample", "", -1),
        "tokens_accumulate": mean("trained_tokens", "accumulate", "", -1),
    }


def gpt2(opened: Opened) -> str:
    """A paragraph on GPT-2, trained out like Llama; empty where it was not run."""
    frame = opened.published
    if not (frame["variant"] == TRAINED).any():
        return ""
    curves = results.read_csv(opened.folder() / "curves.csv")
    own = curves[(curves["variant"] == TRAINED) & (curves["regime"] == "accumulate")]
    best = own.groupby(["seed", "iteration"])["validation_loss"].min().unstack().mean()
    return (
        f"**GPT-2 fares worse.** {_final_losses(frame, TRAINED, 'gpt2')} Its later fits are "
        "trained past their lowest validation loss, but even there the final fit is "
        f"{best.iloc[-1] - best.iloc[0]:.2f} above the first (τ = 1)."
    )


def bible(opened: Opened) -> str:
    """A paragraph on Llama, trained out on other text; empty where it was not run."""
    if "trained-bible" not in opened.committed:
        return ""
    frame = results.named("language", "trained-bible", opened.results_root)  # with every regime
    return "**The Bible.** " + _final_losses(frame, BIBLE, "bible", "Llama's")


def _final_losses(frame: pd.DataFrame, variant: str, family: str, whose: str = "its") -> str:
    """A sentence with first and final losses, and the verdicts on two claims of a family."""

    def loss(regime: str, here: str = variant) -> pd.Series:
        return by_iteration(frame, "cross_entropy", regime=regime, variant=here)["mean"]

    judged = {each.id: claims.judge(each, frame).outcome for each in claims.of("language")}
    hot, cold = (MARGIN[judged[f"{family}-accumulate-stays{end}"]] for end in ("", "-cold"))
    epochs = override(PRESETS["trained"], variant.split(",")).epochs
    first, *_, replaced = loss("replace")
    return (
        f"Trained out ({epochs} epochs), {whose} loss goes from {first:.2f} to {replaced:.2f} "
        f"under replace, and under accumulate to {loss('accumulate').iloc[-1]:.2f} at τ = 1 "
        f"({hot}) and {loss('accumulate', f'{variant},{COLD}').iloc[-1]:.2f} at "
        f"τ = 0.3 ({cold})."
    )


def _parameters(config: LanguageConfig) -> int:
    """Number of parameters of the model of a preset."""
    from ..language.fit import new_model  # imports transformers: seconds
    from ..language.model import parameters

    return parameters(new_model(config, 0))


def glance(opened: Opened) -> pd.DataFrame:
    """This book's experiment and the paper's, side by side."""
    table = {}
    for name, title in COLUMNS.items():
        frame, config = opened.committed[name], PRESETS[name.partition("-")[0]]
        records = files.read_json(opened.folder(name) / "provenance.json")
        hot = [record for record in records if record["variant"] == ""]
        notes = [record["provenance"].get("notes", {}) for record in hot]
        tokens = [note["train_tokens"] for note in notes if "train_tokens" in note]
        models = {"Llama-2": config}
        for variant in {GPT2, TRAINED} & set(frame["variant"]):
            models["GPT-2"] = override(config, variant.split(","))
        sizes = [f"{_parameters(model) / 1e6:.2f}" for model in models.values()]
        epochs = dict.fromkeys(str(model.epochs) for model in models.values())
        table[f"this book, {title}"] = {
            "model": ", ".join(models),
            "parameters": f"{', '.join(sizes)} million",
            "real stories": f"{config.stories:,}",
            "tokens of these": f"{np.mean(tokens):,.0f}" if tokens else "not recorded",
            "epochs": ", ".join(epochs),
            "fits": f"{config.iterations}",
            "seeds": seeds_of(frame).removesuffix(" seeds"),
        }
    return pd.DataFrame({**table, "the paper": PAPER})


def equal_training(frame: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Tokens read by each fit, and the loss against them; τ = 1."""
    fig, axes = figures.grid(1, 2)
    hot = _part(frame, "").copy()
    read = hot["metric"] == "trained_tokens"
    hot.loc[read, "value"] /= 1000
    figures.regimes(
        axes[0, 0], hot, "trained_tokens", names, label="tokens read in training (thousands)"
    )
    axes[0, 0].set_ylim(0, None)
    axes[0, 0].set_title("equal training")
    for regime in names:
        tokens = by_iteration(hot, "trained_tokens", regime=regime)
        loss = by_iteration(hot, "cross_entropy", regime=regime)
        if tokens.empty:
            continue
        style = {"color": figures.COLOURS[regime], "marker": figures.MARKS[regime]}
        axes[0, 1].plot(tokens["mean"], loss["mean"], **style)
        last = tokens["mean"].iloc[-1], loss["mean"].iloc[-1]
        axes[0, 1].annotate(
            f"t = {loss['iteration'].iloc[-1]}", last, xytext=(7, 4), textcoords="offset points"
        )
    axes[0, 1].set(xlabel="tokens read in training (thousands)", ylabel=LOSS)
    axes[0, 1].set_title("what this training gives")
    axes[0, 1].margins(x=0.12, y=0.1)
    figures.legend(fig, [axes[0, 0]])
    return fig


def paper_figure(committed: Mapping[str, pd.DataFrame], reported: pd.DataFrame) -> Figure:
    """The change of each curve since its first fit: ours solid, the paper's dashed."""
    fig, axes = figures.grid(1, 2)
    for index, (ax, tau) in enumerate(zip(axes[0], (1.0, 0.3), strict=True)):
        for name in COLUMNS:
            for variants in ARCHITECTURES.values():
                for regime in ("replace", "accumulate"):
                    table = by_iteration(
                        committed[name], "cross_entropy", regime=regime, variant=variants[index]
                    )
                    if len(table):
                        change = table["mean"] - table["mean"].iloc[0]
                        style = {"color": figures.COLOURS[regime], "marker": figures.MARKS[regime]}
                        label = f"{figures.LABELS[regime]}, ours"
                        ax.plot(table["iteration"], change, label=label, markersize=5, **style)
        theirs = reported[(reported["temperature"] == tau) & (reported["iteration"] <= 5)]
        for (regime, model, where), curve in theirs.groupby(["regime", "model", "where"]):
            first = reported[(reported["model"] == model) & (reported["iteration"] == 1)]
            start = first[first["where"] == where]["value"].iloc[0]
            if regime in ("replace", "accumulate"):
                later = curve[curve["iteration"] > 1]
                fits, change = [1, *later["iteration"]], [0, *(later["value"] - start)]
                style = {"color": figures.COLOURS[regime], "marker": figures.MARKS[regime]}
                style |= {"markerfacecolor": "white", "linewidth": 1, "markersize": 5}
                ax.plot(fits, change, "--", label=f"{figures.LABELS[regime]}, the paper", **style)
        ax.set_title(f"τ = {tau:g}")
        ax.set_xticks(range(1, 6))
        ax.set_xlabel("model-fitting iteration")
    axes[0, 0].set_ylabel("change from the first fit (nats per token)")
    figures.legend(fig, axes.flat)
    return fig


def samples(frame: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Measures of sampled stories: variety, vocabulary, and likelihood under a model of real
    stories.
    """
    fig, axes = figures.grid(1, 3)
    hot, cold = _part(frame, ""), _part(frame, COLD)
    likely = "nats per token of a sample"
    _with_real(axes[0, 0], hot, "distinct_2", names, "distinct-2")
    axes[0, 0].set(title="variety, τ = 1", ylim=(0, 1))
    _with_real(axes[0, 1], cold, "vocabulary_share", names, "share of the vocabulary")
    axes[0, 1].set(title="vocabulary, τ = 0.3", ylim=(0, 1))
    figures.regimes(axes[0, 2], cold, "reference_cross_entropy", names)
    _with_real(axes[0, 2], hot, "reference_cross_entropy", names, likely)
    axes[0, 2].set(title="surprise of a model of real stories", ylim=(0, None))
    for text, value, drop in (("τ = 1", hot, 9), ("τ = 0.3", cold, -18)):
        if value.empty:  # not every regime has chains at both temperatures
            continue
        first = value[value["iteration"] == 1].iloc[0]  # the same fit in every regime
        where = {"regime": first["regime"], "variant": first["variant"]}
        table = by_iteration(value, "reference_cross_entropy", **where)
        axes[0, 2].annotate(
            text, (1, table["mean"].iloc[0]), xytext=(0, drop), textcoords="offset points"
        )
    figures.legend(fig, axes.flat)
    return fig


def curves(panels: Mapping[str, pd.DataFrame], names: Sequence[str]) -> Figure:
    """Cross-entropy by iteration at both temperatures, a row for each architecture in each of the
    results.
    """
    rows = [
        (name, frame, architecture, variants)
        for name, frame in panels.items()
        for architecture, variants in ARCHITECTURES.items()
        if (frame["variant"] == variants[0]).any()
    ]
    fig, axes = figures.grid(len(rows), 2)
    for row, (name, frame, architecture, variants) in zip(axes, rows, strict=True):
        for ax, variant, tau in zip(row, variants, ("1", "0.3"), strict=True):
            part = _part(frame, variant)
            if part.empty:
                ax.set_axis_off()
                continue
            figures.regimes(ax, part, "cross_entropy", names, label=LOSS)
            ax.set_title(f"{name}, {architecture}, τ = {tau}", fontsize=11)
    figures.legend(fig, axes.flat)
    return fig


def learning_curves(axes: np.ndarray, curves: pd.DataFrame) -> None:
    """Training loss (top) and validation loss on real stories (bottom) by stories seen.

    ``axes`` is 2 by 2, with replace on the left and accumulate on the right.  ``curves`` has one
    seed and one variant.  Darker lines are later iterations.
    """
    for column, regime in enumerate(("replace", "accumulate")):
        chosen = curves[curves["regime"] == regime]
        iterations = sorted(chosen["iteration"].unique())
        # where curves grow longer, later ones pass on the right of an end, so labels go below
        grows = chosen.groupby("iteration")["items"].max().nunique() > 1
        side = (
            {"xytext": (0, -7), "ha": "center", "va": "top"}
            if grows
            else {"xytext": (5, 0), "va": "center"}
        )
        for t in iterations:
            fit = chosen[chosen["iteration"] == t]
            checked = fit.dropna(subset=["validation_loss"])
            shade = 0.25 + 0.75 * iterations.index(t) / max(len(iterations) - 1, 1)
            style = {"color": figures.COLOURS[regime], "alpha": shade}
            axes[0, column].plot(fit["items"], fit["training_loss"], **style)
            axes[1, column].plot(
                checked["items"], checked["validation_loss"], marker="o", markersize=4, **style
            )
            last = checked.iloc[-1]
            end = last["items"], last["validation_loss"]
            axes[1, column].annotate(
                f"t = {t}", end, textcoords="offset points", fontsize=10, **side
            )
        axes[0, column].set_title(f"{figures.LABELS[regime]}, one seed (darker: later iteration)")
        axes[1, column].set_xlabel("stories seen")
        axes[1, column].margins(x=0.12, y=0.12)
    axes[0, 0].set_ylabel("training loss (nats per token)")
    axes[1, 0].set_ylabel("validation loss, real stories")
