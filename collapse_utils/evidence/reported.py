"""What the paper reports on a claim, in the form of our own results: ``results/reported/*.csv``."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from . import results
from .claims import Claim, arms, parts


def reported_frames(claim: Claim, root: Path | None = None) -> list[pd.DataFrame]:
    """The paper's rows that a claim is about, one frame a model, in the form of our own results.

    Every regime starts from the same first fit, so a curve that lacks it takes it from the same
    source.
    """
    path = results.root(root) / "reported" / f"{claim.page.section}.csv"
    if not claim.reported or not path.is_file():
        return []
    rows = results.read_csv(path)
    rows = rows[rows["where"] == claim.reported["where"]].assign(seed=0)
    rows = rows[rows["iteration"] <= claim.reported.get("until", math.inf)]
    defaults = {"model": "", "temperature": 1.0, "metric": claim.page.metric}
    rows = rows.assign(**{name: value for name, value in defaults.items() if name not in rows})
    # The paper's rows know the temperature, and no other field by which our variants differ.
    named = [
        rows[rows["temperature"] == _temperature(variant)].assign(variant=variant)
        for variant in variants(claim)
    ]
    frames = []
    for model in claim.reported.get("models", [""]):
        own = pd.concat([part[part["model"] == model] for part in named])
        first = rows[(rows["model"] == model) & (rows["iteration"] == 1)].drop_duplicates("metric")
        lacking = [
            key
            for key, curve in own.groupby(["regime", "variant"])
            if 1 not in set(curve["iteration"])
        ]
        added = [first.assign(regime=regime, variant=variant) for regime, variant in lacking]
        frames.append(pd.concat([own, *added], ignore_index=True))
    return frames


def variants(claim: Claim) -> list[str]:
    """The variants that a claim reads, of one model."""
    return sorted({variant for _, variant in arms(claim)})


def _temperature(variant: str) -> float:
    fields = dict(part.split("=") for part in variant.split(",") if part)
    return float(fields.get("temperature", 1.0))


def paper_metric(claim: Claim, root: Path | None = None) -> str:
    """The metric in which the paper reports a claim's effect: the claim's own, or ``beside``."""
    reported = {metric for frame in reported_frames(claim, root) for metric in frame["metric"]}
    own = claim.metric or claim.page.metric
    return next((metric for metric in (own, claim.beside) if metric in reported), own)


def paper_effects(claim: Claim, root: Path | None = None) -> list[float]:
    """The effect in the paper's numbers, one a model: of the part that supports the claim least."""
    metric, least = paper_metric(claim, root), []
    for frame in reported_frames(claim, root):
        values = [
            (part.margin(), part.effects[0]) for part in parts(claim, frame, metric) if part.effects
        ]
        least += [min(values)[1]] if values else []
    return least


def tags(claim: Claim, root: Path | None = None) -> list[str]:
    """The tags of the paper's numbers: those of the reported rows, else the claim's own."""
    reported = sorted({tag for frame in reported_frames(claim, root) for tag in frame["tag"]})
    return reported or [claim.tag] * bool(claim.tag)
