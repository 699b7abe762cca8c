"""The connection of one process to a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Any

from ..durable.signals import Interrupted
from ..errors import InputError

ANSWER_S = 10.0  # how long a cluster may take to answer


@contextlib.contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """A connection to Ray during the block; Ray's signal handlers do not replace ours."""
    _check_reachable(address)
    if ray.is_initialized():
        yield
        return
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as problem:
        why = reason(ray, problem)
        raise InputError("--address", address, f"a Ray cluster that answers ({why})") from None
    received: list[int] = []

    def handle(signum: int, frame: Any) -> None:
        received.append(signum)
        handlers[signum](signum, frame)

    for signum, handler in handlers.items():
        signal.signal(signum, handle if callable(handler) else handler)
    try:
        yield
    except KeyboardInterrupt:
        # Ray turns what our handler raises inside of Ray's code into a plain KeyboardInterrupt.
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """InputError at once if nothing listens at ``address``; Ray itself would try for minutes."""
    if address in (None, "auto", "local"):
        return
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():
        raise InputError("--address", address, "auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as problem:
        raise InputError("--address", address, f"a Ray cluster that answers ({problem})") from None


def reason(ray: Any, problem: Exception) -> str:
    """Why Ray could not do something, in one line: the last line of a traceback from a node, the
    first line of an explanation by Ray itself.
    """
    lines = [line for line in str(problem).strip().splitlines() if line.strip()]
    if not lines:
        return type(problem).__name__
    return lines[-1] if isinstance(problem, ray.exceptions.RayTaskError) else lines[0]
