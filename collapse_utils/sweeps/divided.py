"""One generation sampled by several processes: the chain's own, and workers on a Ray cluster.

The pieces of a generation do not depend on each other (``durable.checkpoints.Pieces``), so it does
not matter who makes them, or in which order.  The chain's process makes pieces as well, and a
worker is given a piece only once it has its place in the cluster: no chain waits for a place that
another chain holds.  A worker that dies loses the piece that it was making, which is made again.  A
worker whose processor, GPU or code differs from the chain's would round differently, so it is given
none.

The engine asks a chain for this in the chain's environment, which a notebook hands on as well.
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
ATTEMPTS = 3  # workers that are begun in one place for one generation
STOP_S = 10.0  # how long a stopped worker may take to be noticed

Worker = Callable[[int], Piece]  # makes the piece of a number


def variables(processes: int, cpus: int, gpus: float, threads: int) -> dict[str, str]:
    """The environment of a chain that shares a generation with ``processes`` - 1 workers, each with
    ``cpus`` cores and ``gpus`` GPUs of the cluster to which this process belongs.
    """
    import ray

    address = ray.get_runtime_context().gcs_address
    asked = {"address": address, "cpus": cpus, "gpus": gpus, "threads": threads}
    return {VARIABLE: json.dumps({"workers": processes - 1, **asked})}


def from_environment() -> Divide:
    """How this process makes the pieces of a generation: alone, unless the engine has asked."""
    asked = os.environ.get(VARIABLE)
    return functools.partial(on_ray, **json.loads(asked)) if asked else in_order


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
    keep : called with each piece as soon as it is there, in any thread.
    begin : returns a new worker once it has a place, and raises RunError if there is none for this
        chain.  A worker that raises is replaced, and its piece is made again.
    stop : ends all workers, those that still wait for a place as well.
    """
    todo, arrived = deque(makes), queue.SimpleQueue()
    ended = threading.Event()

    def take() -> int | None:
        with contextlib.suppress(IndexError):
            return todo.popleft()

    def serve() -> None:
        for _ in range(ATTEMPTS):
            number = None
            try:
                make = begin()
                while (number := take()) is not None:
                    piece = make(number)
                    keep(number, piece)
                    arrived.put((number, piece))
                return
            except Exception as problem:
                if number is not None:
                    todo.append(number)
                    arrived.put(None)  # wakes the thread below, which makes the piece
                if ended.is_set():
                    return
                lost = "" if number is None else "; its piece is made again"
                files.warn(f"a worker cannot sample: {problem}{lost}")
                if isinstance(problem, RunError):
                    return

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        left, elsewhere = len(makes), 0
        while left:
            if (number := take()) is not None:
                made = number, makes[number]()
                keep(*made)
            elif (made := arrived.get()) is None:
                continue
            else:
                elsewhere += 1
            left -= 1
            yield made
    finally:
        ended.set()
        stop()
        for thread in threads:
            thread.join(STOP_S)
    if workers:
        print(f"workers sampled {elsewhere} of {len(makes)} pieces", file=sys.stderr, flush=True)


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
    """Make pieces here and on workers of the cluster at ``address``; here alone if it is gone."""
    makes = dict(missing)
    workers = min(workers, len(makes) - 1)
    with contextlib.ExitStack() as stack:
        try:
            crew = workers > 0 and stack.enter_context(_crew(address, makes, cpus, gpus, threads))
        except (InputError, RunError) as problem:
            files.warn(f"this generation is not divided: {problem}")
            crew = None
        if crew:
            yield from divided(makes, keep, workers, crew.begin, crew.stop)
        else:
            yield from in_order(makes.items(), keep)


@contextlib.contextmanager
def _crew(address: str, makes: Mapping[int, Make], *each: Any) -> Iterator[_Crew]:
    import ray

    with ray_cluster.connected(ray, address):
        yield _Crew(ray, makes, *each)


class _Crew:
    """The workers of one generation, which are actors of Ray."""

    def __init__(
        self, ray: Any, makes: Mapping[int, Make], cpus: int, gpus: float, threads: int
    ) -> None:
        self.ray, self.threads = ray, threads
        try:  # all in one: what the pieces have in common, such as the model, travels once
            self.content = ray.put(makes)
        except Exception as problem:  # whatever an own model's objects raise
            raise RunError(f"its pieces cannot be sent ({problem})") from None
        self.kind = ray.remote(_Maker).options(num_cpus=cpus, num_gpus=gpus)
        self.actors: list[Any] = []
        self.stopped = False

    def begin(self) -> Worker:
        actor = self.kind.remote([self.content], self.threads)
        self.actors.append(actor)
        if self.stopped:
            self.ray.kill(actor)
        worker, own = self._get(actor.like.remote()), like()
        for what, value in own.items():
            if worker[what] != value:
                self.ray.kill(actor)
                raise RunError(f"its {what} is {worker[what]}, that of the chain {value}")
        # a copy, since an array in Ray's store is read-only and takes room there
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


class _Maker:
    """A worker: it holds all pieces of a generation that are to be made, and makes some."""

    def __init__(self, content: list, threads: int) -> None:
        import ray

        use_threads(threads)  # before torch is loaded, as in the chain's own process
        self.makes = ray.get(content[0])
        use_torch_threads(threads)

    def like(self) -> dict[str, Any]:
        return like()

    def make(self, number: int) -> Piece:
        return self.makes[number]()


def like() -> dict[str, Any]:
    """What decides how this process rounds."""
    import torch  # noqa: F401  (then the processor is told with what torch uses of it)

    return {"processor": provenance.processor(), "GPU": provenance.device(), "code": code.of("")}
