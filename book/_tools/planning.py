"""The tables of the page on costs: what the paper's experiments cost at three sizes.

    results/planning/rates.csv        seconds and bytes of one item on one core, measured by
                                      ``benchmarks/planning.py``
    results/planning/assumptions.csv  labelled values that cannot be measured here: sizes of data
                                      sets, peaks and prices of GPUs

Training grows with t under accumulate and not under replace (``regimes.training_size``).  A fit of
molecules has a fixed number of steps, so it grows under neither.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from collapse_utils import regimes, sections
from collapse_utils.pages.costs import (
    GPUS,
    SIZES,
    TITLES,
    Size,
    chains,
    cost,
    gpu_factors,
    gpu_time,
    hours,
    read,
)

from .tables import captioned, markdown

SEEDS = 3  # that a verdict needs
TOGETHER = 8  # GPUs that train one model in the table of links
# GB/s that one GPU or node sends; NVIDIA's data sheet of the A100 gives the sum of both directions
LINKS = {"NVLink of an A100": 600.0 / 2, "PCIe 4.0, 16 lanes": 31.5, "Ethernet, 10 Gbit/s": 1.25}


def disk(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:,.{'2g' if size < 100 * scale else '0f'}} {unit}"
    return f"{size / 1e3:,.0f} kB"


def money(low: float, high: float | None = None) -> str:
    def number(value: float) -> str:
        return f"{value:,.2f}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"

    return f"USD {number(low)}" if high is None else f"USD {number(low)} to {number(high)}"


def cost_table(frame: pd.DataFrame, assumed: dict[str, float], size: Size) -> str:
    """One chain of every experiment under replace and accumulate, on one core and on GPUs."""
    numbers = "real items", "fits", "one core, measured", "disk", *(f"{g}, assumed" for g in GPUS)
    rows = []
    for row, regime in chains(frame, size):
        one = cost(row, assumed, regime, size.factor)
        items = f"{one.items:,}", str(one.iterations), hours(one.seconds), disk(one.disk_bytes)
        on_gpu = [gpu_time(row, assumed, one.seconds, gpu) for gpu in GPUS]
        rows.append((TITLES[row["section"]], regime, *items, *on_gpu))
    return markdown(("experiment", "regime", *numbers), rows, right=numbers)


def bill_table(frame: pd.DataFrame, assumed: dict[str, float], size: Size) -> str:
    """All chains of an experiment: three seeds under both regimes."""
    prices = [f"{name} at USD {assumed[f'{name}_price']:g}" for name in ("core", *GPUS)]
    prices[0] = prices[0].replace("core", "cores")
    numbers = "chains", "core hours", *prices, "disk"
    rows = []
    for section in dict.fromkeys(frame["section"]):
        own = [(row, regime) for row, regime in chains(frame, size) if row["section"] == section]
        costs = [cost(row, assumed, regime, size.factor) for row, regime in own]
        seconds = SEEDS * sum(chain.seconds for chain in costs)
        cells = [TITLES[section], str(SEEDS * len(own)), hours(seconds)]
        cells.append(money(assumed["core_price"] * seconds / 3600))
        for gpu in GPUS:
            low, high = gpu_factors(own[0][0], assumed, gpu)
            price = assumed[f"{gpu}_price"] * seconds / 3600
            cells.append("not used" if section == "linear" else money(price / high, price / low))
        rows.append((*cells, disk(SEEDS * sum(chain.disk_bytes for chain in costs))))
    return markdown(("experiment", *numbers), rows, right=numbers)


def parts_table(frame: pd.DataFrame, assumed: dict[str, float]) -> str:
    """The shares of the time of a chain at the paper's size, and of its last fit."""
    numbers = "training", "sampling", "measuring", "last fit, of all training"
    rows = []
    for row, regime in chains(frame, SIZES[1]):
        chain = cost(row, assumed, regime, 1)
        items = chain.items * regimes.training_size(regime, chain.iterations)
        last = (row["fit_fixed_s"] + row["fit_item_s"] * items) / chain.fit_s
        parts = [part / chain.seconds for part in (chain.fit_s, chain.sample_s, chain.evaluate_s)]
        shares = [f"{share:.0%}" for share in (*parts, last)]
        rows.append((TITLES[row["section"]], regime, *shares))
    return markdown(("experiment", "regime", *numbers), rows, right=numbers)


def longest_chain(frame: pd.DataFrame, assumed: dict[str, float]) -> str:
    """The longest chain and its largest part, which limit what many machines can do."""
    costs = [
        (cost(row, assumed, regime, 1), row, regime) for row, regime in chains(frame, SIZES[1])
    ]
    longest, row, regime = max(costs, key=lambda entry: entry[0].seconds)
    parts = {
        "training": longest.fit_s,
        "sampling": longest.sample_s,
        "measuring": longest.evaluate_s,
    }
    part = max(parts, key=lambda name: parts[name])
    share = parts[part] / longest.seconds
    total = sum(chain.seconds for chain, _, _ in costs)
    return (
        "With a machine for every chain, the longest chain decides when everything is done. At "
        f"the paper's size that is **{TITLES[row['section']].lower()} under {regime}**: "
        f"{hours(longest.seconds)} on one core, {longest.seconds / total:.0%} of one seed of the "
        f"experiments in the tables. {'Nearly all' if share > 0.99 else f'{share:.0%}'} of it is "
        f"{part}.\n"
    )


def data_parallel(frame: pd.DataFrame, assumed: dict[str, float]) -> str:
    """The gain from training one language model on several GPUs, at the paper's size."""
    from collapse_utils.language.model import PAPER_SIZES  # loads torch and transformers

    row = frame[(frame["section"] == "language") & (frame["preset"] == "paper")].iloc[0]
    config, _ = sections.configuration("language", "paper")
    weights = PAPER_SIZES["llama-12m"].parameters
    items = int(assumed["language_items"])
    steps = [
        config.epochs * (items * regimes.training_size("accumulate", t) // config.batch_size)
        for t in range(1, config.iterations + 1)
    ]
    low, high = gpu_factors(row, assumed, "A100")
    step_s = [config.batch_size * row["fit_item_s"] / factor for factor in (high, low)]
    rows = []
    for link, rate in LINKS.items():
        sums = 2 * (TOGETHER - 1) / TOGETHER * 4 * weights / (rate * 1e9)
        gains = [seconds / (seconds / TOGETHER + sums) for seconds in step_s]
        cells = f"{rate:g} GB/s", f"{1e3 * sums:.2g} ms", hours(sum(steps) * sums)
        rows.append((link, *cells, f"{gains[0]:.1f} to {gains[1]:.1f} times"))
    numbers = "rate", "sum of a step", "sums of a chain", "gain"
    caption = (
        f"Training one model on {TOGETHER} A100s, at the preset `paper` under accumulate. The "
        "rates of links and the shares of a GPU's peak are assumed. *Gain* is the speed of "
        "training compared with one A100."
    )
    table = markdown(("link", *numbers), rows, right=numbers)
    return (
        f"The model of the preset has {weights:,} weights (the paper's Llama 12M). The gradients "
        f"of a step are therefore 4 x {weights:,} bytes = {4 * weights / 1e6:.0f} MB. A step "
        f"trains on {config.batch_size} stories of at most {config.max_length} tokens, which takes "
        f"{1e3 * step_s[0]:.0f} to {1e3 * step_s[1]:.0f} ms on one A100, by the rates of the "
        "[planning page](planning). A fit of all "
        f"{items:,} stories has {steps[0]:,} steps and reads at most "
        f"{config.epochs * items * config.max_length / 1e9:.1f} billion tokens. The final fit "
        f"under accumulate has {steps[-1]:,} steps, and all fits of the chain have "
        f"{sum(steps):,}.\n\n"
        f"{captioned(table, caption, 'table-data-parallel')}"
    )


def machine(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    absent = [title for section, title in TITLES.items() if section not in set(frame["section"])]
    note = f"**Not measured yet**, and absent from the tables: {', '.join(absent).lower()}.\n"
    return (
        f"Measured on {row['date']}: one core of {row['processor']}, {row['core_gflops']:.0f} "
        "GFLOP/s in a float32 matrix product of 1,024 × 1,024, package version "
        f"{row['package_version']}.\n" + (note if absent else "")
    )


def assumptions(root: Path) -> str:
    frame = pd.read_csv(root / "results" / "planning" / "assumptions.csv")
    rows = [
        (row["name"], f"{row['value']:,.10g} {row['unit']}", f"**{row['kind']}**", row["note"])
        for _, row in frame.iterrows()
    ]
    return markdown(("what", "value", "kind", "where it is from"), rows, right=("value",))


def pages(root: Path) -> dict[str, str]:
    """The generated parts of the planning page, by file name; empty where nothing was measured."""
    rates = read(root)
    if rates is None:
        return {}
    frame, assumed = rates
    listed, folded = [], []
    for size in SIZES:
        name, title = size.name.replace(" ", "-"), f"{size.name[0].upper()}{size.name[1:]}"
        one, every = f"table-cost-{name}", f"table-bill-{name}"
        listed.append(
            f"- **{title}**: {{numref}}`{one}` has one chain, {{numref}}`{every}` all chains."
        )
        of_one = f"What one chain costs, at the size *{size.name}*. GPU hours are assumed."
        of_all = (
            f"What {SEEDS} seeds under both regimes cost, at the size *{size.name}*. "
            "Prices are assumed."
        )
        folded += [
            f"\n::::{{dropdown}} {title}\n",
            captioned(cost_table(frame, assumed, size), of_one, one),
            captioned(bill_table(frame, assumed, size), of_all, every),
            "::::",
        ]
    shares = captioned(
        parts_table(frame, assumed),
        "Shares of the time of a chain at the paper's size. The last column is the final fit's "
        "share of all training.",
        "table-cost-parts",
    )
    values = captioned(
        assumptions(root),
        "What the tables assume. *Published* values have a source, *assumed* ones are ours.",
        "table-cost-assumed",
    )
    return {
        "planning.md": "\n".join([machine(frame), *listed, *folded]) + "\n",
        "planning_parts.md": f"{shares}\n{longest_chain(frame, assumed)}",
        "planning_assumptions.md": values,
        "data_parallel.md": data_parallel(frame, assumed),
    }
