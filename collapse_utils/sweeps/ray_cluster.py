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
    """Ray, connected for the length of the block; its signal handlers do not replace ours."""
    _check_answers(address)
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
        first = reason(ray, problem)
        raise InputError("--address", address, f"a Ray cluster that answers ({first})") from None
    heard: list[int] = []

    def hear(signum: int, frame: Any) -> None:
        heard.append(signum)
        handlers[signum](signum, frame)

    for signum, handler in handlers.items():
        signal.signal(signum, hear if callable(handler) else handler)
    try:
        yield
    except KeyboardInterrupt:
        if heard:  # what the handler raises inside of Ray, Ray turns into a plain KeyboardInterrupt
            raise Interrupted(heard[0]) from None
        raise
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        ray.shutdown()


def _check_answers(address: str | None) -> None:
    """InputError at once where nothing listens; Ray itself would try for minutes."""
    host, sign, port = (address or "").rpartition("://")[2].rpartition(":")
    if address in (None, "auto", "local"):
        return
    if not sign or not port.isdigit():
        raise InputError("--address", address, "auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as problem:
        raise InputError("--address", address, f"a Ray cluster that answers ({problem})") from None


def reason(ray: Any, problem: Exception) -> str:
    """Why Ray could not do something, in one line.

    Of a traceback from a node the last line says what happened; of Ray's own explanations the
    first.
    """
    lines = [line for line in str(problem).strip().splitlines() if line.strip()]
    if not lines:
        return type(problem).__name__
    return lines[-1] if isinstance(problem, ray.exceptions.RayTaskError) else lines[0]
