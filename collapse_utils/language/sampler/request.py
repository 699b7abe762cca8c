"""A request to the sampler, and the collector of finished stories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .draw import uniforms

PLAN_STEPS = 8  # steps between two plans of the cache

Stories = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Request:
    """What to sample; see :func:`sample_stories`."""

    count: int
    temperature: float
    max_length: int
    bos: int
    eos: int
    seed: int
    first: int

    @property
    def fed(self) -> int:
        """Tokens of a story that are fed to the model, at most: the last one drawn is not."""
        return self.max_length - 1

    def uniforms(self, story: int) -> np.ndarray:
        """The uniform numbers in [0, 1) with which a story's tokens are drawn."""
        return uniforms(self.seed, self.first + story, self.fed)


class Collector:
    """Collects finished stories, in any order."""

    def __init__(self, count: int, vocabulary: int):
        self.dtype = np.uint16 if vocabulary <= 2**16 else np.uint32
        self.stories = np.empty(count, dtype=object)
        self.stopped = False  # no more stories are needed: a worker has failed

    def finish(self, story: int, tokens: np.ndarray) -> None:
        """Keep the tokens of a story."""
        self.stories[story] = tokens.astype(self.dtype)

    def result(self) -> Stories:
        """All stories in the order of their numbers: values and offsets."""
        offsets = np.zeros(len(self.stories) + 1, dtype=np.int64)
        np.cumsum([len(story) for story in self.stories], out=offsets[1:])
        return np.concatenate(self.stories), offsets
