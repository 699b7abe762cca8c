"""The tables and plots of the image notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import regimes
from ..durable import files
from ..evidence import statistics
from ..evidence.statistics import by_iteration, by_seed
from ..images.config import PRESETS, ImagesConfig
from . import figures, tables
from .notebook import Opened
from .tables import cost_table as cost_table

EPOCHS = ""  # the preset itself: training grows with the data
STEPS = "protocol=steps"  # every fit has as many steps as the first
OWN_FACES = "draw=by_seed,protocol=steps"  # also, each seed has its own photographs


def steps_variant(frame: pd.DataFrame) -> str:
    """The variant of ``frame`` with a fixed number of steps, with own photographs for each seed if
    that was run.
    """
    return OWN_FACES if (frame["variant"] == OWN_FACES).any() else STEPS


def growth(frame: pd.DataFrame, regime: str, variant: str = EPOCHS) -> pd.DataFrame:
    """Test loss / that of the first fit: a row for each seed, a column for each iteration."""
    return statistics.growth(frame, "test_loss", regime, variant)


def losses(
    row: Sequence[Axes], frame: pd.DataFrame, reported: pd.DataFrame, names: Sequence[str]
) -> None:
    """Test loss / that of the first fit: training that grows with the data, a fixed number of
    steps, and the paper.
    """
    figures.growth(row[0], frame, "test_loss", names)
    figures.growth(row[1], frame, "test_loss", names, steps_variant(frame))
    figures.reported_growth(row[2], reported)
    titles = ("training grows with the data", "the same steps for every fit", "the paper")
    for ax, title in zip(row, titles, strict=True):
        ax.set_title(title, fontsize=11)
    row[0].set_ylabel("test loss / first fit")


def numbers(frame: pd.DataFrame, reported: pd.DataFrame) -> dict[str, str]:
    """The numbers in the page's sentences: final test loss and variety, with intervals."""

    def last(regime: str, variant: str = EPOCHS) -> str:
        return statistics.final_growth(frame, "test_loss", regime, variant).text(2)

    def mean(metric: str, fit: int, regime: str, variant: str = EPOCHS) -> float:
        table = by_seed(frame, metric, regime=regime, variant=variant)
        return float(table[table.columns[fit]].mean())

    steps = steps_variant(frame)
    variants = dict.fromkeys((name for name in regimes.REGIMES if growth(frame, name).size), EPOCHS)
    # With n images at every fit both protocols are the same.  Prefer own photographs for each seed.
    for name in variants:
        if regimes.training_size(name, 2) == 1 and growth(frame, name, steps).size:
            variants[name] = steps
    accumulate = reported[reported["regime"] == "accumulate"].set_index("iteration")["value"]
    return {
        **{name: last(name, variant) for name, variant in variants.items()},
        "steps": last("accumulate", steps),
        "paper_dip": f"{accumulate.min() / accumulate[1]:.2f}",
        "paper_end": f"{accumulate.iloc[-1] / accumulate[1]:.2f}",
        "variance_first": f"{mean('sample_variance_ratio', 0, 'replace'):.2f}",
        "variance_replace": f"{mean('sample_variance_ratio', -1, 'replace'):.3f}",
        "variance_accumulate": f"{mean('sample_variance_ratio', -1, 'accumulate'):.2f}",
        "modes_first": f"{mean('modes', 0, 'replace'):.0f}",
        "modes_replace": f"{mean('modes', -1, 'replace'):.0f}",
        "modes_accumulate": f"{mean('modes', -1, 'accumulate'):.0f}",
        "variance_steps": f"{mean('sample_variance_ratio', -1, 'accumulate', steps):.2f}",
        "modes_steps": f"{mean('modes', -1, 'accumulate', steps):.0f}",
    }


def parameters(config: ImagesConfig) -> int:
    """Number of parameters of the model, for images in colour."""
    from ..images.model import build

    model = build(config, channels=3, seed=0)
    return sum(part.numel() for part in model.parameters())


def glance(opened: Opened) -> pd.DataFrame:
    """This book's experiment and the paper's, side by side."""
    folder, ours, paper = opened.folder(), PRESETS["cpu"], PRESETS["paper"]
    data = files.read_json(folder / "provenance.json")[0]["data"]
    items = data["train_items"]
    variants = [EPOCHS, steps_variant(opened.reference)]
    shown = opened.reference[opened.reference["variant"].isin(variants)]
    steps = ours.epochs * (items // ours.batch_size)
    rows = {
        "model": ("VanillaVAE, narrow", "VAE; VanillaVAE (RECALLED)"),
        "parameters": (f"{parameters(ours):,}", f"{parameters(paper):,} (RECALLED)"),
        "pixels": (f"{ours.size} × {ours.size}", f"{paper.size} × {paper.size} (RECALLED)"),
        "training faces n": (f"{items:,} of CelebA", "CelebA; number not found"),
        "test faces": (f"{data['test_items']:,}", "not found"),
        "passes over the data": (f"{ours.epochs}", f"{paper.epochs} (RECALLED)"),
        "steps of the first fit": (f"{steps:,}", "not found"),
        "fits": (f"{ours.iterations}", "10 (DIGITISED)"),
        "seeds": (statistics.seeds_of(shown), "not found"),
        "one chain, one core": (tables.times(folder), "not found"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["this book", "the paper"])


def change_table(ours: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Test loss / that of the first fit, by iteration: ours with intervals, and the paper's."""
    rows: dict[tuple[str, str], dict[int, str]] = {}
    steps = steps_variant(ours)
    for regime in regimes.REGIMES:
        own = {"ours": growth(ours, regime), "ours, fixed steps": growth(ours, regime, steps)}
        # the same chains where a training set has n images
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


def control_table(ours: pd.DataFrame) -> pd.DataFrame:
    """The final fit of every regime at equal epochs: training set, test loss and change."""
    return tables.control_table(ours, "test_loss", "images", digits=4, change_digits=4)


def diversity_axis(
    ax: Axes, frame: pd.DataFrame, metric: str, names: Sequence[str], label: str
) -> None:
    """One diversity metric by iteration and regime, with that of real images as a line."""
    figures.regimes(ax, frame, metric, names, label=label)
    real = by_iteration(frame, f"{metric}_real", regime=names[0])
    if len(real):
        style = {"color": figures.REPORTED, "linestyle": ":", "label": "real training images"}
        ax.axhline(real["mean"].iloc[0], **style)


def reconstructions(samples: Path, regime: str, chosen: Sequence[int]) -> Figure | None:
    """Held-out images above their reconstructions; None if the source may not be shown."""
    pictures = figures.previews(samples, regime, "reconstructions.png")
    arrays = {t: plt.imread(pictures[t]) for t in chosen if t in pictures}
    if not arrays:
        return None
    height = sum(8 * array.shape[0] / array.shape[1] + 0.1 for array in arrays.values())
    # a black background and labels on the photographs, which dark mode does not invert
    paper = {"figsize": (8, height), "facecolor": "k", "layout": "none"}
    figure, axes = plt.subplots(len(arrays), 1, squeeze=False, **paper)
    figure.subplots_adjust(0, 0, 1, 1, hspace=0.05)
    for ax, (t, array) in zip(axes[:, 0], arrays.items(), strict=True):
        ax.imshow(array, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        ax.set_axis_off()
        label = {"color": "w", "backgroundcolor": "k", "va": "top", "fontsize": 11}
        ax.text(0.005, 0.97, f"t = {t}", transform=ax.transAxes, **label)
    return figure


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
