"""How fast batches of several sizes sample on this processor, for ``collapse estimate``.

A larger batch makes the matrix products more efficient, until the keys and values of its stories
no longer fit into the caches of the processor.  That size depends on the model, the number of
threads and the machine, so it is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import torch

from ...training.allocator import keep_memory
from .caches import RaggedCache
from .decoder import Decoder
from .draw import draw
from .request import PLAN_STEPS
from .weights import Weights, packed, weights_of

BATCHES = (32, 64, 128, 256)
WORTH = 1.05  # times as fast: the least gain that is worth another configuration


class _Worker:
    """One worker in the middle of a data set, when its stories are at all positions."""

    def __init__(self, weights: Weights, slots: int, fed: int):
        cache = RaggedCache(len(weights.layers), slots, weights.heads, weights.features, fed)
        self.cache, self.decoder = cache, Decoder(packed(weights, slots), cache, slots)
        self.slots, self.steps = np.arange(slots), min(PLAN_STEPS, fed)
        self.start = np.linspace(0, fed - self.steps, slots).astype(np.int64)
        self.token = torch.zeros(slots, dtype=torch.int64)
        self.uniforms = torch.linspace(0, 1, slots + 1, dtype=torch.float64)[:-1]

    def tokens_per_s(self) -> float:
        """Tokens per second of the steps between two plans of the cache, with one plan."""
        # Processor time of this one thread, so that other processes do not count.
        started = time.thread_time()
        self.cache.plan(self.slots, self.start + self.steps - 1)
        for step in range(self.steps):
            at = self.start + step
            self.cache.begin(at)
            draw(self.decoder.step(self.token, torch.from_numpy(at)), self.uniforms, 1.0)
        return len(self.slots) * self.steps / (time.thread_time() - started)


def rates(
    model: torch.nn.Module,
    batches: Iterable[int],
    *,
    max_length: int,
    threads: int,
    rounds: int = 5,
) -> dict[int, list[float]]:
    """Tokens per second of one worker in every round, by the size of the whole batch.

    They are valid for a data set of many batches; at the end of a data set the batch shrinks.

    Parameters
    ----------
    model : a GPT-2 or Llama on the CPU in float32; its speed does not depend on its weights.
    batches : stories sampled side by side, by all workers together.
    max_length : largest number of tokens of a story, with BOS and EOS.
    threads : number of workers that share a batch.
    """
    keep_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            weights = weights_of(model, max_length, torch.float32)
            workers = {
                size: _Worker(weights, -(-size // threads), max_length - 1) for size in batches
            }
            for worker in workers.values():  # oneDNN builds its kernels
                worker.tokens_per_s()
            measured: dict[int, list[float]] = {size: [] for size in workers}
            for _ in range(rounds):
                for size, worker in workers.items():
                    measured[size].append(worker.tokens_per_s())
    finally:
        torch.set_num_threads(before)
    return measured


def faster(measured: dict[int, list[float]], current: int) -> tuple[int, float] | None:
    """The fastest batch, and how many times as fast as ``current`` it is; None if not worth it.

    ``measured`` are :func:`rates`; the best round of each counts.
    """
    best = {size: max(rounds) for size, rounds in measured.items()}
    size = max(best, key=lambda size: best[size])
    gain = best[size] / best[current]
    return (size, gain) if gain > WORTH else None
