"""The tables and plots that the molecule notebook shows and no other page needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rdkit import Chem

from .. import regimes
from ..durable import files
from ..evidence.statistics import by_seed, estimate, growth
from ..molecules.drawing import COLOURS, NAMES, aligned, draw, flattest, frame
from . import figures, tables
from .tables import cost_table

__all__ = [
    "change_table",
    "control_table",
    "cost_table",
    "data_table",
    "first_fit_table",
    "reported_axis",
    "sample_sheet",
    "sampler_table",
]

LOSSES = ("local_loss", "global_loss", "total_loss")
LOSS_NAMES = [name.replace("_", " ") for name in LOSSES]
LANGEVIN = "sampler=langevin,sampling_steps=1000"  # the variant that samples as GeoDiff does


def reported_axis(ax: Axes, reported: pd.DataFrame, metric: str) -> None:
    """The authors' values of one loss, in the colours of their regimes, hollow and dashed."""
    figures.reported(ax, reported[reported["metric"] == metric], metric.replace("_", " "))
    ax.set_ylim(bottom=0)


def change_table(ours: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Each loss / that of the first fit, by iteration: ours with intervals, and the authors'."""
    rows: dict[tuple[str, str, str], dict[int, str]] = {}
    for metric in LOSSES:
        name = metric.removesuffix("_loss")
        for regime in regimes.REGIMES:
            table = growth(ours, metric, regime)
            if table.size:
                rows[name, figures.LABELS[regime], "ours"] = tables.change_cells(table)
            curve = reported[(reported["regime"] == regime) & (reported["metric"] == metric)]
            if len(curve):
                source = f"the authors ({curve['tag'].iloc[0]})"
                rows[name, figures.LABELS[regime], source] = tables.reported_cells(curve)
    return tables.change_frame(rows, ["loss", "regime", "source"])


def control_table(ours: pd.DataFrame) -> pd.DataFrame:
    """The last fit of every regime at equal steps: its training set and its local loss."""
    return tables.control_table(ours, "local_loss", "conformations", digits=1)


def first_fit_table(ours: pd.DataFrame) -> pd.DataFrame:
    """How good the samples of the first model are, before any collapse."""
    names = {
        "bond_error": ("bond length, mean absolute error (angstrom)", 3),
        "angle_error": ("bond angle, mean absolute error (degrees)", 1),
        "strain": ("MMFF94 strain, median (kcal/mol a heavy atom)", 1),
        "coverage": ("coverage COV-R at 1.25 angstrom", 2),
        "matching": ("matching MAT-R (angstrom)", 2),
        "broken_share": ("share of broken samples", 3),
    }
    regime = ours["regime"].iloc[0]
    rows = {
        label: estimate(by_seed(ours, metric, regime=regime, variant="")[1]).text(digits)
        for metric, (label, digits) in names.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["samples of the first model"])


def sampler_table(path: Path) -> pd.DataFrame:
    """One model sampled in several ways: speed on one core, and quality."""
    frame = pd.read_csv(path).set_index("sampler")
    columns = {
        "samples_per_second": ("samples a second", 1),
        "bond_error": ("bond error (angstrom)", 3),
        "angle_error": ("angle error (degrees)", 1),
        "strain": ("strain (kcal/mol a heavy atom)", 1),
        "coverage": ("coverage", 2),
        "matching": ("matching (angstrom)", 2),
        "broken_share": ("broken share", 2),
    }
    return pd.DataFrame(
        {
            label: frame[name].map(lambda value, k=k: f"{value:.{k}f}")
            for name, (label, k) in columns.items()
        }
    )


def data_table(folder: Path) -> pd.DataFrame:
    """What the chains were trained and measured on, from their provenance."""
    notes = next(iter(files.read_json(folder / "provenance.json")))["provenance"]["notes"]
    rows = [
        (split, notes[f"{split}_molecules"], notes[f"{split}_conformations"])
        for split in ("train", "validation", "test")
    ]
    return pd.DataFrame(rows, columns=["split", "molecules", "conformations"]).set_index("split")


def _preview(path: Path) -> tuple[Chem.Mol, np.ndarray, np.ndarray]:
    """The first molecule of a preview, with its real and its sampled positions."""
    records = Chem.SDMolSupplier(str(path), removeHs=False)
    real, sampled = records[0], records[1]
    return real, real.GetConformer().GetPositions(), sampled.GetConformer().GetPositions()


def sample_sheet(samples: Path, names: Sequence[str]) -> Figure:
    """A molecule: its real conformation and samples; a row a regime, a column an iteration."""
    files = {regime: figures.previews(samples, regime, "molecules.sdf") for regime in names}
    files = {regime: paths for regime, paths in files.items() if paths}
    iterations = figures.spread(sorted(set().union(*files.values())), 5)
    pictures: dict[str, dict[int, np.ndarray]] = {}
    for regime, paths in files.items():
        previews = {t: _preview(paths[t]) for t in iterations if t in paths}
        molecule, real, _ = previews[max(previews)]
        reference = flattest(real)
        pictures[regime] = {t: aligned(one[2], flattest(one[1])) for t, one in previews.items()}
    every = [reference, *(positions for row in pictures.values() for positions in row.values())]
    half = np.minimum(frame(every), 1.6 * frame([reference]))
    rows, columns = len(files), len(iterations) + 1
    size = 11, 11 / columns * half[1] / half[0] * rows + 0.9
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for row, (regime, drawn) in zip(axes, pictures.items(), strict=True):
        first = regime == next(iter(files))
        draw(row[0], molecule, reference, half, "real" if first else "")
        row[0].text(
            -0.12,
            0.5,
            figures.LABELS[regime].replace(", ", ",\n"),
            rotation=90,
            ha="center",
            va="center",
            fontsize=10,
            transform=row[0].transAxes,
            color=figures.COLOURS[regime],
        )
        for ax, t in zip(row[1:], iterations, strict=True):
            if t in drawn:
                draw(ax, molecule, drawn[t], half, f"t = {t}" if first else "")
            else:
                ax.axis("off")
    keys = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markerfacecolor=COLOURS[number],
            markeredgecolor="#202020",
            label=name,
        )
        for number, name in NAMES.items()
        if number in {atom.GetAtomicNum() for atom in molecule.GetAtoms()}
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=10)
    return figure
