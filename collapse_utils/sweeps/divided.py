"""One generation sampled by several processes: the chain's own, and workers on a Ray cluster.

The pieces of a generation do not depend on each other (``durable.checkpoints.Pieces``), so they may
be made by any process and in any order.  The chain's process makes pieces as well, and a worker
gets a piece only once the cluster has started it: no chain waits for resources that another chain
holds.  If a worker dies, the piece that it was making is made again.  A worker whose processor, GPU
or code differs from the chain's would round differently, so it gets no piece.

The engine requests this in an environment variable of the chain's process, which a notebook's
kernel inherits.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..durable import code, files, provenance
from ..durable.checkpoints import Divide, Make, Piece, in_order
from ..errors import InputError, RunError
from ..training.threads import use_threads, use_torch_threads
from . import ray_cluster

VARIABLE = "COLLAPSE_DIVIDE"
ATTEMPTS = 3  # how often one worker is started for one generation
STOP_S = 10.0  # how long the thread of a stopped worker may take to end

Worker = Callable[[int], Piece]  # makes the piece with a number


def variables(processes: int, cpus: int, gpus: float, threads: int) -> dict[str, str]:
    """The environment of a chain that shares a generation with ``processes`` - 1 workers, each with
    ``cpus`` cores and ``gpus`` GPUs of the cluster to which this process belongs.
    """
    import ray

    address = ray.get_runtime_context().gcs_address
    resources = {"address": address, "cpus": cpus, "gpus": gpus, "threads": threads}
    return {VARIABLE: json.dumps({"workers": processes - 1, **resources})}


def from_environment() -> Divide:
    """How this process makes the pieces of a generation: alone, unless the engine requests workers
    in the environment.
    """
    request = os.environ.get(VARIABLE)
    return functools.partial(on_ray, **json.loads(request)) if request else in_order


def divided(
    makes: Mapping[int, Make],
    keep: Callable[[int, Piece], None],
    workers: int,
    begin: Callable[[], Worker],
    stop: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Piece]]:
    """Make pieces in this thread and on ``workers`` workers, and yield (number, piece).

    Parameters
    ----------
    keep : called with each piece as soon as it is made, in any thread.
    begin : returns a new worker once the cluster has started it, and raises RunError if that worker
        cannot serve this chain.  A worker that raises is replaced, and its piece is made again.
    stop : ends all workers, also those that the cluster has not started yet.
    """
    waiting, finished = deque(makes), queue.SimpleQueue()
    ended = threading.Event()

    def next_number() -> int | None:
        with contextlib.suppress(IndexError):
            return waiting.popleft()

    def run_worker() -> None:
        for _ in range(ATTEMPTS):
            number = None
            try:
                make = begin()
                while (number := next_number()) is not None:
                    piece = make(number)
                    keep(number, piece)
                    finished.put((number, piece))
                return
            except Exception as problem:
                if number is not None:
                    waiting.append(number)
                    finished.put(None)  # wakes the thread below, which makes the piece
                if ended.is_set():
                    return
                lost = "" if number is None else "; its piece is made again"
                files.warn(f"a worker cannot sample: {problem}{lost}")
                if isinstance(problem, RunError):
                    return

    threads = [threading.Thread(target=run_worker, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        left, by_workers = len(makes), 0
        while left:
            if (number := next_number()) is not None:
                made = number, makes[number]()
                keep(*made)
            elif (made := finished.get()) is None:
                continue
            else:
                by_workers += 1
            left -= 1
            yield made
    finally:
        ended.set()
        stop()
        for thread in threads:
            thread.join(STOP_S)
    if workers:
        print(f"workers sampled {by_workers} of {len(makes)} pieces", file=sys.stderr, flush=True)


def on_ray(
    missing: Iterable[tuple[int, Make]],
    keep: Callable[[int, Piece], None],
    *,
    address: str,
    workers: int,
    cpus: int,
    gpus: float,
    threads: int,
) -> Iterator[tuple[int, Piece]]:
    """Make pieces here and on workers of the cluster at ``address``; here alone if the cluster no
    longer answers.
    """
    makes = dict(missing)
    workers = min(workers, len(makes) - 1)
    with contextlib.ExitStack() as stack:
        team = None
        if workers > 0:
            try:
                team = stack.enter_context(_team(address, makes, cpus, gpus, threads))
            except (InputError, RunError) as problem:
                files.warn(f"this generation is not divided: {problem}")
        if team:
            yield from divided(makes, keep, workers, team.begin, team.stop)
        else:
            yield from in_order(makes.items(), keep)


@contextlib.contextmanager
def _team(
    address: str, makes: Mapping[int, Make], cpus: int, gpus: float, threads: int
) -> Iterator[_Team]:
    import ray

    with ray_cluster.connected(ray, address):
        yield _Team(ray, makes, cpus, gpus, threads)


class _Team:
    """The workers of one generation, which are Ray actors."""

    def __init__(
        self, ray: Any, makes: Mapping[int, Make], cpus: int, gpus: float, threads: int
    ) -> None:
        self.ray, self.threads = ray, threads
        try:  # in one object, so that what the pieces share, such as the model, is sent once
            self.makes = ray.put(makes)
        except Exception as problem:  # whatever an own model's objects raise
            raise RunError(f"its pieces cannot be sent ({problem})") from None
        self.worker = ray.remote(_Worker).options(num_cpus=cpus, num_gpus=gpus)
        self.actors: list[Any] = []
        self.stopped = False

    def begin(self) -> Worker:
        actor = self.worker.remote([self.makes], self.threads)
        self.actors.append(actor)
        if self.stopped:
            self.ray.kill(actor)
        theirs = self._get(actor.rounding.remote())
        for name, ours in rounding().items():
            if theirs[name] != ours:
                self.ray.kill(actor)
                raise RunError(f"its {name} is {theirs[name]}, that of the chain {ours}")
        # a copy, since an array in Ray's store is read-only and takes memory there
        return lambda number: copy.deepcopy(self._get(actor.make.remote(number)))

    def _get(self, answer: Any) -> Any:
        try:
            return self.ray.get(answer)
        except self.ray.exceptions.RayError as problem:
            raise RuntimeError(ray_cluster.reason(self.ray, problem)) from None

    def stop(self) -> None:
        self.stopped = True
        for actor in self.actors:
            self.ray.kill(actor)


class _Worker:
    """The actor of a worker: it can make every piece of a generation, and makes some of them."""

    def __init__(self, makes: list, threads: int) -> None:
        import ray

        use_threads(threads)  # before torch is loaded, as in the chain's own process
        self.makes = ray.get(makes[0])  # in a list, since Ray would load a bare argument earlier
        use_torch_threads(threads)

    def rounding(self) -> dict[str, Any]:
        return rounding()

    def make(self, number: int) -> Piece:
        return self.makes[number]()


def rounding() -> dict[str, Any]:
    """What decides how this process rounds."""
    import torch  # noqa: F401  (the name of the processor then includes what torch uses of it)

    return {"processor": provenance.processor(), "GPU": provenance.device(), "code": code.of("")}
