"""Stories per second: the book's sampler and ``generate`` of ``transformers``, one model.

Models of the ``cpu`` preset's shape and near it are trained as that preset does, on the embedded
Bible text, so that stories end where a trained model ends them.  Both sides sample the same number
of stories at temperature 1 up to the same length, in float32.  ``generate`` gets its best setting
first: the fastest batch size with the dynamic and with the static cache (``sweep``).  Then the
sides alternate (``race``), each in a process of its own that reports its time without loading, its
peak memory (with that of its children), and the lengths of its stories, which must agree.  Ratios
are those of runs that stood next to each other.  Every call adds its rounds to
``benchmarks/results/sampling_speed.json``, so that a long measurement can be taken in pieces; a new
sweep starts a model's record afresh.

    python benchmarks/sampling_speed.py train             # some minutes a model, kept in build/
    python benchmarks/sampling_speed.py sweep [--model "llama 1M"]
    python benchmarks/sampling_speed.py race [--rounds 5] [--model "llama 1M"]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "sampling_speed.json"
KEPT = ROOT / "build" / "sampling_speed"
MODELS = {
    "llama 1M": {"architecture": "llama", "layers": 4, "hidden": 128, "heads": 4, "ffn": 512},
    "gpt2 1M": {"architecture": "gpt2", "layers": 4, "hidden": 128, "heads": 4, "ffn": 512},
    "llama 3M": {"architecture": "llama", "layers": 6, "hidden": 192, "heads": 6, "ffn": 768},
}
MAX_LENGTH, END = 256, 0
BATCHES = {"dynamic": (32, 64, 128, 256), "static": (64, 128, 256)}
STORIES = {"sweep": 256, "race": 1024}
OURS = 128  # our batch


def folder(name: str) -> Path:
    return KEPT / name.replace(" ", "-")


def train(name: str, threads: int) -> None:
    """Fit a model as the ``cpu`` preset does and keep it."""
    import dataclasses

    from collapse_utils.durable.checkpoints import Checkpoint
    from collapse_utils.language.config import PRESETS
    from collapse_utils.language.section import make

    config = dataclasses.replace(
        PRESETS["cpu"],
        **MODELS[name],
        vocabulary=2048,
        max_length=MAX_LENGTH,
        positions=0,
        threads=threads,
    )
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
    peak = watch.peak()
    return {
        "stories_per_s": round(count / seconds, 2),
        "tokens_per_s": round(float(lengths.sum() - count) / seconds),
        "peak_mb": round(peak),
        "sampling_mb": round(peak - loaded),
        "mean_length": round(float(lengths.mean()), 1),
        "standard_error": round(float(lengths.std() / len(lengths) ** 0.5), 2),
        "at_the_limit": round(float((lengths == MAX_LENGTH).mean()), 3),
    }


def measure(side: str, name: str, batch: int, cache: str, count: int, threads: int) -> dict:
    """The same in a process of its own."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_OFFLINE": "1",
    }
    words = [
        "one",
        "--side",
        side,
        "--model",
        name,
        "--batch",
        batch,
        "--cache",
        cache,
        "--count",
        count,
    ]
    words = [sys.executable, __file__, *map(str, words), "--threads", str(threads)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def record() -> dict:
    return json.loads(OUT.read_text()) if OUT.exists() else {"models": {}}


def write(report: dict) -> None:
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")


def sweep(name: str, threads: int) -> None:
    """The fastest setting of ``generate``."""
    rates = {}
    for cache, batches in BATCHES.items():
        for batch in batches:
            rates[f"{cache} {batch}"] = measure(
                "generate", name, batch, cache, STORIES["sweep"], threads
            )["stories_per_s"]
            print(name, cache, batch, rates[f"{cache} {batch}"], flush=True)
    report = record()
    report.update(
        {
            "threads": threads,
            "max_length": MAX_LENGTH,
            "stories": STORIES["race"],
            "our_batch": OURS,
        }
    )
    report["models"][name] = {
        "generate_settings": rates,
        "best": max(rates, key=rates.get),
        "rounds": [],
    }
    write(report)


def race(name: str, rounds: int, threads: int) -> None:
    """Rounds of both sides, and the summary of all rounds so far."""
    from rivals import ratio

    report = record()
    if name not in report["models"]:
        raise SystemExit(f"sweep {name!r} first")
    mine = report["models"][name]
    cache, batch = mine["best"].split()
    for number in range(rounds):
        pair = {}
        for side in ("ours", "generate") if number % 2 else ("generate", "ours"):
            size = OURS if side == "ours" else int(batch)
            pair[side] = measure(side, name, size, cache, STORIES["race"], threads)
        mine["rounds"].append(pair)
        rates = {side: [one[side]["stories_per_s"] for one in mine["rounds"]] for side in pair}
        print(name, f"{rates['ours'][-1] / rates['generate'][-1]:.2f}", pair, flush=True)
        apart = [
            (one["ours"]["mean_length"] - one["generate"]["mean_length"])
            / (one["ours"]["standard_error"] ** 2 + one["generate"]["standard_error"] ** 2) ** 0.5
            for one in mine["rounds"]
        ]
        mine["summary"] = {
            "ratio": ratio(rates["ours"], rates["generate"]),
            **{
                side: {
                    field: statistics.median(one[side][field] for one in mine["rounds"])
                    for field in (
                        "stories_per_s",
                        "tokens_per_s",
                        "peak_mb",
                        "sampling_mb",
                        "mean_length",
                        "at_the_limit",
                    )
                }
                for side in ("ours", "generate")
            },
            "mean_lengths_apart_in_standard_errors": [round(z, 1) for z in apart],
        }
        write(report)
    print(name, json.dumps(mine.get("summary", {})), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "sweep", "race", "one"))
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=("ours", "generate"), help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=OURS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", default="dynamic", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=STORIES["race"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what == "one":
        arguments = (
            options.side,
            options.model,
            options.batch,
            options.cache,
            options.count,
            options.threads,
        )
        print(json.dumps(sample(*arguments)))
        return
    for name in [options.model] if options.model else MODELS:
        if options.what == "train":
            train(name, options.threads)
        elif options.what == "sweep":
            sweep(name, options.threads)
        else:
            race(name, options.rounds, options.threads)


if __name__ == "__main__":
    main()
