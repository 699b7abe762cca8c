"""What the paper reports on a claim, from ``results/reported/*.csv`` in the form of our results."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from . import results
from .claims import Claim, arms, parts
from .rows import variant_fields


def reported_frames(claim: Claim, root: Path | None = None) -> list[pd.DataFrame]:
    """The paper's rows for a claim, one frame for each model, in the form of our own results.

    Every regime starts from the same first fit, so a curve without it gets that of the same source.
    """
    path = results.root(root) / "reported" / f"{claim.page.section}.csv"
    if not claim.reported or not path.is_file():
        return []
    rows = results.read_csv(path)
    rows = rows[rows["where"] == claim.reported["where"]].assign(seed=0)
    rows = rows[rows["iteration"] <= claim.reported.get("until", math.inf)]
    defaults = {"model": "", "temperature": 1.0, "metric": claim.page.metric}
    rows = rows.assign(**{name: value for name, value in defaults.items() if name not in rows})
    # The paper's rows have the temperature, and no other field in which our variants differ.
    of_variants = [
        rows[rows["temperature"] == _temperature(variant)].assign(variant=variant)
        for variant in variants(claim)
    ]
    frames = []
    for model in claim.reported.get("models", [""]):
        own = pd.concat([part[part["model"] == model] for part in of_variants])
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
    """The variants that a claim reads, without the fields of a model."""
    return sorted({variant for _, variant in arms(claim)})


def _temperature(variant: str) -> float:
    return float(variant_fields(variant).get("temperature", 1.0))


def paper_metric(claim: Claim, root: Path | None = None) -> str:
    """The metric in which the paper reports a claim's effect: the claim's own, or ``beside``."""
    reported = {metric for frame in reported_frames(claim, root) for metric in frame["metric"]}
    both = claim.metric, claim.beside
    return next((metric for metric in both if metric in reported), claim.metric)


def paper_effects(claim: Claim, root: Path | None = None) -> list[float]:
    """The effects in the paper's numbers, one for each model: of the part that supports the claim
    least.
    """
    metric, weakest = paper_metric(claim, root), []
    for frame in reported_frames(claim, root):
        values = [
            (part.margin(), part.effects[0]) for part in parts(claim, frame, metric) if part.effects
        ]
        weakest += [min(values)[1]] if values else []
    return weakest


def tags(claim: Claim, root: Path | None = None) -> list[str]:
    """The tags of the paper's numbers: those of the reported rows, else the claim's own."""
    reported = sorted({tag for frame in reported_frames(claim, root) for tag in frame["tag"]})
    return reported or [claim.tag] * bool(claim.tag)
