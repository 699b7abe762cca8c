"""Sample a set of stories: every story of its natural length, no row of the batch idle.

``generate`` of ``transformers`` runs a batch until its longest story has ended.  Here a slot
whose story has ended takes the next story at once, and when none is left to start the batch
shrinks.  Which stories come out does not depend on any of this: story i is the i-th that is
started and draws from a stream of its own, a function of (seed, i), and the result holds the
first ``count`` stories in that order, all finished.  (To return the first ``count`` that FINISH
would favour short ones.)

With several threads on Linux the batch is split into lanes, which share the weights and nothing
else: the steps of a small model are many short operations, and two threads that wait for each
other in every one are slower than one.  Lanes are processes: threads of one interpreter would
hand its lock to and fro with every operation (a quarter of the rate, measured).
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
from .request import HORIZON, Collector, Request
from .weights import Weights


class _Sender:
    """The collector of a lane in a child process: it hands every finished story to the parent."""

    stopped = False

    def __init__(self, pipe: Connection):
        self.pipe = pipe

    def finish(self, story: int, tokens: np.ndarray) -> None:
        self.pipe.send((story, tokens.copy()))


def _child(
    weights: Weights, request: Request, stories: range, slots: int, pipe: Connection
) -> None:
    """A lane in a process of its own; its last word is None, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with torch.inference_mode():
            _run(weights, request, stories, slots, _Sender(pipe))
        pipe.send(None)
    except Exception as failure:
        pipe.send(failure)


def run(weights: Weights, request: Request, batch: int, collector: Collector) -> None:
    """Lane k of K samples stories k, k + K, ...; all lanes but the first are child processes."""
    threads = torch.get_num_threads()
    forks = sys.platform == "linux"  # elsewhere a new process would not have the weights
    lanes = min(threads, batch) if forks else 1
    failures: list[Exception] = []

    def share(lane: int) -> tuple[range, int]:
        return range(lane, request.count, lanes), len(range(lane, batch, lanes))

    def listen(pipe: Connection) -> None:
        try:
            while (message := pipe.recv()) is not None:
                if isinstance(message, Exception):
                    raise message
                collector.finish(*message)
        except EOFError:
            failures.append(
                RunError("sampling: a process of the sampler was killed; the same command goes on")
            )
        except Exception as failure:
            failures.append(failure)
        collector.stopped = collector.stopped or bool(failures)

    context = multiprocessing.get_context("fork" if forks else None)
    children, listeners = [], []
    if forks:
        torch.set_num_threads(1)  # one for each lane, and before the fork: a child has no pool
    try:
        for lane in range(1, lanes):
            receiver, sender = context.Pipe(duplex=False)
            children.append(
                context.Process(
                    target=_child, args=(weights, request, *share(lane), sender), daemon=True
                )
            )
            # of forking beside other threads: the child needs none of their locks
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                children[-1].start()
            sender.close()
            listeners.append(threading.Thread(target=listen, args=(receiver,), daemon=True))
            listeners[-1].start()
        _run(weights, request, *share(0), collector)
        for listener in listeners:
            listener.join()
    finally:
        for child in children:
            child.terminate()
            child.join()
        torch.set_num_threads(threads)
    if failures:
        raise failures[0]


def _run(
    weights: Weights,
    request: Request,
    stories: Iterable[int],
    slots: int,
    collector: Collector | _Sender,
) -> None:
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
    """The slots to step until the next plan: those with a story, rounded up to an eighth of all.

    oneDNN builds a kernel for every number of rows it meets, which takes longer than stepping a
    few idle rows.
    """
    busy, idle = np.flatnonzero(story >= 0), np.flatnonzero(story < 0)
    grain = max(1, len(story) // 8)
    return np.append(busy, idle)[: -(-len(busy) // grain) * grain]
