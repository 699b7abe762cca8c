"""The tables and plots that the image notebook shows and no other page needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import regimes
from ..durable import files
from ..evidence import statistics
from ..evidence.statistics import by_iteration
from . import figures, tables
from .tables import cost_table

__all__ = [
    "change_table",
    "control_table",
    "cost_table",
    "data_table",
    "diversity_axis",
    "long_axis",
    "reconstructions",
    "reported_axis",
    "sample_sheet",
]

EPOCHS = ""  # the variant of a preset itself: training grows with the data
LONG = "iterations=50,protocol=steps"  # long chains at the preset smoke
STEPS = "protocol=steps"  # the variant in which every fit has as many steps as the first


def growth(frame: pd.DataFrame, regime: str, variant: str = EPOCHS) -> pd.DataFrame:
    """Test loss over that of the first fit: a row a seed, a column an iteration."""
    return statistics.growth(frame, "test_loss", regime, variant)


def reported_axis(ax: Axes, reported: pd.DataFrame) -> None:
    """The paper's digitised curves, in the colours of their regimes but grey-edged and dashed."""
    figures.reported(ax, reported, "test loss")


def change_table(ours: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Test loss / that of the first fit, by iteration: ours with intervals, and the paper's."""
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for regime in regimes.REGIMES:
        own = {"ours": growth(ours, regime), "ours, fixed steps": growth(ours, regime, STEPS)}
        # a training set of n images: one and the same
        if own["ours"].equals(own["ours, fixed steps"]):
            del own["ours, fixed steps"]
        for label, table in own.items():
            if table.size:
                rows[figures.LABELS[regime], label] = tables.change_cells(table)
        curve = reported[reported["regime"] == regime]
        if len(curve):
            rows[figures.LABELS[regime], f"the paper ({curve['tag'].iloc[0]})"] = (
                tables.reported_cells(curve)
            )
    return tables.change_frame(rows, ["regime", "source"])


def long_axis(ax: Axes, frame: pd.DataFrame) -> None:
    """The chains of 50 fits, with the least-squares curves a + b H_t and a + b t."""
    ours = frame[frame["variant"] == LONG]
    figures.regimes(ax, ours, "test_loss", ["replace", "accumulate", "accumulate_subsample"])
    mean = by_iteration(ours, "test_loss", regime="accumulate")
    t = mean["iteration"].to_numpy(float)
    for shape, style, label in ((np.cumsum(1 / t), "-", "a + b H_t"), (t, ":", "a + b t")):
        slope, start = np.polyfit(shape, mean["mean"], 1)
        ax.plot(
            t,
            start + slope * shape,
            style,
            color="black",
            linewidth=1,
            label=f"accumulate, ${label}$",
        )


def control_table(ours: pd.DataFrame) -> pd.DataFrame:
    """The last fit of every regime at equal epochs: training set, test loss and change."""
    return tables.control_table(ours, "test_loss", "images", digits=4, change_digits=4)


def diversity_axis(
    ax: Axes, frame: pd.DataFrame, metric: str, names: Sequence[str], label: str
) -> None:
    """One diversity metric by iteration and regime, with that of real images as a line."""
    figures.regimes(ax, frame, metric, names, label=label)
    real = by_iteration(frame, f"{metric}_real", regime=names[0])
    if len(real):
        ax.axhline(
            real["mean"].iloc[0],
            color=figures.REPORTED,
            linestyle=":",
            label="real training images",
        )


def sample_sheet(samples: Path, names: Sequence[str]) -> Figure:
    """Sixteen samples in each cell: a column a regime, a row one of at most six iterations."""
    columns = {
        regime: pictures
        for regime in names
        if (pictures := figures.previews(samples, regime, "samples.png"))
    }
    iterations = figures.spread(sorted(set().union(*columns.values())), 6)
    figure, axes = plt.subplots(
        len(iterations),
        len(columns),
        figsize=(3.3 * len(columns), 0.95 * len(iterations)),
        squeeze=False,
    )
    for column, (regime, pictures) in zip(axes.T, columns.items(), strict=True):
        column[0].set_title(figures.LABELS[regime], fontsize=11, color=figures.COLOURS[regime])
        for ax, t in zip(column, iterations, strict=True):
            _show(ax, pictures.get(t))
    for ax, t in zip(axes[:, 0], iterations, strict=True):
        ax.set_ylabel(f"t = {t}", rotation=0, ha="right", va="center", fontsize=11)
    return figure


def reconstructions(samples: Path, regime: str, chosen: Sequence[int]) -> Figure | None:
    """Held-out images above their reconstructions; None if the source may not be shown."""
    pictures = figures.previews(samples, regime, "reconstructions.png")
    shown = [t for t in chosen if t in pictures]
    if not shown:
        return None
    figure, axes = plt.subplots(len(shown), 1, figsize=(8, 2.2 * len(shown)), squeeze=False)
    for ax, t in zip(axes[:, 0], shown, strict=True):
        _show(ax, pictures[t])
        ax.set_ylabel(f"t = {t}", rotation=0, ha="right", va="center")
    return figure


def _show(ax: Axes, path: Path | None) -> None:
    if path is not None:
        ax.imshow(plt.imread(path), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def data_table(folder: Path) -> pd.DataFrame:
    """What the reference chains were trained on, by their provenance."""
    record = files.read_json(folder / "provenance.json")[0]
    notes, config = record["provenance"]["notes"], record["config"]
    people = notes["people"]
    rows = {
        "source": record["data"]["source"],
        "images found": notes["found"],
        "exact duplicates": notes["duplicates"],
        "damaged files left out": notes["damaged"],
        "photographs": notes["original"],
        "training images (n)": record["data"]["train_items"],
        "test images": record["data"]["test_items"],
        "people": people
        if isinstance(people, str)
        else f"{people['train']} for training, {people['test']} for testing",
        "trained at": f"{config['size']} x {config['size']} pixels",
        "variance that the features hold": f"{notes['explained_variance_of_features']:.0%}",
    }
    return pd.Series(rows, name="value").to_frame()
