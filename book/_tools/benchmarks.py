"""What the benchmarks measured: book/_generated/speed.md, and the README's paragraph on ``make``.

The numbers come from benchmarks/results; a benchmark that has not been run has no row.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from collapse_utils.durable.files import read_json

from .tables import captioned, markdown

RESULTS = Path("benchmarks") / "results"
NO_BENCHMARKS = "No benchmark has been run yet.\n"


def read(root: Path, name: str) -> dict:
    """The content of one benchmark's file; empty if there is none."""
    path = root / RESULTS / f"{name}.json"
    return read_json(path) if path.is_file() else {}


def speedup(median: float, low: float | None = None, high: float | None = None) -> str:
    """A ratio with its range, such as ``4.2 (3.9 to 4.5)``, on one line."""
    digits = 0 if median >= 100 else 1 if median >= 10 else 2
    shown = f"{median:.{digits}f}"
    return (
        shown
        if low is None or high is None
        else f"{shown} ({low:.{digits}f}\u00a0to\u00a0{high:.{digits}f})"
    )


def share_of_limits(measured: dict) -> str:
    """The shares of the machine's limits that a measurement reaches, such as ``40% products``."""
    names = {
        "share_of_product_rate": "products",
        "share_of_memory_rate": "memory",
        "share_of_random_numbers": "random numbers",
    }
    return ", ".join(
        f"{measured[key]:.0%} {words}" for key, words in names.items() if key in measured
    )


def _linear(root: Path) -> Iterator[list[str]]:
    measured = read(root, "linear_speed")
    titles = {
        "all_rows / fast, one set of draws for all sigma2": "one set of draws for all σ², one core",
        "all_rows / fast, own draws for each sigma2": "own draws for each σ², one core",
        "all_rows / fast, own draws for each sigma2, two cores": "own draws for each σ², two cores",
    }
    for key, title in titles.items():
        if key in measured.get("ratios", {}):
            yield [
                f"the whole linear grid, {title}",
                "`numpy.linalg.lstsq` for each fit",
                speedup(measured["ratios"][key]),
                "",
                share_of_limits(measured["limits"])
                if title == "own draws for each σ², one core"
                else "",
            ]


def _training(root: Path) -> Iterator[list[str]]:
    for model, measured in read(root, "training_speed").get("models", {}).items():
        ours = [f"{measured['ours_tokens_per_s']:,} tokens/s", share_of_limits(measured)]
        for key, words in (
            ("trainer", "the same batches"),
            ("trainer_grouped", "batches of similar length"),
        ):
            yield [
                f"training, {model_title(model)}",
                f"`transformers.Trainer`, {words}",
                speedup(**measured[f"ours / {key}"]),
                *ours,
            ]
            ours = ["", ""]


def model_title(model: str) -> str:
    """``llama 1M`` as Llama 1M, ``gpt2 1M`` as GPT-2 1M."""
    return model.replace("llama", "Llama").replace("gpt2", "GPT-2")


def _sampling(root: Path) -> Iterator[list[str]]:
    for model, measured in read(root, "sampling_speed").get("models", {}).items():
        if "summary" in measured:
            summary = measured["summary"]
            ours, theirs = summary["ours"], summary["generate"]
            memory = (
                f"{ours['sampling_mb']:.0f} MB of memory against {theirs['sampling_mb']:.0f} MB"
            )
            _, batch = measured["best"]["ours"].split()
            their_cache, their_batch = measured["best"]["generate"].split()
            yield [
                f"sampling stories, {model_title(model)}, batch {batch}",
                f"`generate`, best setting ({their_cache} cache, batch {their_batch})",
                speedup(**summary["ratio"]),
                f"{ours['stories_per_s']:.0f} stories/s; {memory}",
                share_of_limits(summary),
            ]


def _images(root: Path) -> Iterator[list[str]]:
    for preset, measured in read(root, "image_speed").items():
        ratio = dict(measured["ours / better loader"])
        workers = "two workers" if ratio.pop("better").endswith("workers") else "no worker"
        yield [
            f"training the VAE of `{preset}`",
            f"a `DataLoader` that decodes JPEGs, {workers}",
            speedup(**ratio),
            f"{measured['ours_images_per_s']:,} images/s; sampling takes "
            f"{measured['sampling_as_share_of_fit']:.1%} of a fit",
            share_of_limits(measured),
        ]


def _molecules(root: Path) -> Iterator[list[str]]:
    measured = read(root, "molecule_speed")
    names = {
        "public": "`torch_geometric`, edges rebuilt at every step",
        "float": "the same, with a floating-point adjacency matrix",
        "cached": "the same, edges up to order 3 computed in advance",
    }
    for step in ("training", "sampling"):
        runs = measured.get(step, {}).get("all", {})
        for rival, title in names.items():
            if rival not in runs:
                continue
            if step == "sampling":
                title = "`torch_geometric`, radius graph rebuilt and merged at every step"
            pairs = zip(runs[rival], runs["ours"], strict=True)
            ratios = sorted(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)
            rate = measured[step]["conformations_per_second"]["ours"]
            limits = share_of_limits(measured.get("limits", {}).get(step, {}))
            yield [
                f"{step}, GeoDiff at the paper's width",
                title,
                speedup(statistics.median(ratios), ratios[0], ratios[-1]),
                *((f"{rate:.1f} conformations/s", limits) if rival == "public" else ("", "")),
            ]


def _runs(root: Path) -> Iterator[list[str]]:
    for name, measured in read(root, "checkpoint_cost").items():
        section, preset = name.split()
        step = f"a checkpoint every minute, {section} at `{preset}`"
        yield [step, "no checkpoint", "", f"{measured['share_at_60_s']:.2%} of a run", ""]


def ratios(root: Path) -> str:
    """Our speed / that of the usual way, one row for each step; empty if nothing was measured."""
    rows = [
        row
        for part in (_linear, _training, _sampling, _images, _molecules, _runs)
        for row in part(root)
    ]
    if not rows:
        return ""
    table = markdown(
        ("step", "compared with", "times as fast", "our rate", "of the machine's limit"), rows
    )
    caption = (
        "Speed of the package, divided by that of the second column. Above 1, the package is "
        "faster. The last column has the share of our time that the step would take at the "
        "machine's rate of large matrix products, and of reading memory or drawing random numbers "
        "where these count."
    )
    return captioned(table, caption, "table-speed")


def memory(root: Path) -> str:
    """Peak memory by iteration, one row for each chain; empty if nothing was measured."""
    measured = read(root, "memory")
    if not measured:
        return ""
    iterations = [key for key in next(iter(measured.values())) if key.startswith("t = ")]
    rows = []
    for name, row in measured.items():
        section, _, regime = name.partition(" ")
        peaks = [f"{row[t]['without_mapped_files_mb']:,} MB" for t in iterations]
        disk = f"{row['generations_on_disk_mb']:,.0f} MB"
        rows.append((f"{section}, {regime.replace('_', ' ')}", *peaks, disk))
    table = markdown(
        ("chain", *(key.replace("t = ", "fit ") for key in iterations), "generations on disk"), rows
    )
    caption = (
        "Peak memory of a chain up to a fit, without the files that it maps. It levels off after "
        "a few fits."
    )
    return captioned(table, caption, "table-memory")


def gpu(root: Path) -> str:
    """Speed on a GPU, one row for each model and step; a sentence if none was measured yet."""
    measured = read(root, "gpu")
    if not measured:
        return (
            "The speed on a GPU is not yet measured. `python benchmarks/gpu.py` measures it on a "
            "machine that has one.\n"
        )
    steps = {"training": "`transformers.Trainer`", "sampling": "`generate`, static cache"}
    rows = [
        (
            f"{step}, {name}",
            against,
            speedup(**model[step]["ratio"]),
            f"{model[step]['tokens_per_s']:,} tokens/s; {model[step]['share_of_peak']:.1%} of peak",
        )
        for name, model in measured["models"].items()
        for step, against in steps.items()
    ]
    rows += [
        (
            f"{name} at `colab`",
            "",
            "",
            "; ".join(
                f"{rates[step]:,} items/s {word}"
                for step, word in (
                    ("trained_items_per_s", "trained"),
                    ("sampled_items_per_s", "sampled"),
                )
                if rates[step]  # none where fits have a fixed number of steps
            ),
        )
        for name, rates in measured["presets"].items()
    ]
    table = markdown(("step", "compared with", "times as fast", "rate"), rows)
    return captioned(table, f"Speed on one {measured['device']}.", "table-gpu-speed")


TRIALS = {
    "kills": "`kill -9` at a random moment of a tiny chain of a random section, then resumed",
    "damages": "one file of a finished or of a stopped run damaged, then read and resumed",
    "inputs": "a value on the command line that cannot be used",
    "forged": "a run directory that a stranger has written, then collected",
}
BAD_ENDINGS = ("different", "traceback", "hang")
ENDINGS = {
    "the same bits": "ended with the same bits",
    "ended before the kill": "had ended before the kill",
    "named in one line": "stopped with one line that names the file",
    "one line, status 2": "refused with one line and exit status 2, nothing on the disk",
    "refused in one line": "refused with one line, nothing read or written outside",
}


def torture(root: Path) -> str:
    """How the trials of ``make torture`` ended, one row for each kind of trial."""
    trials = read(root, "torture")
    rows = []
    for name, title in TRIALS.items():
        if name in trials:
            counts = trials[name]
            ends = [f"{counts[end]:,} {text}" for end, text in ENDINGS.items() if end in counts]
            bad = sum(counts.get(end, 0) for end in BAD_ENDINGS)
            rows.append((title, f"{counts['tried']:,}", "; ".join(ends), f"{bad:,}"))
    if not rows:
        return NO_BENCHMARKS
    table = markdown(
        ("what was done", "trials", "how they ended", "badly"), rows, ("trials", "badly")
    )
    caption = (
        "Trials by `make torture`. *Badly* counts other numbers, tracebacks, and what did not end "
        "within five minutes."
    )
    return captioned(table, caption, "table-torture")


def speed_page(root: Path) -> str:
    """All tables of the page on speed."""
    parts = [part for part in (ratios(root), memory(root)) if part]
    return "\n".join([*parts, gpu(root)]) if parts else NO_BENCHMARKS


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def make_times(root: Path) -> str:
    """A paragraph on the time, memory and disk of ``make book`` and ``make test``; empty if these
    were not measured.
    """
    measured = read(root, "front_door")
    if not measured:
        return ""
    install, book, again, test = (
        measured[name] for name in ("install", "book", "book again", "test")
    )
    return (
        f"On {measured['machine']['cores']} cores and no GPU, the installation takes "
        f"{_minutes(install['seconds'])} and {install['disk_mb'] / 1000:.1f} GB of disk, once. "
        f"`make book` takes {_minutes(book['seconds'])} and {book['peak_memory_mb'] / 1000:.1f} GB "
        f"of memory, and {_minutes(again['seconds'])} when nothing has changed. `make test` takes "
        f"{_minutes(test['seconds'])} and {test['peak_memory_mb'] / 1000:.1f} GB. All of it leaves "
        f"{test['disk_mb'] / 1000:.1f} GB on the disk.\n"
    )
