"""Section 2.1: transformers trained from scratch on stories.

One fit is a number of passes over the training stories.  A story is a list of tokens between two
end marks; no story sees another, and every token but the first is predicted once.  Real held-out
stories give the cross-entropy per token (of the model itself, at temperature 1 whatever the
sampling temperature) and per character.  A few hundred samples give the metrics of diversity.
``measures=full`` adds metrics that separate collapse from a change of temperature, and a reference
model from outside the chain that judges the samples.
"""

from __future__ import annotations

import json
import math
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from .. import seeds
from ..data import Data
from ..durable.checkpoints import Checkpoint, Kept, at_once
from ..training import loop
from . import fit, measures
from .config import LanguageConfig
from .data import END_ID, as_dataset, decode, prepare, token_lists
from .sampler import rates
from .sampler.sample import sample_stories
from .sources import SOURCES as SOURCES

TITLE = "Language models (section 2.1)"
HEADLINE = "cross_entropy"
PIECE_BATCHES = 64  # sampled at once: 4096 stories at the small presets, so a block is one piece
SHOWN_STORIES = 8  # in a preview


def make(config: LanguageConfig, *, data: str | Path, seed: int, cache: Path) -> LanguageSection:
    """The section on a source of stories; ``draw=by_seed`` gives each seed its own."""
    return LanguageSection(config, data, cache, seed)


class LanguageSection:
    """The four methods of the chain, on one set of stories."""

    resumable_sampling = True  # ``sample`` keeps its pieces: see durable.checkpoints.Pieces

    def __init__(self, config: LanguageConfig, data: str | Path, cache: Path, seed: int = 0):
        self.config, self.cache = config, cache
        self.source, self.stories = prepare(config, data, cache, seed)

    def real_data(self) -> tuple[Data, Data]:
        return self.stories.train, self.stories.test

    def notes(self) -> dict:
        info = dict(self.stories.info)
        device = loop.device()
        if device.type == "cuda":
            from .sampler.gpu import precision

            info["sampling_precision"] = str(precision(device)).removeprefix("torch.")
        return info

    def fit(self, training_data: Data, seed: int, checkpoint: Checkpoint) -> torch.nn.Module:
        """A fresh model after ``epochs`` passes; full measures add its ``trained_tokens``."""

        def validate(model: torch.nn.Module) -> float:
            return measures.cross_entropy(model, self.stories.validation)[0]

        model = fit.fit(self.config, training_data, seed, checkpoint, validate)
        if self.config.measures == "full":
            model.trained_tokens = fit.trained_tokens(self.config, training_data, seed)
        return model

    def sample(self, model: torch.nn.Module, size: int, seed: int, kept: Kept = at_once) -> Data:
        """``size`` stories at the configured temperature, as token lists like the real ones.

        They are sampled in pieces of ``PIECE_BATCHES`` times ``sample_batch`` stories, which do not
        depend on one another.  The pieces decide which stories share a batch and with that how
        logits are rounded, so other pieces would give other stories.
        """
        config = self.config
        most = PIECE_BATCHES * config.sample_batch
        options = {"temperature": config.temperature, "max_length": config.max_length, "seed": seed}
        options |= {"bos": END_ID, "eos": END_ID, "batch": config.sample_batch}
        pieces = dict(
            kept(
                partial(sample_stories, model, min(most, size - first), first=first, **options)
                for first in range(0, size, most)
            )
        )
        values, offsets = zip(*(pieces[number] for number in sorted(pieces)), strict=True)
        lengths = np.concatenate([np.diff(part) for part in offsets])
        return as_dataset(np.concatenate(values), np.concatenate([[0], np.cumsum(lengths)]))

    def evaluate(self, model: torch.nn.Module, real_test: Data) -> dict[str, float]:
        """Cross-entropy on real stories, and the diversity of ``evaluation_stories`` samples.

        The samples use the same random numbers in every iteration, so that iterations differ by
        their models alone.
        """
        cross_entropy, nats = measures.cross_entropy(model, real_test)
        samples = self.sample(model, self.config.evaluation_stories, seeds.derive(0, "evaluation"))
        metrics = {
            "cross_entropy": cross_entropy,
            "bits_per_character": nats / math.log(2) / self.stories.info["test_characters"],
            **measures.diversity(
                *token_lists(samples, slice(None)),
                real_tokens=token_lists(real_test, slice(None))[0],
            ),
        }
        if self.config.measures == "full":
            metrics["nats_per_story"] = nats / len(real_test)
            metrics |= self.full_measures(model, samples)
        return metrics

    def full_measures(self, model: torch.nn.Module, samples: Data) -> dict[str, float]:
        """What the loss does not show, and which part of the loss is a matter of temperature.

        Returns
        -------
        best_temperature : the temperature at which the validation stories are predicted best.
        cross_entropy_best_temperature, cross_entropy_sampling_temperature : on the test stories,
            with the logits divided by that temperature and by the sampling temperature; nats per
            token.  For the first fit the second is what a perfect learner of its samples reaches.
        reference_cross_entropy : of the samples under the reference model, nats per token.
        trained_tokens : tokens that this fit was trained to predict, counted once for each time
            they were read.
        ..._real : the same measures of real stories, which a perfect model would reach.
        """
        best = measures.best_temperature(model, self.stories.validation)
        temperatures = np.array([best, self.config.temperature])
        at_best, at_sampling = measures.tempered(model, self.stories.test, temperatures)
        return {
            "best_temperature": best,
            "cross_entropy_best_temperature": float(at_best),
            "cross_entropy_sampling_temperature": float(at_sampling),
            "reference_cross_entropy": measures.cross_entropy(self.reference, samples)[0],
            "trained_tokens": model.trained_tokens,
            **{f"{name}_real": value for name, value in self.real_measures.items()},
        }

    @cached_property
    def reference(self) -> torch.nn.Module:
        return fit.reference_model(self.config, self.stories.reference, self.cache)

    @cached_property
    def real_measures(self) -> dict[str, float]:
        """Measures of as many real test stories as there are samples.

        The share of the vocabulary is that of reference stories: test stories contain all of their
        own tokens, so only other real stories show which share a perfect model reaches.
        """
        rows = slice(0, self.config.evaluation_stories)
        test, tokens = self.stories.test, token_lists(self.stories.test, slice(None))[0]
        other = measures.diversity(*token_lists(self.stories.reference, rows), real_tokens=tokens)
        return {
            **measures.diversity(*token_lists(test, rows), real_tokens=tokens),
            "vocabulary_share": other["vocabulary_share"],
            "reference_cross_entropy": measures.cross_entropy(self.reference, test)[0],
        }

    def advice(self) -> str | None:
        """A ``sample_batch`` that is faster on this processor, in words; takes a few seconds.

        The presets do not change: the batch decides how logits are rounded, and with that which
        stories are sampled, so another batch would change published results.
        """
        config = self.config
        if loop.device().type != "cpu":
            return None
        current, stories = config.sample_batch, len(self.stories.train)
        # a batch of more than half of the stories is never full for long
        sizes = {current, *(size for size in rates.BATCHES if size <= stories / 2)}
        measured = rates.rates(
            fit.new_model(config, 0),
            sorted(sizes),
            max_length=config.max_length,
            threads=config.threads,
            rounds=3,
        )
        better = rates.faster(measured, current)
        if better is None:
            return None
        return (
            f"sample_batch={better[0]} samples {better[1]:.2f} times as fast as {current}; a new "
            "experiment may use it (results change by rounding)"
        )

    def texts(self, stories: Data, count: int) -> list[str]:
        """The first ``count`` stories as text."""
        values, offsets = token_lists(stories, slice(0, count))
        return [decode(self.stories.tokenizer, values[a:b]) for a, b in pairwise(offsets)]

    def preview(self, stories: Data, folder: Path) -> None:
        """Write the first stories into ``folder/stories.json``."""
        texts = self.texts(stories, min(SHOWN_STORIES, len(stories)))
        content = json.dumps(texts, indent=1, ensure_ascii=False) + "\n"
        (folder / "stories.json").write_text(content, encoding="utf-8")
