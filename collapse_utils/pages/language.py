"""The tables and plots that the language notebook shows and no other page needs."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import regimes
from ..evidence.statistics import by_seed, estimate, growth
from . import figures, tables
from .notebook import Opened
from .tables import cost_table, signed

__all__ = [
    "change_table",
    "control_table",
    "cost_table",
    "curves",
    "last_losses",
    "learning_curves",
    "story_table",
    "text_measures",
    "variety_sentence",
]

COLD = "temperature=0.3"  # the variant at the paper's second temperature
GPT2 = "architecture=gpt2"
TEN = f"iterations=10,{GPT2}"  # the variant of ten iterations
# variants at temperatures 1.0 and 0.3
ARCHITECTURES = {"Llama": ("", COLD), "GPT-2": (GPT2, f"{GPT2},{COLD}")}
MEASURES = {
    "distinct_2": "distinct-2",
    "vocabulary_share": "share of the real vocabulary",
    "mean_length": "tokens a story",
    "share_ended": "share of stories that end",
}
SHOWN = 320  # characters of a sample story
REPORTED_MODELS = {
    "gpt2-9m": "GPT-2 9M",
    "llama-12m": "Llama 12M",
    "llama-42m": "Llama 42M",
    "llama-126m": "Llama 126M",
}


def curves(opened: Opened) -> Figure:
    """Cross-entropy by iteration at both temperatures, a row for each architecture in the results
    and in this run.
    """
    rows = [
        (name, frame[frame["variant"].isin(variants)], architecture)
        for name, frame in opened.panels()
        for architecture, variants in ARCHITECTURES.items()
        if (frame["variant"] == variants[0]).any()
    ]
    fig, axes = figures.grid(len(rows), 2)
    for row, (name, frame, architecture) in zip(axes, rows, strict=True):
        temperatures = ("1.0", "0.3")
        figures.titles(
            row,
            [f"{architecture}, T = {temperature}" for temperature in temperatures],
            figures.about(name, frame),
        )
        for ax, variant, temperature in zip(
            row, ARCHITECTURES[architecture], temperatures, strict=True
        ):
            part = frame[frame["variant"] == variant]
            if part.empty:
                ax.set_axis_off()
                ax.text(
                    0.5,
                    0.5,
                    f"T = {temperature}: not part of these results",
                    ha="center",
                    transform=ax.transAxes,
                )
                continue
            figures.regimes(
                ax, part, "cross_entropy", opened.regimes, label="cross-entropy (nats per token)"
            )
    figures.legend(fig, axes.flat)
    return fig


def change_table(ours: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Cross-entropy less that of the first fit, by iteration: ours with intervals, and the paper's
    with its tags.
    """
    rows = {}
    for place, temperature in enumerate((1.0, 0.3)):
        for regime in regimes.REGIMES:
            label = figures.LABELS[regime]
            for architecture, variants in ARCHITECTURES.items():
                table = by_seed(ours, "cross_entropy", regime=regime, variant=variants[place])
                if table.size:
                    later = {t: table[t] - table[1] for t in table.columns[1:]}
                    if variants[place] == GPT2:  # the paper gives the tenth fit as well
                        longer = by_seed(ours, "cross_entropy", regime=regime, variant=TEN)
                        later |= {t: longer[t] - longer[1] for t in longer.columns[-1:]}
                    found = {t: signed(estimate(change)) for t, change in later.items()}
                    rows[temperature, label, f"ours, {architecture}"] = found
            theirs = reported[
                (reported["temperature"] == temperature) & (reported["regime"] == regime)
            ]
            for (model, where), curve in theirs.groupby(["model", "where"], sort=False):
                first = reported[(reported["model"] == model) & (reported["iteration"] == 1)]
                start = first[first["where"] == where]["value"].iloc[0]
                later = curve[curve["iteration"] > 1]
                cells = {
                    t: f"{value - start:+.2f}"
                    for t, value in zip(later["iteration"], later["value"], strict=True)
                }
                tag = curve["tag"].iloc[0]
                if cells:
                    rows[temperature, label, f"{REPORTED_MODELS[model]}, {where} ({tag})"] = cells
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    frame = frame[sorted(frame.columns)]
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["T", "regime", "source"])
    return frame.rename(columns=lambda t: f"t = {t}")


def control_table(ours: pd.DataFrame) -> pd.DataFrame:
    """The last fit of every regime at temperature 1: its training set, its cross-entropy, its
    distance to the first.
    """
    return tables.control_table(ours, "cross_entropy", "stories")


def learning_curves(axes: np.ndarray, curves: pd.DataFrame) -> None:
    """Training loss (top) and validation loss on real stories (bottom) by stories seen, replace
    beside accumulate.

    ``axes`` is 2 by 2; ``curves`` holds one seed and one variant.  Darker lines are later
    iterations.
    """
    for column, regime in enumerate(("replace", "accumulate")):
        chosen = curves[curves["regime"] == regime]
        iterations = sorted(chosen["iteration"].unique())
        # then later curves pass on the right of an end
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


def last_losses(curves: pd.DataFrame) -> pd.DataFrame:
    """Training and validation loss at the end of the first and of the last fit, by temperature and
    regime, over seeds.
    """
    rows = {}
    for variant, temperature in (("", "1.0"), (COLD, "0.3")):
        for regime in ("replace", "accumulate"):
            chosen = curves[(curves["variant"] == variant) & (curves["regime"] == regime)]
            if chosen.empty:
                continue
            ends = (
                chosen.groupby(["seed", "iteration"])[["training_loss", "validation_loss"]]
                .last()
                .groupby("iteration")
                .mean()
            )
            first, last = ends.index[0], ends.index[-1]
            rows[f"T = {temperature}, {figures.LABELS[regime]}"] = {
                f"{loss.replace('_', ' ')}, t = {t}": f"{ends.loc[t, loss]:.2f}"
                for loss in ("training_loss", "validation_loss")
                for t in (first, last)
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def text_measures(frame: pd.DataFrame, names: Sequence[str]) -> Figure:
    """What sampled stories look like by iteration: a row a measure, temperature 1.0 beside 0.3."""
    fig, axes = figures.grid(len(MEASURES), 2, sharey="row")
    for row, (metric, label) in zip(axes, MEASURES.items(), strict=True):
        for ax, variant, temperature in zip(row, ("", COLD), ("1.0", "0.3"), strict=True):
            part = frame[frame["variant"] == variant]
            if part.empty:
                ax.set_axis_off()
                continue
            figures.regimes(ax, part, metric, names, label=label)
            ax.set_title(f"τ = {temperature}")
    figures.legend(fig, axes.flat)
    return fig


def variety_sentence(frame: pd.DataFrame) -> str:
    """What is left of the variety of samples at the final fit, in words; empty where a chain of
    these was not run.
    """

    def left(regime: str, variant: str) -> str:
        table = growth(frame, "distinct_2", regime, variant)
        return estimate(table.iloc[:, -1], log=True).text(2) if table.size else ""

    shares = [left("accumulate", COLD), left("replace", COLD), left("replace", "")]
    if not all(shares):
        return ""
    return (
        f"At τ = 0.3 the samples of the final fit keep {shares[0]} of the distinct-2 of the first "
        f"fit under accumulate, and {shares[1]} under replace: both collapse. The test loss does "
        "not show it. A model of which one part in t is the first model loses at most log t nats "
        "per story on real text, whatever the other parts write. At τ = 1 the ratio is "
        f"{shares[2]} under replace, whose samples become worse without losing variety."
    )


def story_table(samples: Path) -> str:
    """The first sampled story of every iteration, a column for each of three chains, as HTML."""
    columns = [("base", "replace"), ("base", "accumulate"), (COLD, "replace")]
    there = [
        (variant, regime) for variant, regime in columns if (samples / variant / regime).is_dir()
    ]
    heads = [
        figures.LABELS[regime] + ("" if variant == "base" else ", T = 0.3")
        for variant, regime in there
    ]
    folders = sorted(
        {path.name for variant, regime in there for path in (samples / variant / regime).iterdir()}
    )
    rows = []
    for folder in folders:
        cells = [
            _story(samples / variant / regime / folder / "stories.json")
            for variant, regime in there
        ]
        rows.append([f"t = {int(folder.split('-')[1])}", *cells])
    return _html_table(["iteration", *heads], rows)


def _story(path: Path) -> str:
    text = json.loads(path.read_text(encoding="utf-8"))[0] if path.exists() else ""
    return text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + " ..."


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = ""
    for first, *cells in rows:
        body += f'<tr><th scope="row">{html.escape(first)}</th>'
        body += "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
    return (
        '<table class="dataframe '
        f'stories"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    )
