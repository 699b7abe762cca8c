"""What a chain would cost on this machine, from a few real fits and samples.

The time of a fit is a linear function of the number of items: a fixed part, and the passes over the
data.  Two short fits give both.  Where every fit takes the same number of steps (a section's
``same_steps``), the time is a constant.  Sampling is proportional to the items sampled.  Regimes
differ in the number of items that they train on and sample: training under accumulate grows with t,
training under replace does not.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import data, regimes, sections
from ..chain import Section
from ..durable import provenance
from ..durable.checkpoints import Checkpoint
from ..durable.progress import duration
from ..training.threads import use_threads

SHARES = (1 / 16, 1 / 8)  # of the training set, for the two fits that are timed
MOST_ITEMS = (64, 128)  # of these fits: the estimate of a large preset takes minutes, not hours


@dataclass(frozen=True)
class Rates:
    """Measured costs of one section at one configuration, in seconds, bytes and megabytes."""

    fit_fixed_s: float
    fit_item_s: float
    sample_item_s: float
    evaluate_s: float
    item_bytes: float
    model_bytes: float
    peak_memory_mb: float


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(
    section: Section,
    clock: Callable[[], float] = time.perf_counter,
    most: tuple[int, int] = MOST_ITEMS,
) -> Rates:
    """Time two fits of at most ``most`` items, one sample and one evaluation.

    ``clock`` may count processor time, on a machine that others use.
    """
    train, test = section.real_data()
    # a fit may leave out a short last batch
    batch_size = getattr(getattr(section, "config", None), "batch_size", 1)
    sizes: list[int] = []
    for share, limit in zip(SHARES, most, strict=True):
        items = min(max(int(share * len(train)), 16 * (len(sizes) + 1)), limit)
        batches = max(math.ceil(items / batch_size), len(sizes) + 1)
        sizes.append(min(batches * batch_size, len(train)))
    times, model = [], None
    with tempfile.TemporaryDirectory() as scratch:
        # a first fit that is not timed: libraries load on their first use
        section.fit(_first(train, sizes[0]), 0, Checkpoint(Path(scratch) / "warm"))
        # one folder for each fit, since a fit that finds a finished state takes no time
        folders = [Path(scratch) / f"fit-{number}" for number in range(len(sizes))]
        for size, folder in zip(sizes, folders, strict=True):
            started = clock()
            model = section.fit(_first(train, size), 0, Checkpoint(folder))
            times.append(clock() - started)
        model_bytes = folder_bytes(folders[-1])
        started = clock()
        samples = section.sample(model, sizes[-1], 0)
        sample_s = clock() - started
        data.save(samples, Path(scratch))
        saved = [*Path(scratch).glob("*.npy"), *Path(scratch).glob("arrow/*")]
        sample_bytes = sum(path.stat().st_size for path in saved)
    started = clock()
    section.evaluate(model, test)
    evaluate_s = clock() - started
    if getattr(section, "same_steps", False) or sizes[0] == sizes[1]:
        slope, fixed = 0.0, sum(times) / len(times)
    else:
        slope = max(times[1] - times[0], 0.0) / max(sizes[1] - sizes[0], 1)
        fixed = max(times[1] - slope * sizes[1], 0.0)
    return Rates(
        fit_fixed_s=fixed,
        fit_item_s=slope,
        sample_item_s=sample_s / sizes[-1],
        evaluate_s=evaluate_s,
        item_bytes=sample_bytes / sizes[-1],
        model_bytes=model_bytes,
        peak_memory_mb=provenance.peak_memory_mb(),
    )


def _first(items: data.Data, count: int) -> data.Data:
    return items[:count] if data.is_array(items) else items.select(range(count))


def totals(rates: Rates, regime: str, iterations: int, items: int) -> dict[str, float]:
    """Seconds and bytes of a whole chain with ``items`` real training items."""
    fitted = sum(regimes.training_size(regime, t) for t in range(1, iterations + 1)) * items
    sampled = sum(regimes.blocks_sampled(regime, t) for t in range(1, iterations)) * items
    return {
        "fit_s": iterations * rates.fit_fixed_s + fitted * rates.fit_item_s,
        "sample_s": sampled * rates.sample_item_s,
        "evaluate_s": iterations * rates.evaluate_s,
        "disk_bytes": sampled * rates.item_bytes + iterations * rates.model_bytes,
        "items_fitted": fitted,
        "items_sampled": sampled,
    }


def report(
    name: str,
    preset: str,
    assignments: Sequence[str],
    arguments: Sequence[str],
    source: str,
    regime: str,
    items: int | None = None,
) -> str:
    """The estimate as text; ``items`` replaces the size of the real training set in the totals, not
    in what is measured.
    """
    regimes.check(regime, shares=True)
    config, _ = sections.configuration(name, preset, assignments, arguments)
    use_threads(config.threads)
    section, chain = sections.make(
        name,
        preset=preset,
        regime=regime,
        seed=0,
        assignments=assignments,
        arguments=arguments,
        data=source,
    )
    rates = measure(section)
    advice = section.advice() if hasattr(section, "advice") else None
    items = items or len(section.real_data()[0])
    cost = totals(rates, regime, config.iterations, items)
    parts = {part: cost[f"{part}_s"] for part in ("fit", "sample", "evaluate")}
    return "\n".join(
        [
            f"{name}, preset {preset}, {regime}, {config.iterations} iterations, {items:,} real "
            f"items of {chain.source}, {config.threads} thread(s), {provenance.device()}",
            f"measured   fit {rates.fit_item_s * 1e3:.2f} ms an item + {rates.fit_fixed_s:.2f} s, "
            f"sample {rates.sample_item_s * 1e3:.2f} ms an item, evaluate {rates.evaluate_s:.1f} s",
            f"a chain    fits {cost['items_fitted']:,} items and samples {cost['items_sampled']:,}",
            f"time       about {duration(sum(parts.values()))} "
            f"({', '.join(f'{part} {duration(seconds)}' for part, seconds in parts.items())})",
            f"memory     {rates.peak_memory_mb:,.0f} MB (does not grow with t)",
            f"disk       {cost['disk_bytes'] / 1e6:,.1f} MB",
            *([f"advice     {advice}"] if advice else []),
        ]
    )
