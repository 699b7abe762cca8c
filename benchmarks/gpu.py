"""What a GPU does: training and sampling against ``transformers``, and the rates of the presets.

For the shapes of the paper's GPT-2 (9M) and Llama (12M): tokens per second of training, ours and
``transformers.Trainer``'s, and of sampling, ours and ``generate``'s with its static cache.  Sides
alternate in one process; ratios are those of rounds that stood next to each other.  The share of
the card's peak is 6 (training) or 2 (sampling) operations a parameter and token over the rate of
large matrix products in the same number format, measured here.  Then items per second of every
neural section at ``colab``.  Writes ``benchmarks/results/gpu.json``, which the page on speed shows.

    python benchmarks/gpu.py [--rounds 5] [--device cpu --small]

``--device cpu --small`` goes through the same code with tiny models, and prints instead of writing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rivals
import torch
from rivals import clock

from collapse_utils import sections
from collapse_utils.language.config import PRESETS
from collapse_utils.language.model import build
from collapse_utils.language.sampler.gpu import precision
from collapse_utils.language.sampler.sample import sample_stories
from collapse_utils.sweeps import estimate

OUT = Path(__file__).parent / "results" / "gpu.json"
SHAPES = {"gpt2 9M": "gpt2", "llama 12M": "llama"}
END = 0


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is timed."""

    warm: int  # steps that are not counted
    steps: int
    batch: int  # stories a training step
    stories: int  # sampled
    slots: int  # stories sampled at once
    length: int
    matrix: int
    repeats: int


FULL = Size(20, 200, 32, 4096, 512, 512, 8192, 20)
SMALL = Size(1, 4, 4, 8, 4, 32, 128, 2)


def model_of(name: str, size: Size, small: bool) -> torch.nn.Module:
    config = PRESETS["smoke" if small else "colab"]
    shape = {key: getattr(config, key) for key in ("layers", "hidden", "heads", "ffn")}
    return build(
        SHAPES[name], **shape, vocabulary=config.vocabulary, max_length=size.length, seed=0
    )


def batches_of(size: Size, vocabulary: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stories whose lengths resemble TinyStories' (mean 200 tokens), as (values, offsets)."""
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(size.warm + size.steps):
        lengths = np.clip(
            rng.normal(200, 60, size.batch).astype(int), size.length // 8, size.length
        )
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        batches.append((rng.integers(1, vocabulary, offsets[-1]).astype(np.uint16), offsets))
    return batches


def sampling_ours(model: torch.nn.Module, size: Size) -> float:
    """Tokens per second of our sampler."""

    def tell(stories: int) -> np.ndarray:
        options = {"max_length": size.length, "bos": END, "eos": END, "batch": size.slots}
        return np.diff(sample_stories(model, stories, seed=1, **options)[1])

    return rate(tell, model.device, size)


def sampling_theirs(model: torch.nn.Module, size: Size) -> float:
    """Tokens per second of ``generate`` in the same number format."""
    model.set_attn_implementation("sdpa")
    model = model.to(precision(model.device)).eval()
    options = {"length": size.length, "batch": size.slots, "cache": "static", "end": END}
    return rate(lambda stories: rivals.generate(model, stories, **options), model.device, size)


def rate(tell: Callable[[int], np.ndarray], device: torch.device, size: Size) -> float:
    """Tokens per second of ``tell``, which samples stories and returns their lengths."""
    tell(min(size.slots, size.stories))  # graphs are captured, caches made
    started = clock(device)
    lengths = tell(size.stories)
    return float(lengths.sum() - size.stories) / (clock(device) - started)


def peak(device: torch.device, dtype: torch.dtype, size: Size) -> float:
    """Operations per second of large matrix products: the most that this card gives."""
    a = torch.randn(size.matrix, size.matrix, device=device, dtype=dtype)
    for _ in range(3):
        a @ a
    started = clock(device)
    for _ in range(size.repeats):
        a @ a
    return size.repeats * 2 * size.matrix**3 / (clock(device) - started)


def summary(ours: list[float], theirs: list[float], operations: float, best: float) -> dict:
    return {
        "tokens_per_s": round(statistics.median(ours)),
        "transformers_tokens_per_s": round(statistics.median(theirs)),
        "ratio": rivals.ratio(ours, theirs),
        "share_of_peak": round(operations * statistics.median(ours) / best, 4),
    }


def against_transformers(device: torch.device, size: Size, rounds: int, small: bool) -> dict:
    half, measured = precision(device), {}
    best = {dtype: peak(device, dtype, size) for dtype in {torch.float32, half}}
    for name in SHAPES:

        def fresh(name: str = name) -> torch.nn.Module:
            return model_of(name, size, small).to(device)

        model = fresh()
        parameters = sum(p.numel() for p in model.parameters())
        batches = batches_of(size, model.config.vocab_size)
        sides: dict[str, Callable[[], float]] = {
            "training": lambda: rivals.train_ours(fresh(), batches, size.warm),  # noqa: B023
            "trainer": lambda: rivals.train_theirs(fresh(), batches, size.warm),  # noqa: B023
            "sampling": lambda: sampling_ours(fresh(), size),
            "generate": lambda: sampling_theirs(fresh(), size),
        }
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds):
            for side in list(sides) if number % 2 else reversed(sides):
                rates[side].append(sides[side]())
        measured[name] = {
            "parameters": parameters,
            "training": summary(
                rates["training"], rates["trainer"], 6 * parameters, best[torch.float32]
            ),
            "sampling": summary(rates["sampling"], rates["generate"], 2 * parameters, best[half]),
        }
        print(name, json.dumps(measured[name]), flush=True)
    return measured


def presets(preset: str) -> dict:
    """Items per second of every neural section: a pass of training over them, and sampling."""
    measured = {}
    for name in ("language", "images", "molecules"):
        section, _ = sections.make(name, preset=preset, regime="replace", seed=0)
        rates = estimate.measure(section)
        measured[name] = {
            # none where every fit has the same number of steps, whatever it trains on
            "trained_items_per_s": round(1 / rates.fit_item_s, 1) if rates.fit_item_s else None,
            "sampled_items_per_s": round(1 / rates.sample_item_s, 1),
        }
        print(name, json.dumps(measured[name]), flush=True)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("no NVIDIA GPU was found; --device cpu --small tries the code without one")
    size = SMALL if options.small else FULL
    report = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.processor(),
        "torch": torch.__version__,
        "rounds": options.rounds,
        "models": against_transformers(device, size, options.rounds, options.small),
        "presets": presets("smoke" if options.small else "colab"),
    }
    if not options.small:
        OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
