"""The tables and plots of the molecule notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from .. import regimes
from ..durable import files
from ..evidence.statistics import by_seed, estimate, final_growth, growth, seeds_of
from ..molecules.config import PRESETS, MoleculesConfig
from . import figures, tables
from .names import DATA
from .notebook import Opened
from .tables import cost_table as cost_table

REGIMES = ("replace", "accumulate")
LOSSES = ("local_loss", "global_loss", "total_loss")
LOSS_NAMES = [name.replace("_", " ") for name in LOSSES]


def losses(
    row: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str], variant: str = ""
) -> None:
    """The three losses / those of the first fit."""
    for ax, metric, name in zip(row, LOSSES, LOSS_NAMES, strict=True):
        figures.growth(ax, frame, metric, names, variant)
        ax.set_title(name, fontsize=11)


def reported_losses(row: Sequence[Axes], reported: pd.DataFrame) -> None:
    """The three losses of the authors / those of their first fit."""
    for ax, metric in zip(row, LOSSES, strict=True):
        figures.reported_growth(ax, reported[reported["metric"] == metric])


def numbers(frame: pd.DataFrame, reported: pd.DataFrame) -> dict[str, str]:
    """The numbers in the page's sentences: final losses and samples, with intervals."""

    def broken(regime: str) -> float:
        table = by_seed(frame, "broken_share", regime=regime, variant="")
        return float(table[table.columns[-1]].mean())

    names = [name for name in regimes.REGIMES if growth(frame, "local_loss", name).size]
    total = reported[reported["metric"] == "total_loss"].pivot(
        index="iteration", columns="regime", values="value"
    )
    return {
        **{name: _final(frame, "local_loss", name) for name in names},
        "total_replace": _final(frame, "total_loss", "replace"),
        "total_accumulate": _final(frame, "total_loss", "accumulate"),
        "strain_accumulate": _final(frame, "strain", "accumulate"),
        "broken_replace": f"{broken('replace'):.0%}",
        "broken_accumulate": f"{broken('accumulate'):.0%}",
        "authors_accumulate": f"{total['accumulate'].iloc[-1] / total['accumulate'].iloc[0]:.1f}",
        "authors_replace": f"{total['replace'].iloc[-1] / total['replace'].iloc[0]:.1f}",
    }


def own_sampler(frame: pd.DataFrame) -> str:
    """A sentence on the chains with GeoDiff's own sampler; empty where there are none."""
    variants = [name for name in frame["variant"].unique() if "sampler=langevin" in name]
    if not variants:
        return ""
    fit = int(frame[frame["variant"] == variants[0]]["iteration"].max())
    replace, accumulate = (_final(frame, "local_loss", name, variants[0]) for name in REGIMES)
    fast = {name: growth(frame, "local_loss", name)[fit] for name in REGIMES}
    fast_replace, fast_accumulate = (estimate(fast[name], log=True).mean for name in REGIMES)
    return (
        f"- These chains use a fast sampler. With GeoDiff's own, fit {fit} is at {replace} times "
        f"the first under replace and at {accumulate} under accumulate; with the fast one it is at "
        f"{fast_replace:.2f} and {fast_accumulate:.2f}."
    )


def parameters(config: MoleculesConfig) -> int:
    """Number of parameters of the model, without the tables of a preconditioned one, which has some
    for each kind of atom and distance.
    """
    from ..molecules.model import GeoDiff

    return sum(part.numel() for part in GeoDiff(config, 0, 0).parameters())


def glance(opened: Opened) -> pd.DataFrame:
    """This book's experiment and the authors', side by side."""
    folder, ours, paper = opened.folder(), PRESETS["cpu"], PRESETS["paper"]
    record = files.read_json(folder / "provenance.json")[0]
    notes = record["provenance"]["notes"]
    shown = opened.reference[opened.reference["variant"] == ""]
    rows = {
        "model": ("GeoDiff, preconditioned", "GeoDiff (READ)"),
        "parameters": (f"{parameters(ours):,} and tables", f"{parameters(paper):,} (DERIVED)"),
        "training conformations n": (f"{notes['train_conformations']:,}", "40,000 (READ)"),
        "training molecules": (f"{notes['train_molecules']:,}", "not found"),
        "measured on": (
            f"{notes['test_conformations']} test conformations",
            "5,000 of validation (READ)",
        ),
        "steps of every fit": (f"{ours.steps:,}", f"{paper.steps:,} (READ)"),
        "conformations a step": (f"{ours.batch_size}", f"{paper.batch_size} (READ)"),
        "sampler": (
            f"deterministic, {ours.sampling_steps} steps",
            "Langevin, 1000 or 5000 steps (READ)",
        ),
        "fits": (f"{ours.iterations}", f"6 in v1, {paper.iterations} in v2 (READ)"),
        "seeds": (seeds_of(shown), "1 (READ)"),
        "one chain, one core": (tables.times(folder), "not found"),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["this book", "the authors"])


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
    """The final fit of every regime at equal steps: its training set and its local loss."""
    return tables.control_table(ours, "local_loss", "conformations", digits=1)


def first_fit_table(ours: pd.DataFrame) -> pd.DataFrame:
    """The quality of the first model's samples, before any collapse."""
    names = {
        "bond_error": ("bond length, mean absolute error (Å)", 3),
        "angle_error": ("bond angle, mean absolute error (degrees)", 1),
        "strain": ("MMFF94 strain, median (kcal/mol a heavy atom)", 1),
        "coverage": ("coverage COV-R at 1.25 Å", 2),
        "matching": ("matching MAT-R (Å)", 2),
        "broken_share": ("share of broken samples", 3),
    }
    where = {name: ours[name].iloc[0] for name in ("regime", "variant")}  # all share the first fit
    rows = {
        label: estimate(by_seed(ours, metric, **where)[1]).text(digits)
        for metric, (label, digits) in names.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["samples of the first model"])


def sampler_table(path: Path) -> pd.DataFrame:
    """One model sampled in several ways: speed on one core, and quality."""
    frame = pd.read_csv(path).set_index("sampler")
    columns = {
        "samples_per_second": ("samples a second", 1),
        "bond_error": ("bond error (Å)", 3),
        "angle_error": ("angle error (degrees)", 1),
        "strain": ("strain (kcal/mol a heavy atom)", 1),
        "coverage": ("coverage", 2),
        "matching": ("matching (Å)", 2),
        "broken_share": ("broken share", 2),
    }
    return pd.DataFrame(
        {
            label: frame[name].map(lambda value, k=k: f"{value:.{k}f}")
            for name, (label, k) in columns.items()
        }
    )


SAMPLERS = {"langevin": "GeoDiff's own", "geometry": "rough geometry, no network"}


def sampler_chains(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Local loss and strain of the final fit / the first fit, for every sampler that was run.

    ``frames`` are the results by name.
    """
    rows = []
    for name, metrics in frames.items():
        for variant, regime in sorted(set(zip(metrics["variant"], metrics["regime"], strict=True))):
            named = [text for key, text in SAMPLERS.items() if f"sampler={key}" in variant]
            if regime not in REGIMES or (variant and not named):
                continue
            sampler = named[0] if named else "the fast sampler"
            cells = [
                _final(metrics, metric, regime, variant) for metric in ("local_loss", "strain")
            ]
            preset, _, source = name.partition("-")
            label = f"{DATA.get(source, source)} ({preset})"
            fits = int(metrics[metrics["variant"] == variant]["iteration"].max())
            rows.append((label, sampler, fits, figures.LABELS[regime], *cells))
    keys = ["molecules (preset)", "sampler", "fits", "regime"]
    columns = [*keys, "local loss / first fit", "strain / first fit"]
    return pd.DataFrame(rows, columns=columns).set_index(keys)


def _final(frame: pd.DataFrame, metric: str, regime: str, variant: str = "") -> str:
    return final_growth(frame, metric, regime, variant).text(2)


def data_table(folder: Path) -> pd.DataFrame:
    """What the chains were trained and measured on, from their provenance."""
    notes = files.read_json(folder / "provenance.json")[0]["provenance"]["notes"]
    rows = [
        (split, notes[f"{split}_molecules"], notes[f"{split}_conformations"])
        for split in ("train", "validation", "test")
    ]
    return pd.DataFrame(rows, columns=["split", "molecules", "conformations"]).set_index("split")
