"""What the paper's experiments cost at three sizes: the tables of the planning page, from measured rates and formulas.

results/planning/rates.csv        seconds and bytes of one item, measured on one core by ``benchmarks/planning.py``
results/planning/assumptions.csv  what cannot be measured here: sizes of data sets, peaks and prices of GPUs, each labelled

Training grows with t in accumulate and does not in replace (``regimes.training_size``); a molecule fit has a fixed number of
steps and grows in neither.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .. import regimes, runs
from ..estimate import Rates, totals
from ..presets import NAMES as PRESETS
from ..progress import duration

SHOWN = ("replace", "accumulate")
TITLES = {"linear": "Linear regression", "language": "Language models", "images": "Images", "molecules": "Molecules"}
SEEDS = 3  # what a verdict asks for
GPUS = ("T4", "A100")


@dataclass(frozen=True)
class Size:
    """One size at which the experiments are priced."""

    name: str
    preset: str
    factor: int  # on the real items, and on the steps of a fit that has a fixed number of them


SIZES = (Size("colab", "colab", 1), Size("paper", "paper", 1), Size("ten times the paper", "paper", 10))


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
    return pd.read_csv(folder / "rates.csv"), {str(name): float(value) for name, value in assumed.items()}


def cost(rates: pd.Series, assumed: dict[str, float], regime: str, factor: int) -> Cost:
    """The cost of one chain, by the formulas of ``estimate``."""
    whole = rates["preset"] == "paper" and f"{rates['section']}_items" in assumed
    items = int(assumed[f"{rates['section']}_items"] if whole else rates["items"]) * factor
    fixed = rates["fit_fixed_s"] * (factor if rates["fixed_steps"] else 1)
    measured = Rates(
        fit_fixed_s=fixed,
        fit_item_s=rates["fit_item_s"],
        sample_item_s=rates["sample_item_s"],
        evaluate_s=rates["evaluate_s"],
        item_bytes=rates["item_bytes"],
        model_bytes=rates["model_bytes"],
        peak_memory_mb=0.0,
    )
    sums = totals(measured, regime, int(rates["iterations"]), items)
    return Cost(items, int(rates["iterations"]), sums["fit_s"], sums["sample_s"], sums["evaluate_s"], sums["disk_bytes"])


def gpu_factors(rates: pd.Series, assumed: dict[str, float], gpu: str) -> tuple[float, float]:
    """How many times faster than the measured core a GPU is, lower and upper end: an assumption, see the page."""
    peak = assumed[f"{gpu}_tflops"] * 1000 / rates["core_gflops"]
    return assumed["gpu_share_low"] * peak, assumed["gpu_share_high"] * peak


def hours(seconds: float) -> str:
    """``12 s``, ``3.5 h``, ``2,400 h``."""
    return duration(seconds) if seconds < 36_000 else f"{float(f'{seconds / 3600:.2g}'):,.0f} h"


def span(low: float, high: float) -> str:
    return f"{hours(low)} to {hours(high)}"


def disk(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:,.2g} {unit}" if size < 100 * scale else f"{size / scale:,.0f} {unit}"
    return f"{size / 1e3:,.0f} kB"


def money(low: float, high: float | None = None) -> str:
    def one(value: float) -> str:
        return f"{value:,.2f}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"

    return f"USD {one(low)}" if high is None else f"USD {one(low)} to {one(high)}"


def chains(frame: pd.DataFrame, size: Size) -> list[tuple[pd.Series, str]]:
    chosen = frame[frame["preset"] == size.preset]
    return [(row, regime) for _, row in chosen.iterrows() for regime in SHOWN]


def cost_table(frame: pd.DataFrame, assumed: dict[str, float], size: Size) -> list[str]:
    """One chain of every experiment under replace and accumulate, on this core and on GPUs."""
    lines = [
        f"| experiment | regime | real items | fits | one core, measured | disk | {GPUS[0]}, assumed | {GPUS[1]}, assumed |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row, regime in chains(frame, size):
        one = cost(row, assumed, regime, size.factor)
        on_gpu = [_on_gpu(row, assumed, one.seconds, gpu) for gpu in GPUS]
        lines.append(
            f"| {TITLES[row['section']]} | {regime} | {one.items:,} | {one.iterations} | {hours(one.seconds)} "
            f"| {disk(one.disk_bytes)} | {' | '.join(on_gpu)} |"
        )
    return lines


def _on_gpu(row: pd.Series, assumed: dict[str, float], seconds: float, gpu: str) -> str:
    if row["section"] == "linear":
        return "not used"  # NumPy in float64
    low, high = gpu_factors(row, assumed, gpu)
    return span(seconds / high, seconds / low)


def bill(frame: pd.DataFrame, assumed: dict[str, float], size: Size) -> list[str]:
    """All chains of an experiment: three seeds under both regimes."""
    lines = [
        f"| experiment | chains | core hours | cores at USD {assumed['core_price']:g} | "
        + " | ".join(f"{gpu} at USD {assumed[f'{gpu}_price']:g}" for gpu in GPUS)
        + " | disk |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for section in dict.fromkeys(frame["section"]):
        rows = [(row, regime) for row, regime in chains(frame, size) if row["section"] == section]
        costs = [cost(row, assumed, regime, size.factor) for row, regime in rows]
        seconds = SEEDS * sum(one.seconds for one in costs)
        prices = [money(assumed["core_price"] * seconds / 3600)]
        for gpu in GPUS:
            low, high = gpu_factors(rows[0][0], assumed, gpu)
            price = assumed[f"{gpu}_price"] * seconds / 3600
            prices.append("not used" if section == "linear" else money(price / high, price / low))
        lines.append(
            f"| {TITLES[section]} | {SEEDS * len(rows)} | {hours(seconds)} | {' | '.join(prices)} "
            f"| {disk(SEEDS * sum(one.disk_bytes for one in costs))} |"
        )
    return lines


def parts_table(frame: pd.DataFrame, assumed: dict[str, float]) -> list[str]:
    """Where the time of a chain at the paper's size goes, and how much of the training its last fit is."""
    lines = [
        "| experiment | regime | training | sampling | measuring | last fit, of all training |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row, regime in chains(frame, SIZES[1]):
        one = cost(row, assumed, regime, 1)
        shares = " | ".join(f"{part / one.seconds:.0%}" for part in (one.fit_s, one.sample_s, one.evaluate_s))
        last = row["fit_fixed_s"] + row["fit_item_s"] * one.items * regimes.training_size(regime, one.iterations)
        lines.append(f"| {TITLES[row['section']]} | {regime} | {shares} | {last / one.fit_s:.0%} |")
    return lines


def first_to_shard(frame: pd.DataFrame, assumed: dict[str, float]) -> list[str]:
    """The longest chain and its largest part, in a sentence: it sets how long everything takes on many machines."""
    costs = [(cost(row, assumed, regime, 1), row, regime) for row, regime in chains(frame, SIZES[1])]
    longest, row, regime = max(costs, key=lambda found: found[0].seconds)
    parts = {"training": longest.fit_s, "sampling": longest.sample_s, "measuring": longest.evaluate_s}
    part = max(parts, key=lambda name: parts[name])
    share = parts[part] / longest.seconds
    total = sum(one.seconds for one, _, _ in costs)
    return [
        f"With a machine for every chain, the longest chain decides when everything is done. At the paper's size that is "
        f"**{TITLES[row['section']].lower()} under {regime}**: {hours(longest.seconds)} on one core, "
        f"{longest.seconds / total:.0%} of one seed of the experiments in the tables. "
        f"{'Nearly all' if share > 0.99 else f'{share:.0%}'} of it is {part}."
    ]


def machine(frame: pd.DataFrame) -> list[str]:
    row = frame.iloc[0]
    absent = [title for section, title in TITLES.items() if section not in set(frame["section"])]
    note = [f"**Not measured yet**, and absent from the tables: {', '.join(absent).lower()}."] if absent else []
    return [
        f"Measured on {row['date']}: one core of {row['processor']}, {row['core_gflops']:.0f} GFLOP/s in a float32 matrix "
        f"product of 1,024 x 1,024, package version {row['package_version']}.",
        *note,
    ]


def assumptions(root: Path) -> list[str]:
    frame = pd.read_csv(root / "results" / "planning" / "assumptions.csv")
    lines = ["| what | value | kind | where it is from |", "|---|--:|---|---|"]
    for _, row in frame.iterrows():
        lines.append(f"| {row['name']} | {row['value']:,.10g} {row['unit']} | **{row['kind']}** | {row['note']} |")
    return lines


def preset_table(results_root: Path, section: str) -> pd.DataFrame:
    """What one chain costs at each preset: measured where it was run, else planned, by regime."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted((results_root / section).glob("*/provenance.json")):
        records = [record for record in runs.read_json(path) if not record["variant"]]
        preset, _, source = path.parent.name.partition("-")
        for regime in SHOWN:
            took = [record["provenance"]["wall_s"] for record in records if record["regime"] == regime]
            if took:
                where = f"measured, {source}, {records[0]['provenance']['threads']} thread"
                rows.setdefault((preset, where), {})[regime] = duration(statistics.median(took))
    found = read(results_root.parent)
    for row, regime in chains(found[0], SIZES[0]) + chains(found[0], SIZES[1]) if found else []:
        if row["section"] == section:
            one = cost(row, found[1], regime, 1)
            text = f"{hours(one.seconds)} on one core; {_on_gpu(row, found[1], one.seconds, GPUS[0])} on a {GPUS[0]}"
            rows.setdefault((row["preset"], "planned, not run"), {})[regime] = text
    ordered = sorted(rows, key=lambda key: PRESETS.index(key[0]))
    frame = pd.DataFrame({key: rows[key] for key in ordered}).T.reindex(columns=list(SHOWN)).fillna("")
    frame.index.names = ["preset", "one chain"]
    return frame


def gpu_note(results_root: Path, section: str) -> str:
    """What a Colab GPU would give, in a sentence that says how little of it is measured; empty without rates."""
    found = read(results_root.parent)
    planned = [
        f"{regime} {_on_gpu(row, found[1], cost(row, found[1], regime, 1).seconds, GPUS[0])}"
        for row, regime in (chains(found[0], SIZES[0]) if found else [])
        if row["section"] == section
    ]
    if not planned:
        return ""
    return (
        f"one chain at the preset colab is planned to take on a {GPUS[0]}: {', '.join(planned)} "
        "(from rates measured on one core and an assumed share of the GPU's peak; not run)"
    )


def pages(root: Path) -> dict[str, str]:
    """The generated parts of the planning page, by file name; empty where nothing was measured."""
    found = read(root)
    if found is None:
        return {}
    frame, assumed = found
    text: list[str] = []
    for size in SIZES:
        text += [f"### {size.name[0].upper()}{size.name[1:]}", "", "One chain:", "", *cost_table(frame, assumed, size), ""]
        text += [f"{SEEDS} seeds under both regimes:", "", *bill(frame, assumed, size), ""]
    parts = {
        "planning.md": [*machine(frame), "", *text],
        "planning_parts.md": [*parts_table(frame, assumed), "", *first_to_shard(frame, assumed)],
        "planning_assumptions.md": assumptions(root),
    }
    return {name: "\n".join([*lines, ""]).rstrip("\n") + "\n" for name, lines in parts.items()}
