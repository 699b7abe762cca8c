"""What the benchmarks measured: book/_generated/speed.md and the README's line on its commands.

Reads the files in benchmarks/results; a benchmark that has not been run has no row.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from collapse_utils.durable.files import read_json

from .tables import captioned, markdown

RESULTS = Path("benchmarks") / "results"
NOTHING = "No benchmark has been run yet.\n"


def read(root: Path, name: str) -> dict:
    """The content of one benchmark's file; empty if there is none."""
    path = root / RESULTS / f"{name}.json"
    return read_json(path) if path.is_file() else {}


def times(median: float, low: float | None = None, high: float | None = None) -> str:
    """A ratio with its range, such as ``4.2 (3.9 to 4.5)``; the range does not break over lines."""
    digits = 0 if median >= 100 else 1 if median >= 10 else 2
    shown = f"{median:.{digits}f}"
    return (
        shown
        if low is None or high is None
        else f"{shown} ({low:.{digits}f}\u00a0to\u00a0{high:.{digits}f})"
    )


def _linear(root: Path) -> Iterator[list[str]]:
    ratios = read(root, "linear_speed").get("ratios", {})
    words_of = {
        "all_rows / fast, one set of draws for all sigma2": "one set of draws for all σ²",
        "all_rows / fast, own draws for each sigma2": "own draws for each σ²",
    }
    for key, words in words_of.items():
        if key in ratios:
            yield [
                "the whole linear grid, " + words,
                "`numpy.linalg.lstsq` for each fit",
                times(ratios[key]),
                "",
            ]


def _training(root: Path) -> Iterator[list[str]]:
    for model, measured in read(root, "training_speed").get("models", {}).items():
        ours = (
            f"{measured['ours_tokens_per_s']:,} tokens/s; {measured['share_of_matmul_rate']:.0%} "
            "of the rate of matrix products"
        )
        for key, words in (
            ("trainer", "the same batches"),
            ("trainer_grouped", "batches of similar length"),
        ):
            ratio = measured[f"ours / {key}"]
            yield [
                f"training, {model.capitalize()}",
                f"`transformers.Trainer`, {words}",
                times(**ratio),
                ours,
            ]
            ours = ""


def _sampling(root: Path) -> Iterator[list[str]]:
    for model, measured in read(root, "sampling_speed").get("models", {}).items():
        if "summary" in measured:
            summary = measured["summary"]
            ours, theirs = summary["ours"], summary["generate"]
            memory = (
                f"{ours['sampling_mb']:.0f} MB of memory against {theirs['sampling_mb']:.0f} MB"
            )
            note = f"{ours['stories_per_s']:.0f} stories/s; {memory}"
            cache, batch = measured["best"].split()
            against = f"`generate`, best setting ({cache} cache, batch {batch})"
            yield [
                f"sampling stories, {model.capitalize()}",
                against,
                times(**summary["ratio"]),
                note,
            ]


def _images(root: Path) -> Iterator[list[str]]:
    for preset, measured in read(root, "image_speed").items():
        ratio = dict(measured["ours / better loader"])
        workers = "two workers" if ratio.pop("better").endswith("workers") else "no worker"
        against = f"a `DataLoader` that decodes JPEGs, {workers}"
        note = (
            f"{measured['ours_images_per_s']:,} images/s; sampling takes "
            f"{measured['sampling_as_share_of_fit']:.1%} of a fit"
        )
        yield [f"training the VAE of `{preset}`", against, times(**ratio), note]


def _molecules(root: Path) -> Iterator[list[str]]:
    measured = read(root, "molecule_speed")
    names = {
        "public": "`torch_geometric`, edges rebuilt at every step",
        "float": "the same, with a floating-point adjacency matrix",
        "cached": "the same, edges up to order 3 computed in advance",
    }
    for part in ("training", "sampling"):
        runs = measured.get(part, {}).get("all", {})
        for side, against in names.items():
            if side in runs:
                if part == "sampling":
                    against = "`torch_geometric`, radius graph rebuilt and merged at every step"
                pairs = zip(runs[side], runs["ours"], strict=True)
                ratios = sorted(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)
                note = (
                    f"{measured[part]['conformations_per_second']['ours']:.1f} conformations/s"
                    if side == "public"
                    else ""
                )
                ratio = times(statistics.median(ratios), ratios[0], ratios[-1])
                yield [f"{part}, GeoDiff at the paper's width", against, ratio, note]


def _runs(root: Path) -> Iterator[list[str]]:
    for name, measured in read(root, "checkpoint_cost").items():
        section, preset = name.split()
        share = f"{measured['share_at_60_s']:.2%} of a run"
        yield [f"a checkpoint every minute, {section} at `{preset}`", "no checkpoint", "", share]


def ratios(root: Path) -> str:
    """Ours against the usual way, a row each; empty if nothing was measured."""
    rows = [
        row
        for part in (_linear, _training, _sampling, _images, _molecules, _runs)
        for row in part(root)
    ]
    if not rows:
        return ""
    table = markdown(("step", "compared with", "times as fast", "note"), rows)
    caption = (
        "Speed of the package, divided by that of the second column. Above 1, the package is "
        "faster."
    )
    return captioned(table, caption, "table-speed")


def memory(root: Path) -> str:
    """Peak memory by iteration, a row a chain; empty if nothing was measured."""
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
    """What a GPU does, a row a model and step; a sentence if no GPU was measured yet."""
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
            times(**model[step]["ratio"]),
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


TORTURE = {
    "kills": "`kill -9` at a random moment of a tiny chain of a random section, then resumed",
    "damages": "one file of a finished or of a stopped run damaged, then read and resumed",
    "inputs": "a value on the command line that cannot be used",
    "forged": "a run directory that a stranger has written, then collected",
}
BAD = ("different", "traceback", "hang")
ENDINGS = {
    "the same bits": "ended with the same bits",
    "ended before the kill": "had ended before the kill",
    "named in one line": "stopped with one line that names the file",
    "one line, status 2": "refused with one line and exit status 2, nothing on the disk",
    "refused in one line": "refused with one line, nothing read or written outside",
}


def torture(root: Path) -> str:
    """How the trials of ``make torture`` ended, a row a kind; empty if there were none."""
    trials = read(root, "torture")
    rows = []
    for name, words in TORTURE.items():
        if name in trials:
            counts = trials[name]
            ends = [f"{counts[end]:,} {text}" for end, text in ENDINGS.items() if end in counts]
            bad = sum(counts.get(end, 0) for end in BAD)
            rows.append((words, f"{counts['tried']:,}", "; ".join(ends), f"{bad:,}"))
    if not rows:
        return NOTHING
    table = markdown(
        ("what was done", "trials", "how they ended", "badly"), rows, ("trials", "badly")
    )
    caption = (
        "Trials by `make torture`. *Badly* counts other numbers, tracebacks, and what did not end "
        "within five minutes."
    )
    return captioned(table, caption, "table-torture")


def page(root: Path) -> str:
    """The content of the page's include."""
    parts = [part for part in (ratios(root), memory(root)) if part]
    return "\n".join([*parts, gpu(root)]) if parts else NOTHING


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def front_door(root: Path) -> str:
    """One paragraph on what ``make book`` and ``make test`` take; empty if not measured."""
    measured = read(root, "front_door")
    if not measured:
        return ""
    install, book, again, test = (
        measured[name] for name in ("install", "book", "book again", "test")
    )
    return (
        f"Measured on a machine with {measured['machine']['cores']} cores and no GPU: the "
        f"installation, once, {_minutes(install['seconds'])} and {install['disk_mb'] / 1000:.1f} "
        f"GB of disk; then `make book` {_minutes(book['seconds'])}, with at most "
        f"{book['peak_memory_mb'] / 1000:.1f} GB of memory, and again {_minutes(again['seconds'])} "
        f"when nothing has changed; `make test` {_minutes(test['seconds'])} and "
        f"{test['peak_memory_mb'] / 1000:.1f} GB.  All of it leaves {test['disk_mb'] / 1000:.1f} "
        "GB on the disk.\n"
    ).replace("  ", " ")
