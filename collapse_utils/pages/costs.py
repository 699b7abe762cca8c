"""What a chain costs at a preset, from measured rates: the tables that the notebooks show."""

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
    """One size at which the experiments are priced."""

    name: str
    preset: str
    factor: int  # on the real items, and on the steps of a fit that has a fixed number of them


SIZES = (
    Size("colab", "colab", 1),
    Size("paper", "paper", 1),
    Size("ten times the paper", "paper", 10),
)


@dataclass(frozen=True)
class Cost:
    """One chain on one core of the machine that was measured."""

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
    return pd.read_csv(folder / "rates.csv"), {
        str(name): float(value) for name, value in assumed.items()
    }


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
    """How many times faster than the measured core a GPU is, lower and upper end: assumed."""
    peak = assumed[f"{gpu}_tflops"] * 1000 / rates["core_gflops"]
    return assumed["gpu_share_low"] * peak, assumed["gpu_share_high"] * peak


def hours(seconds: float) -> str:
    """``12 s``, ``3.5 h``, ``2,400 h``."""
    return duration(seconds) if seconds < 36_000 else f"{float(f'{seconds / 3600:.2g}'):,.0f} h"


def span(low: float, high: float) -> str:
    return f"{hours(low)} to {hours(high)}"


def chains(frame: pd.DataFrame, size: Size) -> list[tuple[pd.Series, str]]:
    chosen = frame[frame["preset"] == size.preset]
    return [(row, regime) for _, row in chosen.iterrows() for regime in SHOWN]


def _on_gpu(row: pd.Series, assumed: dict[str, float], seconds: float, gpu: str) -> str:
    if row["section"] == "linear":
        return "not used"  # NumPy in float64
    low, high = gpu_factors(row, assumed, gpu)
    return span(seconds / high, seconds / low)


def preset_table(results_root: Path, section: str) -> pd.DataFrame:
    """What one chain costs at each preset: measured where it was run, else planned, by regime."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted((results_root / section).glob("*/provenance.json")):
        records = [record for record in files.read_json(path) if not record["variant"]]
        preset, _, source = path.parent.name.partition("-")
        for regime in SHOWN:
            took = [
                record["provenance"]["wall_s"] for record in records if record["regime"] == regime
            ]
            if took:
                where = f"measured, {source}, {records[0]['provenance']['threads']} thread"
                rows.setdefault((preset, where), {})[regime] = duration(statistics.median(took))
    rates = read(results_root.parent)
    for row, regime in chains(rates[0], SIZES[0]) + chains(rates[0], SIZES[1]) if rates else []:
        if row["section"] == section:
            one = cost(row, rates[1], regime, 1)
            text = (
                f"{hours(one.seconds)} on one core; {_on_gpu(row, rates[1], one.seconds, GPUS[0])} "
                f"on a {GPUS[0]}"
            )
            rows.setdefault((row["preset"], "planned, not run"), {})[regime] = text
    order = sections.preset_names(section)
    ordered = sorted(rows, key=lambda key: order.index(key[0]))
    frame = (
        pd.DataFrame({key: rows[key] for key in ordered}).T.reindex(columns=list(SHOWN)).fillna("")
    )
    frame.index.names = ["preset", "one chain"]
    return frame


def gpu_note(results_root: Path, section: str) -> str:
    """A sentence on what a Colab GPU would give and how little of it is measured."""
    rates = read(results_root.parent)
    planned = [
        f"{regime} {_on_gpu(row, rates[1], cost(row, rates[1], regime, 1).seconds, GPUS[0])}"
        for row, regime in (chains(rates[0], SIZES[0]) if rates else [])
        if row["section"] == section
    ]
    if not planned:
        return ""
    return (
        f"one chain at the preset colab is planned to take on a {GPUS[0]}: {', '.join(planned)} "
        "(from rates measured on one core and an assumed share of the GPU's peak; not run)"
    )
