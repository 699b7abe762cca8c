"""SIGINT and SIGTERM: a run stops between two steps, in a state from which it resumes."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has stopped the run in a state from which it resumes; ``exit_status`` is
    130 or 143.
    """

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.exit_status = 128 + signum


class _Signals:
    """Turns SIGINT and SIGTERM into :class:`Interrupted`: at once, or at the end of a step while a
    fit asks for that.
    """

    deferred = False
    asked: int | None = None

    def handle(self, signum: int, _frame: object) -> None:
        if self.deferred and self.asked is None:
            self.asked = signum
        else:  # not inside a step, or asked a second time
            raise Interrupted(signum)


_signals = _Signals()


def install_handlers() -> None:
    """Install the signal handlers (the command line does; a notebook keeps its own)."""
    signal.signal(signal.SIGINT, _signals.handle)
    signal.signal(signal.SIGTERM, _signals.handle)


@contextlib.contextmanager
def deferred_signals() -> Iterator[Callable[[], None]]:
    """Inside the block a signal waits until the function that it yields is called: between two
    steps of training.

    The caller passes nothing and gets :class:`Interrupted`, raised at a moment when its state is
    whole; so does a block that ends without having called it again.
    """
    _signals.deferred, _signals.asked = True, None

    def stop_if_requested() -> None:
        if _signals.asked is not None:
            raise Interrupted(_signals.asked)

    try:
        yield stop_if_requested
        stop_if_requested()
    finally:
        _signals.deferred, _signals.asked = False, None


def report_stop(interrupt: KeyboardInterrupt) -> int:
    """Tell that a command was stopped in a state from which it goes on; returns its exit status,
    130 or 143.
    """
    print("stopped; the same command goes on from here", file=sys.stderr)
    return getattr(interrupt, "exit_status", 130)
