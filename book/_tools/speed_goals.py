"""Two tables of the page on speed: the goals, and the speed of sampling by batch.

A goal is a ratio on two cores.  Its row says whether the benchmark reached it, and if not, what was
tried.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .benchmarks import model_title, read, speedup
from .tables import captioned, markdown

Ratios = dict[str, float]  # what was measured -> ratio


class Goal(NamedTuple):
    """A ratio that every measurement should reach."""

    title: str
    least: float
    measured: Callable[[Path], Ratios]
    tried: str  # shown if the goal is not reached


def _sampling(root: Path) -> Ratios:
    models = read(root, "sampling_speed").get("models", {})
    return {
        model_title(name): model["summary"]["ratio"]["median"]
        for name, model in models.items()
        if "summary" in model
    }


def _training(rival: str) -> Callable[[Path], Ratios]:
    def measured(root: Path) -> Ratios:
        models = read(root, "training_speed").get("models", {})
        return {
            model_title(name): model[f"ours / {rival}"]["median"] for name, model in models.items()
        }

    return measured


def _vae(root: Path) -> Ratios:
    measured = read(root, "image_speed").get("cpu")
    return {"`cpu`": measured["ours / better loader"]["median"]} if measured else {}


def _linear(root: Path) -> Ratios:
    ratios = read(root, "linear_speed").get("ratios", {})
    key = "all_rows / fast, own draws for each sigma2, two cores"
    return {"the whole grid": ratios[key]} if key in ratios else {}


TRAINING = (
    "Most of a step is matrix products and attention. Undoing the layout by story with a gather "
    "instead of a scattered sum gave equal bits and was not faster. We did not try fused norms and "
    "rotations, since they may round differently and so change published results."
)
GOALS = (
    Goal(
        "sampling a data set of stories / `generate` at its best setting",
        6,
        _sampling,
        "The batch is the fastest of three. Most of a step reads keys and values and multiplies "
        "matrices. Writing keys and values with NumPy or with other operators of torch was hardly "
        "faster. We did not try keys and values of 16 bits, which change results.",
    ),
    Goal("training / `Trainer`, the same batches", 1.5, _training("trainer"), TRAINING),
    Goal(
        "training / `Trainer`, batches of similar length", 1, _training("trainer_grouped"), TRAINING
    ),
    Goal(
        "the small VAE / a `DataLoader` that decodes",
        4,
        _vae,
        "A profile shows convolutions, batch norm and activations, and hardly anything else. We "
        "did not try other kernels for them, since they may change results.",
    ),
    Goal(
        "the linear grid with own draws / one `lstsq` for each fit",
        400,
        _linear,
        "Two threads share the repeats, each with one thread of BLAS. Nearly all of the time is "
        "the subsampled regime: its products, its random numbers and its small systems of "
        "equations. Other algorithms may change the last bits.",
    ),
)


def table(root: Path) -> str:
    """One row for each goal that was measured; empty if none was."""
    rows, count = [], 0
    for goal in GOALS:
        measured = goal.measured(root)
        if measured:
            shown = ", ".join(f"{speedup(ratio)} ({name})" for name, ratio in measured.items())
            met = min(measured.values()) >= goal.least
            verdict = "reached" if met else f"Not reached. {goal.tried}"
            rows.append((goal.title, f"{goal.least:g}", shown, verdict))
            count += met
    if not rows:
        return ""
    reached = f"{count or 'none'} {'are' if count > 1 else 'is'} reached"
    answer = (
        f"Of {len(rows)} goals, {reached} ({{numref}}`table-speed-goals`). We tried only what "
        "leaves every published result equal to the last bit.\n\n"
    )
    caption = (
        "Goals of speed, as ratios on two cores. A goal is reached if every measurement reaches it."
    )
    head = ("ours / theirs", "goal", "measured", "reached, or what was tried")
    return answer + captioned(markdown(head, rows, ("goal",)), caption, "table-speed-goals")


TIMED = {"tokens_per_s_of_a_lane": "steps", "whole_stories_per_s": "a data set"}


def batches(root: Path) -> str:
    """Speed by ``sample_batch`` / that of the presets' batch, by model and number of threads."""
    measured = read(root, "sampling_batch")
    if not measured:
        return ""
    preset, rows, sizes = str(measured["preset"]), [], []
    for name, by_threads in measured["shapes"].items():
        for threads, one in by_threads.items():
            sizes = sizes or list(one["tokens_per_s_of_a_lane"])
            for key, timed in TIMED.items():
                if key in one:
                    cells = _relative(one[key], preset, sizes)
                    rows.append([model_title(name), threads, timed, *cells])
    caption = (
        f"Speed of sampling by `sample_batch`, divided by that of the presets' {preset}. The "
        "fastest batch is bold. *Steps* are those in the middle of a data set; *a data set* has "
        "its end as well, where the batch shrinks."
    )
    head = ("model", "threads", "timed", *sizes)
    table = captioned(markdown(head, rows, ("threads", *sizes)), caption, "table-sampling-batch")
    return f"{_answer(measured['shapes'], preset)}\n\n{table}"


def _answer(shapes: dict[str, dict], preset: str) -> str:
    """A sentence on how much faster the fastest batch is than that of the presets."""
    gains = []
    for by_threads in shapes.values():
        for one in by_threads.values():
            rates = one["tokens_per_s_of_a_lane"]
            gains.append(max(rates.values()) / rates[preset])
    least, most = min(gains), max(gains)
    return (
        f"The presets `smoke`, `cpu` and `trained` sample {preset} stories side by side. The "
        f"fastest of the batches in {{numref}}`table-sampling-batch` is {least:.2f} to {most:.2f} "
        "times as fast."
    )


def _relative(rates: dict[str, float], preset: str, sizes: list[str]) -> list[str]:
    """The rate of each batch size / the preset's, the best in bold; empty if not measured."""
    best = max(rates, key=lambda size: rates[size])
    cells = {size: f"{rate / rates[preset]:.2f}" for size, rate in rates.items()}
    cells[best] = f"**{cells[best]}**"
    return [cells.get(size, "") for size in sizes]
