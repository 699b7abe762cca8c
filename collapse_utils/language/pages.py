"""The tables and plots that the language notebook shows and no other page needs."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .. import figures, regimes, runs
from ..statistics import Estimate, by_seed, estimate
from .claims import COLD

SHOWN = 320  # characters of a sample story
REPORTED_MODELS = {"gpt2-9m": "GPT-2 9M", "llama-12m": "Llama 12M", "llama-42m": "Llama 42M", "llama-126m": "Llama 126M"}


def change_table(ours: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Cross-entropy less that of the first fit, by iteration: ours with intervals, and the paper's with its tags."""
    rows = {}
    for variant, temperature in (("", 1.0), (COLD, 0.3)):
        for regime in regimes.REGIMES:
            label = figures.LABELS[regime]
            table = by_seed(ours, "cross_entropy", regime=regime, variant=variant)
            if table.size:
                change = table.sub(table[1], axis=0)
                rows[temperature, label, "ours"] = {t: _signed(estimate(change[t])) for t in table.columns[1:]}
            theirs = reported[(reported["temperature"] == temperature) & (reported["regime"] == regime)]
            for (model, where), curve in theirs.groupby(["model", "where"], sort=False):
                first = reported[(reported["model"] == model) & (reported["iteration"] == 1)]
                start = first[first["where"] == where]["value"].iloc[0]
                later = curve[curve["iteration"] > 1]
                cells = {t: f"{value - start:+.2f}" for t, value in zip(later["iteration"], later["value"], strict=True)}
                tag = curve["tag"].iloc[0]
                if cells:
                    rows[temperature, label, f"{REPORTED_MODELS[model]}, {where} ({tag})"] = cells
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    frame = frame[sorted(frame.columns)]
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["T", "regime", "source"])
    return frame.rename(columns=lambda t: f"t = {t}")


def _signed(effect: Estimate) -> str:
    return f"{effect.mean:+.2f}" if effect.n < 2 else f"{effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]"


def control_table(ours: pd.DataFrame) -> pd.DataFrame:
    """The last fit of every regime at temperature 1: its training set, its cross-entropy, its distance to the first."""
    rows = []
    for regime in regimes.REGIMES:
        table = by_seed(ours, "cross_entropy", regime=regime, variant="")
        if not table.size:
            continue
        last = table.columns[-1]
        size = regimes.training_size(regime, last)
        kept = regime in ("accumulate", "accumulate_subsample")
        share = f"1/{last}" if kept else "none"
        change = estimate(table[last] - table[1])
        rows.append((figures.LABELS[regime], f"{size} n", share, str(estimate(table[last])), _signed(change)))
    columns = ["regime", "training stories", "real among them", "cross-entropy, last fit", "change from the first fit"]
    return pd.DataFrame(rows, columns=columns).set_index("regime")


def learning_curves(axes: np.ndarray, curves: pd.DataFrame) -> None:
    """Training loss (top) and validation loss on real stories (bottom) by stories seen, replace beside accumulate.

    ``axes`` is 2 by 2; ``curves`` holds one seed and one variant.  Darker lines are later iterations.
    """
    for column, regime in enumerate(("replace", "accumulate")):
        chosen = curves[curves["regime"] == regime]
        iterations = sorted(chosen["iteration"].unique())
        for t in iterations:
            fit = chosen[chosen["iteration"] == t]
            checked = fit.dropna(subset=["validation_loss"])
            shade = 0.25 + 0.75 * iterations.index(t) / max(len(iterations) - 1, 1)
            style = {"color": figures.COLOURS[regime], "alpha": shade}
            axes[0, column].plot(fit["items"], fit["training_loss"], **style)
            axes[1, column].plot(checked["items"], checked["validation_loss"], marker="o", markersize=4, **style)
            last = checked.iloc[-1]
            axes[1, column].annotate(f"t = {t}", (last["items"], last["validation_loss"]), xytext=(5, 0),
                                     textcoords="offset points", fontsize=10, va="center")  # fmt: skip
        axes[0, column].set_title(f"{figures.LABELS[regime]}, one seed (darker: later iteration)")
        axes[1, column].set_xlabel("stories seen")
        axes[1, column].margins(x=0.12)
    axes[0, 0].set_ylabel("training loss (nats per token)")
    axes[1, 0].set_ylabel("validation loss, real stories")


def story_table(samples: Path) -> str:
    """The first sampled story of every iteration, a column for each of three chains, as HTML."""
    columns = [("base", "replace"), ("base", "accumulate"), (COLD, "replace")]
    there = [(variant, regime) for variant, regime in columns if (samples / variant / regime).is_dir()]
    heads = [figures.LABELS[regime] + ("" if variant == "base" else ", T = 0.3") for variant, regime in there]
    folders = sorted({path.name for variant, regime in there for path in (samples / variant / regime).iterdir()})
    rows = []
    for folder in folders:
        cells = [_story(samples / variant / regime / folder / "stories.json") for variant, regime in there]
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
    return f'<table class="stories"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def cost_table(folder: Path) -> pd.DataFrame:
    """Median time and memory of the reference chains by variant and regime, from their provenance."""
    records = runs.read_json(folder / "provenance.json")
    rows = [
        {
            "variant": record["variant"] or "as the preset",
            "regime": figures.LABELS[record["regime"]],
            "chains": 1,
            "minutes a chain": record["provenance"]["wall_s"] / 60,
            "peak memory (MB)": record["provenance"]["peak_memory_mb"],
            "threads": record["provenance"]["threads"],
        }
        for record in records
    ]
    grouped = pd.DataFrame(rows).groupby(["variant", "regime"], sort=True)
    frame = grouped.agg({"chains": "sum", "minutes a chain": "median", "peak memory (MB)": "median", "threads": "first"})
    return frame.round({"minutes a chain": 1, "peak memory (MB)": 0}).astype({"peak memory (MB)": int})
