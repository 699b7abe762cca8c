"""A fit that can be interrupted: the states it leaves behind, and the signals that ask it to stop.

The chain hands a :class:`Checkpoint` to every fit.  A section that trains for long saves its state there from time to
time and starts from the newest whole one; a section whose fits are short ignores it.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import runs


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has stopped the run in a state from which it resumes; ``exit_status`` is 130 or 143."""

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.exit_status = 128 + signum


class _Signals:
    """Turns SIGINT and SIGTERM into :class:`Interrupted`: at once, or at the end of a step while a fit asks for that."""

    deferred = False
    asked: int | None = None

    def handle(self, signum: int, _frame: object) -> None:
        if self.deferred and self.asked is None:
            self.asked = signum
        else:  # not inside a step, or asked a second time
            raise Interrupted(signum)


_signals = _Signals()


def listen() -> None:
    """Install the signal handlers (the command line does; a notebook keeps its own)."""
    signal.signal(signal.SIGINT, _signals.handle)
    signal.signal(signal.SIGTERM, _signals.handle)


@contextlib.contextmanager
def whole_steps() -> Iterator[Callable[[], None]]:
    """Inside the block a signal waits until the function that it yields is called: between two steps of training.

    The caller passes nothing and gets :class:`Interrupted`, raised at a moment when its state is whole.
    """
    _signals.deferred, _signals.asked = True, None

    def stop_if_asked() -> None:
        if _signals.asked is not None:
            raise Interrupted(_signals.asked)

    try:
        yield stop_if_asked
    finally:
        _signals.deferred, _signals.asked = False, None


class Checkpoint:
    """The folder in which one fit keeps its state.

    Parameters
    ----------
    folder : states are its subfolders ``state-000000123``, named by step; the two newest are kept.
    every_s : seconds between two states that :meth:`due` asks for.
    guard : called before every write; raises if the process has lost the right to write here.
    report : called with (step, steps, numbers) for whoever looks on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_s: float = 60.0,
        guard: Callable[[], None] = lambda: None,
        report: Callable[[int, int, dict], None] = lambda step, steps, numbers: None,
    ):
        self.folder, self.every_s, self.guard, self.report = folder, every_s, guard, report
        self.warnings: list[str] = []
        self._last = time.monotonic()

    def states(self) -> list[Path]:
        """The states on disk, newest first."""
        return sorted(self.folder.glob("state-*"), reverse=True) if self.folder.is_dir() else []

    def newest(self) -> Path | None:
        """The newest state that is whole; a damaged one is named in ``warnings`` and passed over."""
        for state in self.states():
            problem = runs.damage(state)
            if problem is None:
                return state
            self.warnings.append(problem)
        return None

    def due(self) -> bool:
        return time.monotonic() - self._last >= self.every_s

    @contextlib.contextmanager
    def saving(self, step: int) -> Iterator[Path]:
        """A temporary folder that becomes the state of ``step`` when the block ends."""
        self.guard()
        final = self.folder / f"state-{step:09d}"
        runs.remove_folder(final)  # a damaged state of the same step, which was passed over, makes room
        with runs.new_folder(final) as folder:
            yield folder
        for old in self.states()[2:]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()
