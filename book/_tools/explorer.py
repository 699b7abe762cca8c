"""The data of the book's results explorer: every experiment, data source and metric.

Of the presets that differ in size only the largest is shown, and no smoke run.  All statistics are
computed here; the script only draws them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from collapse_utils import sections
from collapse_utils.durable.files import read_json
from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import by_iteration, by_seed, growth, summary
from collapse_utils.pages.names import DATA
from collapse_utils.presets import NAMES as PRESETS
from collapse_utils.regimes import REGIMES

from .headline import NAMES

Json = dict[str, Any]

EXPERIMENTS = {**NAMES, "own_model": "your own model"}  # folder in results/ -> title
METRICS = {  # titles with units; a metric that is not listed shows its name
    "test_error": "test error above the noise",
    "cross_entropy": "cross-entropy (nats per token)",
    "cross_entropy_best_temperature": "cross-entropy at the best temperature (nats per token)",
    "cross_entropy_sampling_temperature": "cross-entropy at sampling temperature (nats per token)",
    "best_temperature": "temperature of the best prediction",
    "reference_cross_entropy": "cross-entropy of samples, reference model (nats per token)",
    "bits_per_character": "cross-entropy (bits per character)",
    "nats_per_story": "cross-entropy (nats per story)",
    "trained_tokens": "tokens of training",
    "distinct_2": "distinct pairs of tokens (share)",
    "vocabulary_share": "real vocabulary in use (share)",
    "mean_length": "mean length of a story (tokens)",
    "share_ended": "stories with an end (share)",
    "test_loss": "test loss (squared error + KL)",
    "reconstruction_error": "reconstruction error (squared error)",
    "kl": "KL divergence (nats)",
    "frechet_distance": "Fréchet distance",
    "sample_variance_ratio": "variance ratio, samples to real images",
    "precision": "precision (share)",
    "recall": "recall (share)",
    "modes": "clusters that samples reach",
    "local_loss": "local loss (per atom)",
    "global_loss": "global loss (per atom)",
    "total_loss": "total loss (per atom)",
    "bond_error": "error of bond lengths (Å)",
    "angle_error": "error of bond angles (degrees)",
    "strain": "strain (kcal/mol per heavy atom)",
    "coverage": "coverage COV-R (share)",
    "matching": "matching MAT-R (Å)",
    "broken_share": "broken samples (share)",
    "negative_log_likelihood": "negative log-likelihood",
}
ARCHITECTURES = {"llama": "Llama", "gpt2": "GPT-2"}
SIMULATED = {"own": "ORL faces, kernel density", "gaussian": "simulated"}
GRID = {"sigma2": 1.0, "x": "same"}  # the part of the linear grid that is shown, for every T
REAL = "_real"  # the suffix of a metric of real data


def shown_folders(folder: Path, section: str) -> list[Path]:
    """The folders of results of a section that the pages show, the built-in data source last.

    For each data source these are the largest of the presets that differ in size, and every preset
    of another kind, but no smoke run.  A folder counts only if it has chains of replace and of
    accumulate, since a preset that is still running may lack one.
    """
    best: dict[tuple[str, str], Path] = {}
    for path in sorted((folder / section).glob("*/metrics.csv")):
        preset, _, source = path.parent.name.partition("-")
        regimes = set() if preset == "smoke" else set(results.read_csv(path)["regime"])
        if not {"replace", "accumulate"} <= regimes:
            continue
        kind = (source, "") if preset in PRESETS else (source, preset)
        if kind not in best or PRESETS.index(preset) > PRESETS.index(preset_of(best[kind])):
            best[kind] = path.parent
    built_in = sections.default_source(section) if section in sections.NAMES else ""
    return [best[kind] for kind in sorted(best, key=lambda kind: (kind[0] == built_in, kind))]


def preset_of(folder: Path) -> str:
    """The preset of a folder of results, which is named after preset and data source."""
    return folder.name.partition("-")[0]


def describe(folder: Path) -> Json:
    """The title of a folder of results, and a line on where its numbers come from."""
    preset, _, source = folder.name.partition("-")
    title = (SIMULATED | DATA).get(source, source)
    if preset not in (*PRESETS, source):
        title += f", preset {preset}"
    name = f"{folder.parent.name}/{folder.name}"
    return {"title": title, "folder": name, "about": f"Preset {preset}, from results/{name}"}


def setting(record: Json) -> str:
    """A variant in words, from the provenance record of one of its chains."""
    section, config = record["section"], record["config"]
    fields = [field for field in record["variant"].split(",") if field]
    words: list[str] = []
    if section == "language":
        words = [
            ARCHITECTURES.get(config["architecture"], config["architecture"]),
            f"τ = {config['temperature']:g}",
        ]
        shown = ("architecture=", "temperature=")
        fields = [field for field in fields if not field.startswith(shown)]
    elif section == "images" and "protocol" in config:
        counted = "optimisation steps" if config["protocol"] == "steps" else "epochs"
        words = [f"equal number of {counted}"]
        fields = [field for field in fields if not field.startswith("protocol=")]
    for field in fields:
        name, _, value = field.partition("=")
        words.append(f"{value} fits" if name == "iterations" else f"{name} = {value}")
    return ", ".join(words) or "as in the chapter"


def settings(folder: Path) -> dict[str, Json]:
    """Variant -> the provenance record of one of its chains; the preset itself comes first."""
    records = {record["variant"]: record for record in read_json(folder / "provenance.json")}
    return dict(sorted(records.items()))


def number(value: float) -> float | None:
    """Five digits, or null: JSON has no infinity."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _rows(table: pd.DataFrame) -> list[list[float | None]]:
    """[t, mean, low, high] of every fit."""
    rows = table[["iteration", "mean", "low", "high"]].itertuples(index=False)
    return [[int(t), number(mean), number(low), number(high)] for t, mean, low, high in rows]


def _curves(frame: pd.DataFrame, metric: str, variant: str, reported: list[Json]) -> Json:
    """One metric of one variant: absolute, relative to the first fit, and the paper's values."""
    tables = {r: by_iteration(frame, metric, regime=r, variant=variant) for r in REGIMES}
    tables = {regime: table for regime, table in tables.items() if len(table)}
    shown: Json = {
        "absolute": {regime: _rows(table) for regime, table in tables.items()},
        "seeds": {regime: int(table["n"].iloc[0]) for regime, table in tables.items()},
    }
    first = [by_seed(frame, metric, regime=regime, variant=variant).iloc[:, 0] for regime in tables]
    if all((values > 0).all() for values in first):
        shown["relative"] = {
            regime: _rows(summary(growth(frame, metric, regime, variant))) for regime in tables
        }
    real = frame[(frame["metric"] == metric + REAL) & (frame["variant"] == variant)]["value"]
    if len(real):
        shown["real"] = number(real.mean())
    if reported:
        shown["paper"] = reported
    return shown


def _reported(folder: Path, section: str, metric: str, record: Json) -> list[Json]:
    """The paper's values / that of its first fit, one entry for each regime.

    Of the paper's language models these are the smallest of each architecture.
    """
    path, headline = folder / "reported" / f"{section}.csv", sections.module(section).HEADLINE
    if not path.is_file() or (section != "molecules" and metric != headline):
        return []
    rows, name = pd.read_csv(path), "the paper"
    if section == "language":
        model = {"llama": "llama-12m", "gpt2": "gpt2-9m"}.get(record["config"]["architecture"])
        temperature = record["config"]["temperature"]
        rows = rows[(rows["model"] == model) & (rows["temperature"] == temperature)]
        name += f" ({model})"
    elif record["variant"]:
        return []
    if "metric" in rows:
        rows = rows[rows["metric"] == metric]
    curves = []
    for regime, table in rows.groupby("regime"):
        table = table.sort_values("iteration")
        if regime in REGIMES and table["iteration"].iloc[0] == 1 and len(table) > 1:
            ratios = table["value"] / table["value"].iloc[0]
            points = [[int(t), number(y)] for t, y in zip(table["iteration"], ratios, strict=True)]
            title = f"{name}, {regime.replace('_', ' ')}"
            curves.append({"title": title, "regime": regime, "points": points})
    return curves


def _collected(folder: Path, path: Path) -> Json:
    """Every setting and metric of one folder of results."""
    section, frame = path.parent.name, results.read_csv(path / "metrics.csv")
    names = [name for name in dict.fromkeys(frame["metric"]) if not name.endswith(REAL)]
    known = section in sections.NAMES
    if known:  # the headline metric comes first
        names.sort(key=lambda name: name != sections.module(section).HEADLINE)
    shown = []
    for variant, record in settings(path).items():
        curves = {}
        for metric in names:
            reported = _reported(folder, section, metric, record) if known else []
            curve = _curves(frame, metric, variant, reported)
            if curve["absolute"]:
                curves[metric] = curve
        if curves:
            shown.append({"title": setting(record), "curves": curves})
    return {**describe(path), "unit": "seeds", "settings": shown}


def _grid(path: Path) -> Json:
    """The simulation grid of linear regression, whose repeats are shown in place of seeds."""
    frame = results.read_csv(path)
    frame = frame[(frame["sigma2"] == GRID["sigma2"]) & (frame["x"] == GRID["x"])]
    frame = frame.rename(columns={"n": "iteration"})
    shown = []
    for T, rows in frame.groupby("T"):
        by_regime = {regime: rows[rows["regime"] == regime] for regime in REGIMES}
        by_regime = {regime: table for regime, table in by_regime.items() if len(table)}
        base = by_regime["replace"]["theory"].iloc[0]  # of the first fit, exact
        numbers = ["mean", "low", "high"]
        scaled = {r: table.assign(**table[numbers] / base) for r, table in by_regime.items()}
        curves = {
            "absolute": {regime: _rows(table) for regime, table in by_regime.items()},
            "relative": {regime: _rows(table) for regime, table in scaled.items()},
            "seeds": {regime: int(table["repeats"].iloc[0]) for regime, table in by_regime.items()},
        }
        title = f"T = {T}, d = {rows['d'].iloc[0]}, σ² = 1"
        shown.append({"title": title, "curves": {"test_error": curves}})
    folder = f"{path.parent.parent.name}/{path.parent.name}"
    about = f"Mean over repeated simulations, from results/{folder}"
    return {"title": "simulated", "about": about, "unit": "repeats", "settings": shown}


def explorer(folder: Path) -> Json:
    """Every experiment, data source, setting and metric, with means and intervals by fit."""
    experiments = []
    for section, title in EXPERIMENTS.items():
        grids = sorted(folder.glob(f"{section}/*/grid.csv"))
        paths = [] if grids else shown_folders(folder, section)
        data = [_grid(path) for path in grids[-1:]] + [_collected(folder, path) for path in paths]
        if data:
            headline = next(iter(data[0]["settings"][0]["curves"]))
            experiments.append({"title": title, "headline": headline, "data": data})
    return {"experiments": experiments, "metrics": METRICS}
