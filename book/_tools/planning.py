"""What the paper's experiments cost at three sizes: the tables of the page on costs.

    results/planning/rates.csv        seconds and bytes of one item on one core, measured by
                                      ``benchmarks/planning.py``
    results/planning/assumptions.csv  what cannot be measured here, each labelled: sizes of data
                                      sets, peaks and prices of GPUs

Training grows with t in accumulate and does not in replace (``regimes.training_size``); a molecule
fit has a fixed number of steps and grows in neither.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from collapse_utils import regimes
from collapse_utils.pages.costs import (
    GPUS,
    SIZES,
    TITLES,
    Size,
    _on_gpu,
    chains,
    cost,
    gpu_factors,
    hours,
    read,
)

SEEDS = 3  # what a verdict asks for


def disk(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return (
                f"{size / scale:,.2g} {unit}"
                if size < 100 * scale
                else f"{size / scale:,.0f} {unit}"
            )
    return f"{size / 1e3:,.0f} kB"


def money(low: float, high: float | None = None) -> str:
    def one(value: float) -> str:
        return f"{value:,.2f}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"

    return f"USD {one(low)}" if high is None else f"USD {one(low)} to {one(high)}"


def cost_table(frame: pd.DataFrame, assumed: dict[str, float], size: Size) -> list[str]:
    """One chain of every experiment under replace and accumulate, on this core and on GPUs."""
    lines = [
        f"| experiment | regime | real items | fits | one core, measured | disk | {GPUS[0]}, "
        f"assumed | {GPUS[1]}, assumed |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row, regime in chains(frame, size):
        one = cost(row, assumed, regime, size.factor)
        on_gpu = [_on_gpu(row, assumed, one.seconds, gpu) for gpu in GPUS]
        lines.append(
            f"| {TITLES[row['section']]} | {regime} | {one.items:,} | {one.iterations} | "
            f"{hours(one.seconds)} | {disk(one.disk_bytes)} | {' | '.join(on_gpu)} |"
        )
    return lines


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
    """Where the time of a chain at the paper's size goes, and how much of the training its last fit
    is.
    """
    lines = [
        "| experiment | regime | training | sampling | measuring | last fit, of all training |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row, regime in chains(frame, SIZES[1]):
        one = cost(row, assumed, regime, 1)
        shares = " | ".join(
            f"{part / one.seconds:.0%}" for part in (one.fit_s, one.sample_s, one.evaluate_s)
        )
        last = row["fit_fixed_s"] + row["fit_item_s"] * one.items * regimes.training_size(
            regime, one.iterations
        )
        lines.append(f"| {TITLES[row['section']]} | {regime} | {shares} | {last / one.fit_s:.0%} |")
    return lines


def first_to_shard(frame: pd.DataFrame, assumed: dict[str, float]) -> list[str]:
    """The longest chain and its largest part, in a sentence: it sets how long everything takes on
    many machines.
    """
    costs = [
        (cost(row, assumed, regime, 1), row, regime) for row, regime in chains(frame, SIZES[1])
    ]
    longest, row, regime = max(costs, key=lambda found: found[0].seconds)
    parts = {
        "training": longest.fit_s,
        "sampling": longest.sample_s,
        "measuring": longest.evaluate_s,
    }
    part = max(parts, key=lambda name: parts[name])
    share = parts[part] / longest.seconds
    total = sum(one.seconds for one, _, _ in costs)
    return [
        "With a machine for every chain, the longest chain decides when everything is done. At "
        f"the paper's size that is **{TITLES[row['section']].lower()} under {regime}**: "
        f"{hours(longest.seconds)} on one core, {longest.seconds / total:.0%} of one seed of the "
        f"experiments in the tables. {'Nearly all' if share > 0.99 else f'{share:.0%}'} of it is "
        f"{part}."
    ]


def machine(frame: pd.DataFrame) -> list[str]:
    row = frame.iloc[0]
    absent = [title for section, title in TITLES.items() if section not in set(frame["section"])]
    note = (
        [f"**Not measured yet**, and absent from the tables: {', '.join(absent).lower()}."]
        if absent
        else []
    )
    return [
        f"Measured on {row['date']}: one core of {row['processor']}, {row['core_gflops']:.0f} "
        "GFLOP/s in a float32 matrix product of 1,024 x 1,024, package version "
        f"{row['package_version']}.",
        *note,
    ]


def assumptions(root: Path) -> list[str]:
    frame = pd.read_csv(root / "results" / "planning" / "assumptions.csv")
    lines = ["| what | value | kind | where it is from |", "|---|--:|---|---|"]
    for _, row in frame.iterrows():
        lines.append(
            f"| {row['name']} | {row['value']:,.10g} {row['unit']} | **{row['kind']}** | "
            f"{row['note']} |"
        )
    return lines


def pages(root: Path) -> dict[str, str]:
    """The generated parts of the planning page, by file name; empty where nothing was measured."""
    found = read(root)
    if found is None:
        return {}
    frame, assumed = found
    text: list[str] = []
    for size in SIZES:
        text += [
            f"### {size.name[0].upper()}{size.name[1:]}",
            "",
            "One chain:",
            "",
            *cost_table(frame, assumed, size),
            "",
        ]
        text += [f"{SEEDS} seeds under both regimes:", "", *bill(frame, assumed, size), ""]
    parts = {
        "planning.md": [*machine(frame), "", *text],
        "planning_parts.md": [*parts_table(frame, assumed), "", *first_to_shard(frame, assumed)],
        "planning_assumptions.md": assumptions(root),
    }
    return {name: "\n".join([*lines, ""]).rstrip("\n") + "\n" for name, lines in parts.items()}
