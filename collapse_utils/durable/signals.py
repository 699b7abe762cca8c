"""SIGINT and SIGTERM: a run stops between two steps, in a state from which it resumes."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has stopped the run, which can resume; ``exit_status`` is 130 or 143."""

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.exit_status = 128 + signum


class _Signals:
    """Turns SIGINT and SIGTERM into :class:`Interrupted`: at once, or deferred during a fit."""

    deferred = False
    received: int | None = None

    def handle(self, signum: int, _frame: object) -> None:
        if self.deferred and self.received is None:
            self.received = signum
        else:  # not inside a step, or a second signal
            raise Interrupted(signum)


_signals = _Signals()


def install_handlers() -> None:
    """Install the signal handlers; the command line calls this, a notebook keeps its own."""
    signal.signal(signal.SIGINT, _signals.handle)
    signal.signal(signal.SIGTERM, _signals.handle)


@contextlib.contextmanager
def deferred_signals() -> Iterator[Callable[[], None]]:
    """Defer the first signal inside the block until the caller's state is complete.

    Yields a function, to be called between two steps of training, which raises :class:`Interrupted`
    if a signal has come.  The end of the block does the same.
    """
    _signals.deferred, _signals.received = True, None

    def stop_if_requested() -> None:
        if _signals.received is not None:
            raise Interrupted(_signals.received)

    try:
        yield stop_if_requested
        stop_if_requested()
    finally:
        _signals.deferred, _signals.received = False, None


def report_stop(interrupt: KeyboardInterrupt) -> int:
    """Print that a command was stopped and can resume; returns its exit status, 130 or 143."""
    print("stopped; run the same command again to resume", file=sys.stderr)
    return getattr(interrupt, "exit_status", 130)
