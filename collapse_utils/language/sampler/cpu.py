"""Sample a set of stories on the CPU, each to its own length, with no idle row in the batch.

``generate`` of ``transformers`` runs a batch until its longest story has ended.  Here the next
story takes the slot of a story that has ended, and the batch shrinks when no story is left to
start.  This does not change which stories are sampled: story i is the i-th that starts, it draws
from a random stream that depends on (seed, i) alone, and the result holds the first ``count``
stories in that order, all finished.  (The first ``count`` stories that FINISH would be short ones
more often.)

With several threads on Linux the batch is split among worker processes, which share the weights and
nothing else.  The steps of a small model are many short operations, and two threads that wait for
each other in every one are slower than one thread.  Workers are processes because threads of one
interpreter would pass its lock back and forth with every operation, which costs a quarter of the
rate (measured).
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import warnings
from collections.abc import Iterable
from multiprocessing.connection import Connection

import numpy as np
import torch

from ...errors import RunError
from .caches import RaggedCache
from .decoder import Decoder
from .draw import draw
from .request import PLAN_STEPS, Collector, Request
from .weights import Weights


class _PipeCollector:
    """The collector of a child process: it sends every finished story to the parent."""

    stopped = False

    def __init__(self, pipe: Connection):
        self.pipe = pipe

    def finish(self, story: int, tokens: np.ndarray) -> None:
        self.pipe.send((story, tokens.copy()))


def _child(
    weights: Weights, request: Request, stories: range, slots: int, pipe: Connection
) -> None:
    """A worker in a process of its own; the last message is None, or the exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with torch.inference_mode():
            _sample(weights, request, stories, slots, _PipeCollector(pipe))
        pipe.send(None)
    except Exception as failure:
        pipe.send(failure)


def run(weights: Weights, request: Request, batch: int, collector: Collector) -> None:
    """Worker k of K samples stories k, k + K, ...; all but the first are child processes."""
    threads = torch.get_num_threads()
    forks = sys.platform == "linux"  # elsewhere a new process would not have the weights
    workers = min(threads, batch) if forks else 1
    failures: list[Exception] = []

    def share(worker: int) -> tuple[range, int]:
        """The stories and the number of slots of a worker."""
        return range(worker, request.count, workers), len(range(worker, batch, workers))

    def receive(pipe: Connection) -> None:
        try:
            while (message := pipe.recv()) is not None:
                if isinstance(message, Exception):
                    raise message
                collector.finish(*message)
        except EOFError:
            failures.append(
                RunError(
                    "sampling: a process of the sampler was killed; run the same command to resume"
                )
            )
        except Exception as failure:
            failures.append(failure)
        collector.stopped = collector.stopped or bool(failures)

    context = multiprocessing.get_context("fork" if forks else None)
    children, receivers = [], []
    if forks:
        torch.set_num_threads(1)  # one for each worker, set before the fork: a child has no pool
    try:
        for worker in range(1, workers):
            receiver, sender = context.Pipe(duplex=False)
            arguments = (weights, request, *share(worker), sender)
            children.append(context.Process(target=_child, args=arguments, daemon=True))
            # Python warns of a fork beside other threads; the child needs none of their locks
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                children[-1].start()
            sender.close()
            receivers.append(threading.Thread(target=receive, args=(receiver,), daemon=True))
            receivers[-1].start()
        _sample(weights, request, *share(0), collector)
        for thread in receivers:
            thread.join()
    finally:
        for child in children:
            child.terminate()
            child.join()
        torch.set_num_threads(threads)
    if failures:
        raise failures[0]


def _sample(
    weights: Weights,
    request: Request,
    stories: Iterable[int],
    slots: int,
    collector: Collector | _PipeCollector,
) -> None:
    """Sample ``stories``, started in their order, ``slots`` side by side."""
    todo = iter(stories)
    cache = RaggedCache(len(weights.layers), slots, weights.heads, weights.features, request.fed)
    decoder = Decoder(weights, cache, slots)
    story = np.full(slots, -1)  # -1: idle
    token, position = np.full(slots, request.bos), np.zeros(slots, dtype=np.int64)
    history = np.full((slots, request.max_length), request.bos, dtype=np.int32)
    uniforms = np.zeros((slots, request.fed))

    def start(slot: int) -> None:
        story[slot] = next(todo, -1)
        token[slot], position[slot] = request.bos, 0
        if story[slot] >= 0:
            uniforms[slot] = request.uniforms(int(story[slot]))

    for slot in range(slots):
        start(slot)
    steps = 0
    while not collector.stopped:
        if steps % PLAN_STEPS == 0:
            active = _active(story)
            if len(active) == 0:
                return
            cache.plan(active, np.minimum(position[active] + PLAN_STEPS - 1, request.fed - 1))
        steps += 1
        at = position[active]
        cache.begin(at)
        logits = decoder.step(torch.from_numpy(token[active]), torch.from_numpy(at))
        uniform = torch.from_numpy(uniforms[active, at])
        drawn = draw(logits, uniform, request.temperature).numpy()
        at += 1
        token[active], position[active], history[active, at] = drawn, at, drawn
        for slot in active[(drawn == request.eos) | (at == request.fed)]:
            if story[slot] >= 0:
                collector.finish(story[slot], history[slot, : position[slot] + 1])
            cache.release(slot)
            start(slot)


def _active(story: np.ndarray) -> np.ndarray:
    """The slots to step until the next plan: those with a story, rounded up to an eighth of all.

    oneDNN builds a kernel for every new number of rows, which takes longer than to step a few idle
    rows.
    """
    busy, idle = np.flatnonzero(story >= 0), np.flatnonzero(story < 0)
    grain = max(1, len(story) // 8)
    return np.append(busy, idle)[: -(-len(busy) // grain) * grain]
