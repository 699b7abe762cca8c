"""What the front page shows of every section: its headline metric by iteration, under replace and under accumulate."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import results, sections
from ..presets import NAMES as PRESETS
from ..statistics import Estimate, by_iteration

REGIMES = ("replace", "accumulate")
LINEAR = {"T": 100, "sigma2": 1.0, "x": "same"}  # the part of the linear grid that the front page shows


@dataclass(frozen=True)
class Panel:
    """One section on one data source."""

    section: str
    title: str
    measure: str  # the headline metric, in words
    about: str  # where the numbers come from: data, preset, how many observations
    curves: dict[str, pd.DataFrame]  # regime -> iteration, mean, low, high, n

    def fit(self, regime: str, place: int) -> Estimate:
        """The first (0) or last (-1) fit of a regime."""
        row = self.curves[regime].iloc[place]
        return Estimate(row["mean"], row["low"], row["high"], int(row["n"]))

    @property
    def fits(self) -> int:
        return int(self.curves["replace"]["iteration"].iloc[-1])

    @property
    def digits(self) -> int:
        """Decimals that show three digits of the first fit."""
        return max(2 - math.floor(math.log10(self.fit("replace", 0).mean)), 0)

    def digest(self) -> str:
        """A checksum of everything that a picture of this panel shows."""
        parts = [self.title, self.measure, *(table.to_csv(index=False) for table in self.curves.values())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def sentence(self) -> str:
        """What the picture shows, in words and numbers."""
        fits = [self.fit("replace", 0), self.fit("replace", -1), self.fit("accumulate", -1)]
        first, replace, accumulate = (f"{fit.mean:.{self.digits}f}" for fit in fits)
        return (
            f"{self.title}: the {self.measure} is {first} at the first fit; at fit {self.fits} it is "
            f"{replace} under replace and {accumulate} under accumulate."
        )


def _linear_grid(path: Path) -> Panel:
    rows = results.read_csv(path)
    rows = rows[(rows["T"].astype(float) == LINEAR["T"]) & (rows["sigma2"].astype(float) == LINEAR["sigma2"])]
    rows = rows[rows["x"] == LINEAR["x"]].rename(columns={"n": "iteration", "repeats": "n"})
    curves = {
        regime: rows[rows["regime"] == regime][["iteration", "mean", "low", "high", "n"]].astype(
            {"iteration": int, "mean": float, "low": float, "high": float, "n": int}
        )
        for regime in REGIMES
    }
    first = rows.iloc[0]
    about = f"{int(float(first['n'])):,} repeats, d = {int(float(first['d']))}, T = {LINEAR['T']}"
    return Panel("linear", sections.module("linear").TITLE, "test error", about, curves)


def _collected(section: str, folder: Path) -> list[Panel]:
    paths = sorted(folder.glob("*/metrics.csv"))
    if not paths:
        return []
    rows = pd.concat(map(results.read_csv, paths), ignore_index=True)
    rows = rows[(rows["variant"] == "") & rows["preset"].isin(PRESETS)]
    rows = rows[rows["preset"] == max(rows["preset"].unique(), key=PRESETS.index, default="")]
    module, panels = sections.module(section), []
    for source in sorted(rows["data"].unique(), key=lambda name: (name == sections.default_source(section), name)):
        part = rows[rows["data"] == source]
        curves = {regime: by_iteration(part, module.HEADLINE, regime=regime) for regime in REGIMES}
        if all(len(curve) for curve in curves.values()):
            seeds = part["seed"].nunique()
            about = f"{source}, preset {part['preset'].iloc[0]}, {seeds} seed{'s' * (seeds > 1)}"
            panels.append(Panel(section, module.TITLE, module.HEADLINE.replace("_", " "), about, curves))
    return panels


def panels(folder: Path) -> list[Panel]:
    """Every section's panels from the folder of committed results, in the order of the sections.

    A section shows its largest preset without any override; real data come before the embedded default.  The linear
    section shows its simulation grid, whose repeats take the place of seeds.
    """
    found = []
    for section in sections.NAMES:
        grids = sorted((folder / section).glob("*/grid.csv")) if section == "linear" else []
        found += [_linear_grid(grids[-1])] if grids else _collected(section, folder / section)
    return found


def draw(panel: Panel, path: Path) -> None:
    """A picture of the panel; the file carries the panel's digest, by which a stale picture is found."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from .. import figures

    figures.style()
    figure, axes = plt.subplots(figsize=(4.6, 3.5))
    for regime, table in panel.curves.items():
        figures.curve(axes, table, regime, markevery=1 if len(table) <= 12 else len(table) // 7)
        axes.annotate(
            figures.LABELS[regime],
            (table["iteration"].iloc[-1], table["mean"].iloc[-1]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="right",
            color=figures.COLOURS[regime],
        )
    axes.set_xlabel("model-fitting iteration")
    axes.set_ylabel(panel.measure)
    axes.set_title(panel.title)
    axes.margins(y=0.14)
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=200, metadata={"Results": panel.digest()})
    plt.close(figure)


def digest_of(path: Path) -> str:
    """The digest of the panel that a picture was drawn from; empty if there is none."""
    from PIL import Image

    if not path.is_file():
        return ""
    with Image.open(path) as image:
        return image.info.get("Results", "")
