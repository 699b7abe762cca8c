"""Stories per second: the book's sampler and ``generate`` of ``transformers``, one model.

Models of the ``cpu`` preset's shape and near it are trained as that preset does, on the embedded
Bible text, so that stories end where a trained model ends them.  Both sides sample the same number
of stories at temperature 1 up to the same length, in float32, and both get their best setting
first (``sweep``): the fastest batch size, and for ``generate`` the dynamic or the static cache.
Then the sides alternate (``race``), each in a process of its own that reports its time without
loading, its peak memory (with that of its children), and the lengths of its stories, which must
agree.  Ratios are those of runs that stood next to each other.  Every call adds its rounds to
``benchmarks/results/sampling_speed.json``, so that a long measurement can be taken in pieces; a new
sweep starts a model's record afresh.

Our operations a token are two for every parameter that it is multiplied by, and the bytes are the
keys and values of the story so far, and the weights once a step.

    python benchmarks/sampling_speed.py train             # some minutes a model, kept in build/
    python benchmarks/sampling_speed.py sweep [--model "llama 1M"]
    python benchmarks/sampling_speed.py race [--rounds 5] [--model "llama 1M"]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "sampling_speed.json"
KEPT = ROOT / "build" / "sampling_speed"
SHAPES: dict[str, dict] = {
    "smoke": {},
    "cpu": {},
    "1M": {"layers": 4, "hidden": 128, "heads": 4, "ffn": 512, "vocabulary": 2048},
    "3M": {"layers": 6, "hidden": 192, "heads": 6, "ffn": 768, "vocabulary": 2048},
}
RACED = ("llama 1M", "gpt2 1M", "llama 3M")
TRAINED = (*RACED, "llama cpu")  # the last for sampling_batch.py
MAX_LENGTH, END = 256, 0
SIDES = ("ours", "generate")
BATCHES = {"dynamic": (32, 64), "static": (64, 128), "ours": (64, 128, 256)}
# of ``generate`` in a sweep, and of both sides in a race: whole batches of ``generate``
SWEPT, STORIES = 128, {"1M": 256, "3M": 128}


def folder(name: str) -> Path:
    return KEPT / name.replace(" ", "-")


def configuration(name: str):
    """The configuration of a shape: the preset ``smoke``, or ``cpu`` with another network."""
    import dataclasses

    from collapse_utils.language.config import PRESETS

    architecture, shape = name.split()
    preset = PRESETS["smoke" if shape == "smoke" else "cpu"]
    return dataclasses.replace(preset, architecture=architecture, **SHAPES[shape])


def train(name: str, threads: int) -> None:
    """Fit a model as its preset does and keep it."""
    import dataclasses

    from collapse_utils.durable.checkpoints import Checkpoint
    from collapse_utils.language.section import make

    config = dataclasses.replace(configuration(name), threads=threads)
    section = make(config, data="bible", seed=0, cache=KEPT / "cache")
    started = time.perf_counter()
    model = section.fit(section.real_data()[0], 0, Checkpoint(folder(name) / "checkpoint"))
    model.save_pretrained(folder(name))
    print(f"{name}: trained in {time.perf_counter() - started:.0f} s")


def memory_mb() -> float:
    """Memory of this process and its children; a page that several of them share counts once."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children()]:
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += process.memory_full_info().pss
    return total / 1e6


class Watch:
    """The largest :func:`memory_mb` while it runs, looked at a few times a second."""

    def __init__(self):
        self.most, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.wait(0.3):
            self.most = max(self.most, memory_mb())

    def peak(self) -> float:
        self.over.set()
        self.thread.join()
        return self.most


def sample(side: str, name: str, batch: int, cache: str, count: int, threads: int) -> dict:
    """One measurement, in this process."""
    import numpy as np
    import torch
    from rivals import generate
    from transformers import AutoModelForCausalLM

    from collapse_utils.language.sampler.sample import sample_stories

    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder(name), attn_implementation="sdpa").eval()

    def theirs(stories: int, length: int) -> np.ndarray:
        return generate(model, stories, length=length, batch=batch, cache=cache, end=END)

    def ours(stories: int, length: int) -> np.ndarray:
        _, offsets = sample_stories(
            model, stories, max_length=length, bos=END, eos=END, seed=1, batch=batch
        )
        return np.diff(offsets)

    run = {"ours": ours, "generate": theirs}[side]
    torch.manual_seed(1)
    run(4, 16)  # libraries load
    loaded, watch = memory_mb(), Watch()
    started = time.perf_counter()
    lengths = run(count, MAX_LENGTH)
    seconds = time.perf_counter() - started
    peak, fed = watch.peak(), lengths.sum() - count
    return {
        "stories_per_s": round(count / seconds, 2),
        "tokens_per_s": round(float(fed) / seconds),
        "peak_mb": round(peak),
        "sampling_mb": round(peak - loaded),
        "mean_length": round(float(lengths.mean()), 1),
        "standard_error": round(float(lengths.std() / len(lengths) ** 0.5), 2),
        # how many tokens came before one, in the mean over all that were drawn
        "mean_position": round(float(((lengths - 1) * (lengths - 2) / 2).sum() / fed), 1),
        "at_the_limit": round(float((lengths == MAX_LENGTH).mean()), 3),
    }


def measure(side: str, name: str, batch: int, cache: str, threads: int, count: int) -> dict:
    """The same in a process of its own."""
    from sides import Side

    words = ["one", "--side", side, "--model", name, "--batch", batch, "--cache", cache]
    words += ["--count", count]
    process = Side(__file__, [*words, "--threads", threads], threads)
    try:
        return process.measure()
    finally:
        process.close()


def record() -> dict:
    return json.loads(OUT.read_text()) if OUT.exists() else {"models": {}}


def write(report: dict) -> None:
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")


def sweep(name: str, threads: int) -> None:
    """The fastest setting of each side."""
    settings: dict[str, dict[str, float]] = {"ours": {}, "generate": {}}
    for cache, batches in BATCHES.items():
        side = "ours" if cache == "ours" else "generate"
        for batch in batches:
            # ours does not sample in whole batches, so its end must weigh as in the race
            count = STORIES[name.split()[1]] if side == "ours" else SWEPT
            rate = measure(side, name, batch, cache, threads, count)["stories_per_s"]
            settings[side][f"{cache} {batch}"] = rate
            print(name, cache, batch, rate, flush=True)
    report = record()
    report.update({"threads": threads, "max_length": MAX_LENGTH})
    report["models"][name] = {
        "settings": settings,
        "best": {side: max(rates, key=rates.get) for side, rates in settings.items()},
        "rounds": [],
    }
    write(report)


FIELDS = ("stories_per_s", "tokens_per_s", "peak_mb", "sampling_mb", "mean_length", "at_the_limit")


def race(name: str, rounds: int, threads: int) -> None:
    """Rounds of both sides, and the summary of all rounds so far."""
    report = record()
    if name not in report["models"]:
        raise SystemExit(f"sweep {name!r} first")
    mine = report["models"][name]
    mine["stories"] = STORIES[name.split()[1]]
    for number in range(rounds):
        pair = {}
        for side in ("ours", "generate") if number % 2 else ("generate", "ours"):
            cache, batch = mine["best"][side].split()
            pair[side] = measure(side, name, int(batch), cache, threads, mine["stories"])
        mine["rounds"].append(pair)
        print(name, pair, flush=True)
        mine["summary"] = summary(mine, name, threads)
        write(report)
    print(name, json.dumps(mine.get("summary", {})), flush=True)


def summary(mine: dict, name: str, threads: int) -> dict:
    """Ratio, medians, shares of the machine's limits, and whether the lengths agree."""
    from rivals import ratio

    rounds = mine["rounds"]
    rates = {side: [one[side]["stories_per_s"] for one in rounds] for side in SIDES}
    apart = [
        (one["ours"]["mean_length"] - one["generate"]["mean_length"])
        / (one["ours"]["standard_error"] ** 2 + one["generate"]["standard_error"] ** 2) ** 0.5
        for one in rounds
    ]
    middle = {
        side: {field: statistics.median(one[side][field] for one in rounds) for field in FIELDS}
        for side in SIDES
    }
    batch = int(mine["best"]["ours"].split()[1])
    tokens, position = middle["ours"]["tokens_per_s"], rounds[0]["ours"]["mean_position"]
    return {
        "ratio": ratio(rates["ours"], rates["generate"]),
        **middle,
        **shares(name, tokens, position, batch, threads),
        "mean_lengths_apart_in_standard_errors": [round(z, 1) for z in apart],
    }


def shares(name: str, tokens: float, position: float, batch: int, threads: int) -> dict:
    """The machine's limits, and the shares of them that ``tokens`` per second take."""
    import limits
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder(name))
    weights = limits.matrix_parameters(model)
    shape = model.config
    kept = 2 * shape.num_hidden_layers * shape.hidden_size * position
    products, memory = limits.product_rate(threads), limits.memory_rate(threads)
    return {
        "limit_gflops": round(products / 1e9, 1),
        "limit_gb_per_s": round(memory / 1e9, 1),
        "share_of_product_rate": round(2 * weights * tokens / products, 3),
        "share_of_memory_rate": round(4 * (kept + weights / batch) * tokens / memory, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "sweep", "race", "one"))
    parser.add_argument("--model", choices=TRAINED)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what == "one":
        from sides import serve

        own = options.side, options.model, options.batch, options.cache
        serve(lambda: sample(*own, options.count, options.threads))
        return
    every = TRAINED if options.what == "train" else RACED
    for name in [options.model] if options.model else every:
        if options.what == "train":
            train(name, options.threads)
        elif options.what == "sweep":
            sweep(name, options.threads)
        else:
            race(name, options.rounds, options.threads)


if __name__ == "__main__":
    main()
