"""Sample a synthetic data set of stories: every story of its natural length, no row of the batch idle.

``generate`` of ``transformers`` runs a batch until its longest story has ended.  Here a slot whose story has ended takes
the next story at once, and when none is left to start the batch shrinks.  Which stories come out does not depend on any
of this: story i is the i-th that is started and draws from a stream of its own, a function of (seed, i), and the result
holds the first ``count`` stories in that order, all finished.  (To return the first ``count`` that FINISH would favour
short ones.)

On a CPU of several threads the batch is split into lanes, one a thread, which share the weights and nothing else: the
steps of a small model are many short operations, of which a thread alone wastes less than two that wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from ..allocator import keep_memory
from ..errors import InputError
from .caches import RaggedCache
from .decoding import Decoder, Weights, draw, packed, uniforms, weights_of

HORIZON = 8  # steps between two plans of what attends to how much

Stories = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Request:
    """What to sample: see :func:`sample_stories`."""

    count: int
    temperature: float
    max_length: int
    bos: int
    eos: int
    seed: int
    first: int

    @property
    def fed(self) -> int:
        """Tokens a story feeds to the model at most: the last one drawn is not."""
        return self.max_length - 1

    def chances(self, story: int) -> np.ndarray:
        """The uniform numbers in [0, 1) with which a story's tokens are drawn."""
        return uniforms(self.seed, self.first + story, self.fed)


class Collector:
    """Takes finished stories from any lane, in any order."""

    def __init__(self, count: int, vocabulary: int, progress: Callable[[int], object] | None):
        self.dtype = np.uint16 if vocabulary <= 2**16 else np.uint32
        self.stories = np.empty(count, dtype=object)
        self.progress, self._lock, self.stopped = progress, threading.Lock(), False

    def finish(self, story: int, tokens: np.ndarray) -> None:
        """Keep the tokens of a story."""
        self.stories[story] = tokens.astype(self.dtype)
        if self.progress is not None:
            with self._lock:
                self.progress(1)

    def result(self) -> Stories:
        """All stories in the order of their numbers: values and offsets."""
        offsets = np.zeros(len(self.stories) + 1, dtype=np.int64)
        np.cumsum([len(story) for story in self.stories], out=offsets[1:])
        return np.concatenate(self.stories), offsets


def sample_stories(
    model: torch.nn.Module,
    count: int,
    *,
    temperature: float = 1.0,
    max_length: int,
    bos: int,
    eos: int,
    seed: int,
    first: int = 0,
    batch: int = 64,
    progress: Callable[[int], object] | None = None,
) -> Stories:
    """Sample ``count`` stories from a GPT-2 or Llama of ``transformers``.

    Each starts with ``bos`` and ends with ``eos``, or without it at ``max_length`` tokens.  The next token follows
    softmax(logits / temperature) over the whole vocabulary.

    Parameters
    ----------
    model : on the CPU in float32, or on a GPU (then in half precision, see ``gpu.py``); dropout is never applied, and
        the model is left as it is.
    max_length : tokens of a story at most, BOS and EOS counted.
    seed, first : story i of the result is story ``first + i`` of the stream of stories that ``seed`` names, so a data
        set may be sampled in pieces.  The same on every machine up to the rounding of float32 in the logits, which can
        change a token once in about a million; the same to the last bit at one batch, number of threads and version.
    batch : stories at work at once.
    progress : called with the number of stories just finished.

    Returns
    -------
    values, offsets : all tokens in one array (uint16, or uint32 for a vocabulary above 65,536) and the int64 edges:
        story i is ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    InputError : count, first, batch, temperature, max_length, bos or eos out of range.
    """
    request = Request(count, temperature, max_length, bos, eos, seed, first)
    _check(request, batch, model.config)
    keep_memory()
    collector = Collector(count, model.config.vocab_size, progress)
    with torch.inference_mode():
        if model.device.type == "cpu":
            weights = weights_of(model, max_length, torch.float32)
            weights = packed(weights, min(batch, count))
            _run_lanes(weights, request, min(batch, count), collector)
        else:
            from .gpu import run  # capture and replay of CUDA graphs: only where there is a GPU

            run(model, request, min(batch, count), collector)
    return collector.result()


def _check(request: Request, batch: int, config: object) -> None:
    counts = (("count", request.count, 1), ("first", request.first, 0), ("batch", batch, 1))
    for field, value, least in counts:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(field, value, f"an integer >= {least}")
    if not (np.isfinite(request.temperature) and request.temperature > 0):
        raise InputError("temperature", request.temperature, "a finite number > 0")
    if not 2 <= request.max_length <= config.max_position_embeddings:
        longest = config.max_position_embeddings
        raise InputError("max_length", request.max_length, f"2 to {longest}, the positions of the model")
    for field, token in (("bos", request.bos), ("eos", request.eos)):
        if not 0 <= token < config.vocab_size:
            raise InputError(field, token, f"a token of the vocabulary, 0 to {config.vocab_size - 1}")


def _run_lanes(weights: Weights, request: Request, batch: int, collector: Collector) -> None:
    """Lane k of K samples the stories k, k + K, ... with its share of the batch."""
    threads = torch.get_num_threads()
    lanes = min(threads, batch)
    failures: list[BaseException] = []

    def work(lane: int) -> None:
        torch.set_num_threads(1)  # OpenMP keeps this number for each thread
        stories = range(lane, request.count, lanes)
        try:
            with torch.inference_mode():
                _run(weights, request, stories, len(range(lane, batch, lanes)), collector)
        except BaseException as failure:
            collector.stopped = True
            failures.append(failure)

    others = [threading.Thread(target=work, args=(lane,), name=f"lane {lane}") for lane in range(1, lanes)]
    for thread in others:
        thread.start()
    try:
        work(0)
        for thread in others:
            thread.join()
    finally:
        collector.stopped = True  # an interrupt while the main thread waited: the others must not go on
        for thread in others:
            thread.join()
        torch.set_num_threads(threads)
    if failures:
        raise failures[0]


def _run(weights: Weights, request: Request, stories: Iterable[int], slots: int, collector: Collector) -> None:
    """Sample ``stories`` on the CPU, in order of their start, ``slots`` at a time."""
    todo = iter(stories)
    cache = RaggedCache(len(weights.layers), slots, weights.heads, weights.features, request.fed)
    decoder = Decoder(weights, cache, slots)
    story = np.full(slots, -1)  # -1: idle
    token, position = np.full(slots, request.bos), np.zeros(slots, dtype=np.int64)
    history = np.full((slots, request.max_length), request.bos, dtype=np.int32)
    chances = np.zeros((slots, request.fed))

    def start(slot: int) -> None:
        story[slot] = next(todo, -1)
        token[slot], position[slot] = request.bos, 0
        if story[slot] >= 0:
            chances[slot] = request.chances(int(story[slot]))

    for slot in range(slots):
        start(slot)
    clock = 0
    while not collector.stopped:
        if clock % HORIZON == 0:
            active = _active(story)
            if len(active) == 0:
                return
            cache.plan(active, np.minimum(position[active] + HORIZON - 1, request.fed - 1))
        clock += 1
        at = position[active]
        cache.begin(at)
        logits = decoder.step(torch.from_numpy(token[active]), torch.from_numpy(at))
        chance = torch.from_numpy(chances[active, at])
        drawn = draw(logits, chance, request.temperature).numpy()
        at += 1
        token[active], position[active], history[active, at] = drawn, at, drawn
        for slot in active[(drawn == request.eos) | (at == request.fed)]:
            if story[slot] >= 0:
                collector.finish(story[slot], history[slot, : position[slot] + 1])
            cache.release(slot)
            start(slot)


def _active(story: np.ndarray) -> np.ndarray:
    """The slots to step until the next plan: those with a story, and idle ones up to a multiple of an eighth of all.

    oneDNN builds a kernel for every number of rows it meets, which takes longer than stepping a few rows in vain.
    """
    busy, idle = np.flatnonzero(story >= 0), np.flatnonzero(story < 0)
    grain = max(1, len(story) // 8)
    return np.append(busy, idle)[: -(-len(busy) // grain) * grain]
