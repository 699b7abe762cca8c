"""Both sides of a comparison with ``transformers``: training the same model on the same batches,
sampling the same number of stories, and the ratio of their speeds.

A batch is (values, offsets): its stories one after another, and where each begins.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

Batches = list[tuple[np.ndarray, np.ndarray]]


def clock(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def ratio(ours: Sequence[float], theirs: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Median and range of the ratios of runs that stood next to each other."""
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    middle = {"median": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
    return {name: round(value, digits) for name, value in middle.items()}


def _rate(batches: Batches, warm: int, marks: dict[int, float]) -> float:
    """Predicted tokens per second of the steps after the first ``warm``; ``marks``: when a step
    was over.
    """
    predicted = sum(len(values) - len(offsets) + 1 for values, offsets in batches[warm:])
    return predicted / (marks[len(batches)] - marks[warm])


def train_ours(model: torch.nn.Module, batches: Batches, warm: int) -> float:
    """Tokens per second of ``collapse_utils.training``, the making of the batches included."""
    from collapse_utils.durable.checkpoints import Checkpoint
    from collapse_utils.language.batches import NAME, batch, token_losses
    from collapse_utils.training.loop import Plan, train

    model.set_attn_implementation(NAME)
    marks: dict[int, float] = {}

    def batch_at(step: int):
        if step == warm:
            marks[step] = clock(model.device)
        return batch(*batches[step]).to(model.device)

    def report(step: int, steps: int, figures: dict) -> None:
        if step == steps:
            marks[step] = clock(model.device)

    with tempfile.TemporaryDirectory() as scratch:
        train(
            model,
            batch_at,
            lambda model, batch: token_losses(model, batch).mean(),
            Plan(len(batches), 1e-3, 0.1, 0.1, 0.1, 1.0),
            seed=0,
            checkpoint=Checkpoint(Path(scratch), report=report),
            items_per_step=len(batches[0][1]) - 1,
        )
    return _rate(batches, warm, marks)


def train_theirs(model: torch.nn.Module, batches: Batches, warm: int) -> float:
    """Tokens per second of ``transformers.Trainer``, padding masked as its users do."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    pad, device = torch.nn.utils.rnn.pad_sequence, model.device
    ready, marks = [], {}
    for values, offsets in batches:
        rows = [torch.from_numpy(values[a:b].astype("int64")) for a, b in pairwise(offsets)]
        ids = pad(rows, batch_first=True)
        mask = pad([torch.ones_like(row) for row in rows], batch_first=True)
        labels = ids.masked_fill(mask == 0, -100)
        ready.append({"input_ids": ids, "attention_mask": mask, "labels": labels})

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step in (warm, len(ready)):
                marks[state.global_step] = clock(device)

    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=1,
            max_steps=len(ready),
            learning_rate=1e-3,
            lr_scheduler_type="cosine",
            warmup_steps=round(0.1 * len(ready)),
            weight_decay=0.1,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            save_strategy="no",
            report_to="none",
            logging_strategy="no",
            use_cpu=device.type == "cpu",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            train_sampling_strategy="sequential",
        )
        options = {"data_collator": lambda rows: rows[0], "callbacks": [Clock()]}
        Trainer(model, arguments, train_dataset=ready, **options).train()
    return _rate(batches, warm, marks)


def generate(
    model: torch.nn.Module, stories: int, *, length: int, batch: int, cache: str, end: int
) -> np.ndarray:
    """Lengths of ``stories`` stories, their marks included, that ``generate`` samples at
    temperature 1 with a cache of that kind.
    """
    lengths: list[int] = []
    while len(lengths) < stories:
        rows = min(batch, stories - len(lengths))
        start = torch.full((rows, 1), end, device=model.device)
        with torch.inference_mode():
            tokens = model.generate(
                start,
                attention_mask=torch.ones_like(start),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_length=length,
                eos_token_id=end,
                pad_token_id=end,
                use_cache=True,
                cache_implementation=cache,
            )
        ended = (tokens[:, 1:] == end).int()
        drawn = torch.where(ended.any(1), ended.argmax(1) + 1, tokens.shape[1] - 1)
        lengths.extend((drawn + 1).tolist())
    return np.array(lengths)
