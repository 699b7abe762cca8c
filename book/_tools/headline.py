"""The data of the front page's figure: the headline metric of each section by iteration."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from collapse_utils import sections
from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import (
    Estimate,
    by_iteration,
    by_seed,
    estimate,
    growth,
    seeds_of,
    summary,
)
from collapse_utils.pages.names import DATA

NAMES = {
    "linear": "linear regression",
    "language": "language models",
    "images": "faces",
    "molecules": "molecules",
}
PRESETS = ("smoke", "cpu", "trained", "colab", "paper")  # by size; the largest is shown
REGIMES = ("replace", "accumulate", "accumulate_subsample")
PAPER = {  # which rows of results/reported/<section>.csv are shown beside ours
    "language": {"model": "llama-12m", "temperature": 1.0},
    "images": {},
    "molecules": {"metric": "local_loss"},
}
# (section, data source) -> preset, variant and protocol of the chains that the front page shows,
# where these are not those of the largest preset; until they are collected, it shows the latter
CHOSEN = {
    ("language", "tinystories"): ("trained", "", "trained out"),
    ("images", "celeba_89x109"): ("cpu", "draw=by_seed,protocol=steps", "fixed training steps"),
    ("molecules", "conformers"): (
        "cpu",
        "iterations=4,molecules=50,draw=by_seed,sampler=langevin,sampling_steps=1000,"
        "samples_per_conformer=1",
        "GeoDiff's own sampler",
    ),
}
# the part of the linear grid that the front page shows
LINEAR = {"T": 100, "sigma2": 1.0, "x": "same"}


@dataclass(frozen=True)
class Panel:
    """One section on one data source."""

    section: str
    title: str
    metric: str  # the headline metric
    data: str  # the data source, in words
    about: str  # preset or protocol, and the number of observations
    offline: bool  # the data need no download: a pip dependency ships them, or the seed draws them
    curves: dict[str, pd.DataFrame]  # regime -> iteration, mean, low, high, n
    paper: pd.DataFrame  # regime, iteration, value; empty where the paper gives a formula
    # regime -> iteration, mean, low, high, n of the loss / that of the first fit of the same chain;
    # means over chains are geometric
    ratios: dict[str, pd.DataFrame]
    control: Estimate | None  # the final loss under accumulate at equal size / under accumulate

    @property
    def name(self) -> str:
        """The name of the experiment throughout the book."""
        return NAMES[self.section]

    @property
    def measure(self) -> str:
        return self.metric.replace("cross_", "cross-").replace("_", " ")

    def fit(self, regime: str, index: int) -> Estimate:
        """The metric of the first (0) or last (-1) fit of a regime."""
        row = self.curves[regime].iloc[index]
        return Estimate(row["mean"], row["low"], row["high"], int(row["n"]))

    @property
    def fits(self) -> int:
        return int(self.curves["replace"]["iteration"].iloc[-1])

    @property
    def digits(self) -> int:
        """Decimals that show three digits of the first fit."""
        return max(2 - math.floor(math.log10(self.fit("replace", 0).mean)), 0)

    def growth(self, regime: str) -> Estimate:
        """The final fit of a regime / its first."""
        row = self.ratios[regime].iloc[-1]
        return Estimate(row["mean"], row["low"], row["high"], int(row["n"]))

    def digest(self) -> str:
        """A checksum of everything that a picture of this panel shows."""
        tables = [table.to_csv(index=False) for table in (*self.ratios.values(), self.paper)]
        parts = [self.title, self.name, self.measure, self.data, self.about, *tables]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def sentence(self) -> str:
        """What the picture shows, in words and numbers."""
        fits = [self.fit("replace", 0), self.fit("replace", -1), self.fit("accumulate", -1)]
        first, replace, accumulate = (f"{fit.mean:.{self.digits}f}" for fit in fits)
        return (
            f"{self.title}: the {self.measure} is {first} at the first fit; at fit {self.fits} it "
            f"is {replace} under replace and {accumulate} under accumulate."
        )


def _linear_grid(path: Path) -> Panel:
    rows = results.read_csv(path)
    rows = rows[
        (rows["T"].astype(float) == LINEAR["T"])
        & (rows["sigma2"].astype(float) == LINEAR["sigma2"])
    ]
    rows = rows[rows["x"] == LINEAR["x"]].rename(columns={"n": "iteration", "repeats": "n"})
    curves = {
        regime: rows[rows["regime"] == regime][["iteration", "mean", "low", "high", "n"]].astype(
            {"iteration": int, "mean": float, "low": float, "high": float, "n": int}
        )
        for regime in REGIMES
    }
    first, numbers = rows.iloc[0], ["mean", "low", "high"]
    ratios = {
        regime: curve.assign(**curve[numbers] / curve["mean"].iloc[0])
        for regime, curve in curves.items()
    }
    return Panel(
        section="linear",
        title=sections.module("linear").TITLE,
        metric="test_error",
        data=f"simulated, d = {int(float(first['d']))}, T = {LINEAR['T']}",
        about=f"{int(float(first['n'])):,} repeats",
        offline=True,
        curves=curves,
        paper=NO_ROWS,
        ratios=ratios,
        control=_control_of_means(curves),
    )


def _control_of_means(curves: dict[str, pd.DataFrame]) -> Estimate:
    """The final loss under accumulate at equal size / under accumulate, of unpaired means: the
    interval is from the smallest quotient of the two intervals to the largest.
    """
    ours, other = (curves[name].iloc[-1] for name in ("accumulate_subsample", "accumulate"))
    ends = (ours["mean"] / other["mean"], ours["low"] / other["high"], ours["high"] / other["low"])
    return Estimate(*ends, int(ours["n"]))


def _control(rows: pd.DataFrame, metric: str) -> Estimate | None:
    """The final loss under accumulate at equal size / under accumulate, paired by seed; None if the
    former was not run.
    """
    where = {"variant": rows["variant"].iloc[0]}
    names = ("accumulate_subsample", "accumulate")
    ours, other = (by_seed(rows, metric, regime=name, **where) for name in names)
    if ours.empty:
        return None
    return estimate((ours.iloc[:, -1] / other.iloc[:, -1]).dropna(), log=True)


NO_ROWS = pd.DataFrame({"regime": [], "iteration": [], "value": []})


def _of_the_paper(section: str, folder: Path) -> pd.DataFrame:
    """The paper's values of the headline metric / that of the first fit."""
    path = folder / "reported" / f"{section}.csv"
    if not path.is_file():
        return NO_ROWS
    rows = results.read_csv(path)
    for column, value in PAPER[section].items():
        rows = rows[rows[column] == value]
    first = rows[rows["iteration"] == 1].groupby("regime")["value"].first()
    scaled = rows.assign(value=rows["value"] / rows["regime"].map(first))
    return scaled[["regime", "iteration", "value"]].reset_index(drop=True)


def _candidates(section: str, folder: Path) -> dict[str, list[tuple[int, str, pd.DataFrame]]]:
    """Data source -> the chains that the front page may show of it: rank, protocol, rows."""
    candidates: dict[str, list[tuple[int, str, pd.DataFrame]]] = {}
    for path in sorted((folder / section).glob("*/metrics.csv")):
        rows = results.read_csv(path)
        if rows.empty:
            continue
        source, own = rows["data"].iloc[0], rows["preset"].iloc[0]
        preset, variant, protocol = CHOSEN.get((section, source), ("", "", ""))
        of_source = candidates.setdefault(source, [])
        if own == preset:
            of_source.append((len(PRESETS), protocol, rows[rows["variant"] == variant]))
        if own in PRESETS:
            base = rows[rows["variant"] == ""]
            of_source.append((PRESETS.index(own), f"preset {own}", base))
    return candidates


def _collected(section: str, folder: Path) -> list[Panel]:
    """A section's panels: downloaded data at the largest preset, then the built-in data."""
    module, default = sections.module(section), sections.default_source(section)
    ranked: list[tuple[int, Panel]] = []
    for source, candidates in sorted(_candidates(section, folder).items()):
        for rank, protocol, rows in sorted(candidates, key=lambda each: -each[0]):
            curves = {
                regime: by_iteration(rows, module.HEADLINE, regime=regime) for regime in REGIMES
            }
            curves = {regime: curve for regime, curve in curves.items() if len(curve)}
            if not {"replace", "accumulate"} <= set(curves):
                continue  # still running: show the next smaller preset
            variant = rows["variant"].iloc[0]
            panel = Panel(
                section=section,
                title=module.TITLE,
                metric=module.HEADLINE,
                data=DATA.get(source, source),
                about=f"{protocol}, {seeds_of(rows[rows['regime'].isin(REGIMES)])}",
                offline=source == default,
                curves=curves,
                paper=_of_the_paper(section, folder),
                ratios={
                    regime: summary(growth(rows, module.HEADLINE, regime, variant), log=True)
                    for regime in curves
                },
                control=_control(rows, module.HEADLINE),
            )
            ranked.append((rank, panel))
            break
    built_in = [panel for _, panel in ranked if panel.offline]
    downloaded = [(rank, panel) for rank, panel in ranked if not panel.offline]
    best = max(downloaded, key=lambda pair: pair[0], default=None)
    return [best[1], *built_in] if best else built_in


def panels(folder: Path) -> list[Panel]:
    """The panels of every section, from the folder of committed results.

    A section shows the chains of ``CHOSEN``, else its largest preset without a variant.  Data that
    must be downloaded, which are the paper's or similar, come before the built-in data.  The linear
    section shows its simulation grid, with repeats in place of seeds.
    """
    shown = []
    for section in sections.NAMES:
        grids = sorted((folder / section).glob("*/grid.csv")) if section == "linear" else []
        shown += [_linear_grid(grids[-1])] if grids else _collected(section, folder)
    return shown


def first_of_each(panels: list[Panel]) -> list[Panel]:
    """The first panel of every section, which the figure shows."""
    first: dict[str, Panel] = {}
    for panel in panels:
        first.setdefault(panel.section, panel)
    return list(first.values())
