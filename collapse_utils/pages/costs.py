"""The cost of a chain at a preset, from measured rates: the tables that the notebooks show."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import sections
from ..durable import files
from ..durable.progress import duration
from ..sweeps.estimate import Rates, totals

SHOWN = ("replace", "accumulate")

TITLES = {
    "linear": "Linear regression",
    "language": "Language models",
    "images": "Faces",
    "molecules": "Molecules",
}

GPUS = ("T4", "A100")


@dataclass(frozen=True)
class Size:
    """A size at which the costs of the experiments are computed."""

    name: str
    preset: str
    factor: int  # multiplies the real items, and the steps of a fit with a fixed number of steps


SIZES = (
    Size("colab", "colab", 1),
    Size("paper", "paper", 1),
    Size("ten times the paper", "paper", 10),
)


@dataclass(frozen=True)
class Cost:
    """The cost of one chain on one core of the machine that was measured."""

    items: int  # real items
    iterations: int
    fit_s: float
    sample_s: float
    evaluate_s: float
    disk_bytes: float

    @property
    def seconds(self) -> float:
        return self.fit_s + self.sample_s + self.evaluate_s


def read(root: Path) -> tuple[pd.DataFrame, dict[str, float]] | None:
    """The measured rates and the assumptions, or None where they were not collected."""
    folder = root / "results" / "planning"
    if not (folder / "rates.csv").is_file():
        return None
    assumed = pd.read_csv(folder / "assumptions.csv").set_index("name")["value"]
    return pd.read_csv(folder / "rates.csv"), assumed.astype(float).to_dict()


def cost(rates: pd.Series, assumed: dict[str, float], regime: str, factor: int) -> Cost:
    """The cost of one chain, by the formulas of ``estimate``."""
    whole = rates["preset"] == "paper" and f"{rates['section']}_items" in assumed
    items = int(assumed[f"{rates['section']}_items"] if whole else rates["items"]) * factor
    fixed = rates["fit_fixed_s"] * (factor if rates["fixed_steps"] else 1)
    names = ["fit_item_s", "sample_item_s", "evaluate_s", "item_bytes", "model_bytes"]
    measured = Rates(fit_fixed_s=fixed, peak_memory_mb=0.0, **rates[names])
    iterations = int(rates["iterations"])
    sums = totals(measured, regime, iterations, items)
    parts = (sums[name] for name in ("fit_s", "sample_s", "evaluate_s", "disk_bytes"))
    return Cost(items, iterations, *parts)


def gpu_factors(rates: pd.Series, assumed: dict[str, float], gpu: str) -> tuple[float, float]:
    """The assumed speed of a GPU / that of the measured core: lower and upper end."""
    peak = assumed[f"{gpu}_tflops"] * 1000 / rates["core_gflops"]
    return assumed["gpu_share_low"] * peak, assumed["gpu_share_high"] * peak


def hours(seconds: float) -> str:
    """A duration as text: ``12 s``, ``3.5 h``, ``2,400 h``."""
    return duration(seconds) if seconds < 36_000 else f"{float(f'{seconds / 3600:.2g}'):,.0f} h"


def chains(rates: pd.DataFrame, size: Size) -> list[tuple[pd.Series, str]]:
    """The row of rates and the regime of every chain at a size."""
    chosen = rates[rates["preset"] == size.preset]
    return [(row, regime) for _, row in chosen.iterrows() for regime in SHOWN]


def gpu_time(rates: pd.Series, assumed: dict[str, float], seconds: float, gpu: str) -> str:
    """The time on a GPU, as text, of work that takes ``seconds`` on the measured core."""
    if rates["section"] == "linear":
        return "not used"  # NumPy in float64
    low, high = gpu_factors(rates, assumed, gpu)
    return f"{hours(seconds / high)} to {hours(seconds / low)}"


def _planned(results_root: Path, section: str) -> list[tuple[str, str, float, str]]:
    """Preset, regime, seconds on one core and time on the first of ``GPUS`` of every chain whose
    rates were measured.
    """
    measured = read(results_root.parent)
    if measured is None:
        return []
    rates, assumed = measured
    planned = []
    for row, regime in chains(rates, SIZES[0]) + chains(rates, SIZES[1]):
        if row["section"] == section:
            seconds = cost(row, assumed, regime, 1).seconds
            gpu = gpu_time(row, assumed, seconds, GPUS[0])
            planned.append((row["preset"], regime, seconds, gpu))
    return planned


def preset_table(results_root: Path, section: str) -> pd.DataFrame:
    """The time of one chain at each preset, by regime: measured where it was run, and planned."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted((results_root / section).glob("*/provenance.json")):
        records = [record for record in files.read_json(path) if not record["variant"]]
        preset, _, source = path.parent.name.partition("-")
        for regime in SHOWN:
            seconds = [
                record["provenance"]["wall_s"] for record in records if record["regime"] == regime
            ]
            if seconds:
                source_text = f"measured, {source}, {records[0]['provenance']['threads']} thread"
                median = duration(statistics.median(seconds))
                rows.setdefault((preset, source_text), {})[regime] = median
    for preset, regime, core_s, gpu in _planned(results_root, section):
        text = f"{hours(core_s)} on one core; {gpu} on a {GPUS[0]}"
        rows.setdefault((preset, "planned, not run"), {})[regime] = text
    order = sections.preset_names(section)
    ordered = sorted(rows, key=lambda key: order.index(key[0]))
    frame = pd.DataFrame({key: rows[key] for key in ordered}).T
    frame = frame.reindex(columns=list(SHOWN)).fillna("")
    frame.index.names = ["preset", "one chain"]
    return frame


def gpu_note(results_root: Path, section: str) -> str:
    """A sentence on the planned time on a Colab GPU; empty without measured rates."""
    planned = [
        f"{regime} {gpu}"
        for preset, regime, _, gpu in _planned(results_root, section)
        if preset == SIZES[0].preset
    ]
    if not planned:
        return ""
    return (
        f"one chain at the preset colab is planned to take on a {GPUS[0]}: {', '.join(planned)} "
        "(from rates measured on one core and an assumed share of the GPU's peak; not run)"
    )
