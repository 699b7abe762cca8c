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
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from collapse_utils import sections
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.language.batches import NAME, batch, token_losses
from collapse_utils.language.config import PRESETS
from collapse_utils.language.model import build
from collapse_utils.language.sampler.gpu import precision
from collapse_utils.language.sampler.sample import sample_stories
from collapse_utils.sweeps import estimate
from collapse_utils.training.loop import Plan, train

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
        SHAPES[name],
        **shape,
        vocabulary=config.vocabulary,
        max_length=size.length,
        seed=0,
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


def predicted(batches: list) -> int:
    return sum(len(values) - len(offsets) + 1 for values, offsets in batches)


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def training_ours(model: torch.nn.Module, batches: list, size: Size) -> float:
    """Tokens per second of ``collapse_utils.training``, the making of the batches included."""
    model.set_attn_implementation(NAME)
    plan = Plan(len(batches), 1e-3, 0.1, 0.1, 0.1, 1.0)
    device, started = model.device, 0.0

    def batch_at(step: int):
        nonlocal started
        if step == size.warm:
            started = clock(device)
        return batch(*batches[step]).to(device)

    with tempfile.TemporaryDirectory() as scratch:
        train(
            model,
            batch_at,
            lambda model, batch: token_losses(model, batch).mean(),
            plan,
            seed=0,
            checkpoint=Checkpoint(Path(scratch)),
            items_a_step=size.batch,
        )
        seconds = clock(device) - started
    return predicted(batches[size.warm :]) / seconds


def training_theirs(model: torch.nn.Module, batches: list, size: Size) -> float:
    """Tokens per second of ``transformers.Trainer`` on the same batches, padding masked."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    pad, device = torch.nn.utils.rnn.pad_sequence, model.device
    ready, marks = [], {}
    for values, offsets in batches:
        rows = [torch.from_numpy(row.astype("int64")) for row in np.split(values, offsets[1:-1])]
        ids = pad(rows, batch_first=True)
        mask = pad([torch.ones_like(row) for row in rows], batch_first=True)
        labels = ids.masked_fill(mask == 0, -100)
        ready.append({"input_ids": ids, "attention_mask": mask, "labels": labels})

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step in (size.warm, len(ready)):
                marks[state.global_step] = clock(device)

    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=1,
            max_steps=len(ready),
            learning_rate=1e-3,
            weight_decay=0.1,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            save_strategy="no",
            report_to="none",
            logging_strategy="no",
            use_cpu=device.type == "cpu",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        options = {"data_collator": lambda rows: rows[0], "callbacks": [Clock()]}
        Trainer(model, arguments, train_dataset=ready, **options).train()
    return predicted(batches[size.warm :]) / (marks[len(ready)] - marks[size.warm])


def sampling_ours(model: torch.nn.Module, size: Size) -> float:
    """Tokens per second of our sampler."""
    options = {"max_length": size.length, "bos": END, "eos": END, "batch": size.slots}
    sample_stories(model, min(size.slots, size.stories), seed=0, **options)  # graphs are captured
    started = clock(model.device)
    _, offsets = sample_stories(model, size.stories, seed=1, **options)
    return float(offsets[-1] - size.stories) / (clock(model.device) - started)


def sampling_theirs(model: torch.nn.Module, size: Size) -> float:
    """Tokens per second of ``generate`` in the same number format."""
    model.set_attn_implementation("sdpa")
    model = model.to(precision(model.device)).eval()

    def tell(count: int) -> int:
        told = 0
        for first in range(0, count, size.slots):
            start = torch.full((min(size.slots, count - first), 1), END, device=model.device)
            with torch.inference_mode():
                tokens = model.generate(
                    start,
                    attention_mask=torch.ones_like(start),
                    do_sample=True,
                    top_k=0,
                    top_p=1.0,
                    max_length=size.length,
                    eos_token_id=END,
                    pad_token_id=END,
                    cache_implementation="static",
                )[:, 1:]
            ended = (tokens == END).int()
            drawn = torch.where(ended.any(1), ended.argmax(1) + 1, tokens.shape[1])
            told += int(drawn.sum())
        return told

    tell(min(size.slots, size.stories))
    started = clock(model.device)
    told = tell(size.stories)
    return told / (clock(model.device) - started)


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
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    return {
        "tokens_per_s": round(statistics.median(ours)),
        "transformers_tokens_per_s": round(statistics.median(theirs)),
        "ratio": {
            "median": round(statistics.median(ratios), 2),
            "low": round(ratios[0], 2),
            "high": round(ratios[-1], 2),
        },
        "share_of_peak": round(operations * statistics.median(ours) / best, 4),
    }


def against_transformers(device: torch.device, size: Size, rounds: int, small: bool) -> dict:
    half, found = precision(device), {}
    best = {dtype: peak(device, dtype, size) for dtype in {torch.float32, half}}
    for name in SHAPES:

        def fresh(name: str = name) -> torch.nn.Module:
            return model_of(name, size, small).to(device)

        model = fresh()
        parameters = sum(p.numel() for p in model.parameters())
        batches = batches_of(size, model.config.vocab_size)
        sides: dict[str, Callable[[], float]] = {
            "training": lambda: training_ours(fresh(), batches, size),  # noqa: B023
            "trainer": lambda: training_theirs(fresh(), batches, size),  # noqa: B023
            "sampling": lambda: sampling_ours(fresh(), size),
            "generate": lambda: sampling_theirs(fresh(), size),
        }
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds):
            for side in list(sides) if number % 2 else reversed(sides):
                rates[side].append(sides[side]())
        found[name] = {
            "parameters": parameters,
            "training": summary(
                rates["training"], rates["trainer"], 6 * parameters, best[torch.float32]
            ),
            "sampling": summary(rates["sampling"], rates["generate"], 2 * parameters, best[half]),
        }
        print(name, json.dumps(found[name]), flush=True)
    return found


def presets(preset: str) -> dict:
    """Items per second of every neural section: a pass of training over them, and sampling."""
    found = {}
    for name in ("language", "images", "molecules"):
        section, _ = sections.make(name, preset=preset, regime="replace", seed=0)
        rates = estimate.measure(section)
        found[name] = {
            "trained_items_per_s": round(1 / rates.fit_item_s, 1) if rates.fit_item_s else None,
            "sampled_items_per_s": round(1 / rates.sample_item_s, 1),
        }
        print(name, json.dumps(found[name]), flush=True)
    return found


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
