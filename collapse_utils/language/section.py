"""Section 2.1: transformers trained from scratch on stories.

One fit is one pass over the training stories.  A story is a list of tokens between two end marks; no story sees another,
and every token but the first is predicted once.  Measured on real held-out stories: the
cross-entropy per token (of the model itself, at temperature 1 whatever the sampling temperature), the same per character,
and on a few hundred samples what collapse looks like.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import seeds
from ..data import Data
from ..durable.checkpoints import Checkpoint, at_once
from ..training.loop import Plan, device, train
from . import batches
from .batches import NAME, split, token_losses
from .config import LanguageConfig
from .data import END_ID, as_dataset, decode, prepare, token_lists
from .model import build
from .sampler.sample import sample_stories
from .sources import SOURCES

__all__ = ["HEADLINE", "SOURCES", "TITLE", "Language", "make"]

TITLE = "Language models (section 2.1)"
HEADLINE = "cross_entropy"
EVALUATION_BATCH = 64  # stories side by side when nothing is learnt
PIECE_BATCHES = 64  # sampled in one go: 4096 stories at the small presets, so that their blocks are one piece
SHOWN_STORIES = 8  # in a preview
DISTINCT_PAIRS = 2000  # pairs of tokens over which distinct-2 is taken


def make(config: LanguageConfig, *, data: str | Path, seed: int, cache: Path) -> Language:
    """The section on a source of stories; the real data do not depend on ``seed``."""
    return Language(config, data, cache)


def batch_order(items: int, batch_size: int, epochs: int, seed: int) -> list[np.ndarray]:
    """The stories of every step: shuffled anew each epoch and cut into batches; a last short batch is left out."""
    batches = []
    for epoch in range(epochs):
        order = seeds.generator(seed, "order", epoch).permutation(items)
        batches.extend(order[: items // batch_size * batch_size].reshape(-1, batch_size))
    return batches


class Language:
    """The four methods of the chain, on one set of stories."""

    resumable_sampling = True  # ``sample`` keeps its pieces: see durable.checkpoints.Pieces

    def __init__(self, config: LanguageConfig, data: str | Path, cache: Path):
        self.config = config
        self.source, self.stories = prepare(config, data, cache)

    def real_data(self) -> tuple[Data, Data]:
        return self.stories.train, self.stories.test

    def fit(self, training_data: Data, seed: int, checkpoint: Checkpoint) -> torch.nn.Module:
        """A fresh model after ``epochs`` passes over ``training_data``."""
        config, place = self.config, device()
        torch.set_num_threads(config.threads)
        model = build(
            config.architecture,
            layers=config.layers,
            hidden=config.hidden,
            heads=config.heads,
            ffn=config.ffn,
            vocabulary=config.vocabulary,
            max_length=config.positions or config.max_length,
            dropout=config.dropout,
            seed=seeds.derive(seed, "initialisation"),
        ).to(place)
        model.set_attn_implementation(NAME)
        order = batch_order(len(training_data), config.batch_size, config.epochs, seed)
        plan = Plan(
            steps=len(order),
            learning_rate=config.learning_rate,
            warmup=config.warmup,
            final_rate=config.final_rate,
            weight_decay=config.weight_decay,
            clip=config.clip,
            threads=config.threads,
            diverged=config.diverged,
        )
        train(
            model,
            lambda step: batches.batch(*token_lists(training_data, order[step])).to(place),
            lambda model, batch: token_losses(model, batch).mean(),
            plan,
            seed=seed,
            checkpoint=checkpoint,
            items_a_step=config.batch_size,
            validate=lambda model: self.cross_entropy(model, self.stories.validation)[0],
            split=split,
        )
        return model

    def sample(
        self, model: torch.nn.Module, size: int, seed: int, kept: Callable[..., tuple[np.ndarray, ...]] = at_once
    ) -> Data:
        """``size`` stories at the configured temperature, as token lists like the real ones.

        Which stories share a batch changes how their logits are rounded, so the pieces that a killed sampler starts again
        from are a part of what is sampled: ``PIECE_BATCHES`` times ``sample_batch`` stories each, one after another.
        """
        config = self.config
        torch.set_num_threads(config.threads)
        pieces, most = [], PIECE_BATCHES * config.sample_batch
        for first in range(0, size, most):
            sample_piece = partial(
                sample_stories,
                model,
                min(most, size - first),
                temperature=config.temperature,
                max_length=config.max_length,
                bos=END_ID,
                eos=END_ID,
                seed=seed,
                first=first,
                batch=config.sample_batch,
            )
            pieces.append(kept(sample_piece))
        lengths = np.concatenate([np.diff(offsets) for _, offsets in pieces])
        return as_dataset(np.concatenate([values for values, _ in pieces]), np.concatenate([[0], np.cumsum(lengths)]))

    @torch.no_grad()
    def cross_entropy(self, model: torch.nn.Module, stories: Data) -> tuple[float, float]:
        """Mean nats per token over all tokens of ``stories``, and their sum."""
        place = next(model.parameters()).device
        # Of equal lengths, so that little is padded inside attention; here the order changes nothing but speed.
        order = np.argsort(np.asarray(stories.with_format("numpy")["length"][:]), kind="stable")
        total, count = 0.0, 0
        for start in range(0, len(order), EVALUATION_BATCH):
            batch = batches.batch(*token_lists(stories, order[start : start + EVALUATION_BATCH]))
            losses = token_losses(model, batch.to(place))
            total += losses.double().sum().item()
            count += len(losses)
        return total / count, total

    def evaluate(self, model: torch.nn.Module, real_test: Data) -> dict[str, float]:
        """Cross-entropy on real stories, and the diversity of ``evaluation_stories`` samples.

        The samples use the same random numbers in every iteration, so that iterations differ by their models alone.
        """
        torch.set_num_threads(self.config.threads)
        cross_entropy, nats = self.cross_entropy(model, real_test)
        samples = self.sample(model, self.config.evaluation_stories, seeds.derive(0, "evaluation"))
        return {
            "cross_entropy": cross_entropy,
            "bits_per_character": nats / math.log(2) / self.stories.info["test_characters"],
            **diversity(*token_lists(samples, slice(None)), real_tokens=token_lists(real_test, slice(None))[0]),
        }

    def texts(self, stories: Data, count: int) -> list[str]:
        """The first ``count`` stories as text."""
        values, offsets = token_lists(stories, slice(0, count))
        return [decode(self.stories.tokenizer, values[a:b]) for a, b in pairwise(offsets)]

    def preview(self, stories: Data, folder: Path) -> None:
        """Write the first stories into ``folder/stories.json``."""
        texts = self.texts(stories, min(SHOWN_STORIES, len(stories)))
        (folder / "stories.json").write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def diversity(values: np.ndarray, offsets: np.ndarray, *, real_tokens: np.ndarray) -> dict[str, Any]:
    """What collapse looks like in token lists.

    Returns
    -------
    distinct_2 : different pairs of neighbouring tokens, as a share of the first ``DISTINCT_PAIRS`` pairs (Li et al. 2016);
        a fixed number, because the share falls with the length of any text.
    vocabulary_share : the share of the tokens of the real test split that occur at least once.
    mean_length : tokens of a story, with its end marks.
    share_ended : share of stories that the model ended before ``max_length``.
    """
    inside = np.ones(len(values) - 1, bool)
    inside[offsets[1:-1] - 1] = False  # a pair across two stories
    pairs = (values[:-1].astype(np.int64) * 65536 + values[1:])[inside][:DISTINCT_PAIRS]
    real = np.unique(real_tokens)
    last = values[offsets[1:] - 1]
    return {
        "distinct_2": len(np.unique(pairs)) / len(pairs),
        "vocabulary_share": float(np.isin(real, values).mean()),
        "mean_length": float(np.diff(offsets).mean()),
        "share_ended": float(np.mean((last == END_ID) & (np.diff(offsets) > 1))),
    }
