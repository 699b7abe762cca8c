"""One fit of a language model, and the reference model, which is fitted once for a data set."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model

from .. import seeds
from ..data import Data, checksum
from ..durable.checkpoints import Checkpoint
from ..durable.files import cached_folder
from ..durable.run_dir import fingerprint
from ..training import loop
from ..training.batches import Batches
from .batches import NAME, batch, split, token_losses
from .config import LanguageConfig
from .data import token_lists
from .model import build

SHAPE = ("vocabulary", "max_length", "layers", "hidden", "heads", "ffn", "positions")
TRAINING = ("epochs", "batch_size", "learning_rate", "warmup", "final_rate", "weight_decay", "clip")


def new_model(config: LanguageConfig, seed: int) -> torch.nn.Module:
    """A freshly initialised model on the device, with the attention of :mod:`.batches`."""
    names = ("layers", "hidden", "heads", "ffn", "vocabulary", "dropout")
    model = build(
        config.architecture,
        **{name: getattr(config, name) for name in names},
        max_length=config.positions or config.max_length,
        seed=seeds.derive(seed, "initialisation"),
    ).to(loop.device())
    model.set_attn_implementation(NAME)
    return model


def fit(
    config: LanguageConfig,
    training_data: Data,
    seed: int,
    checkpoint: Checkpoint,
    validate: Callable[[torch.nn.Module], float] | None = None,
) -> torch.nn.Module:
    """A fresh model after ``config.epochs`` passes over ``training_data``.

    Warm-up and cosine of the learning rate extend over the whole fit.
    """
    model = new_model(config, seed)
    device = next(model.parameters()).device
    batches = Batches(len(training_data), config.batch_size, seed)
    plan = loop.Plan.of(config, steps=config.epochs * batches.steps_per_epoch)
    loop.train(
        model,
        lambda step: batch(*token_lists(training_data, batches(step))).to(device),
        lambda model, batch: token_losses(model, batch).mean(),
        plan,
        seed=seed,
        checkpoint=checkpoint,
        items_per_step=config.batch_size,
        validate=validate,
        split=split,
    )
    return model


def trained_tokens(config: LanguageConfig, training_data: Data, seed: int) -> int:
    """How many tokens a fit is trained to predict, counted once for each time they are read."""
    predicted = np.asarray(training_data.with_format("numpy")["length"][:], np.int64) - 1
    batches = Batches(len(predicted), config.batch_size, seed)
    steps = config.epochs * batches.steps_per_epoch
    return int(sum(predicted[batches(step)].sum() for step in range(steps)))


def reference_model(config: LanguageConfig, stories: Data, cache: Path) -> torch.nn.Module:
    """A Llama of the configured shape, trained on real ``stories`` that no chain trains on.

    It is made once in ``cache``.  It judges samples from outside the chain: it is the same for
    every seed, regime, temperature and architecture.
    """
    config = dataclasses.replace(
        config, architecture="llama", dropout=0.0, epochs=config.reference_epochs
    )
    seed = seeds.derive(0, "reference")
    fields = {name: getattr(config, name) for name in (*SHAPE, *TRAINING, "threads")}
    key = {"stories": checksum(stories), **fields}

    def make(new: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            model = fit(config, stories, seed, Checkpoint(Path(scratch)))
        save_model(model, str(new / "model.safetensors"))

    folder = cached_folder(cache / "language" / f"reference-{fingerprint(key)}", make)
    model = new_model(config, seed)
    load_model(model, folder / "model.safetensors")
    return model.eval()
