"""The end of a command: its exit status, and one line on stderr for an error."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Callable

from ..errors import InputError, Occupied, RunError, plain
from .signals import report_stop

MAX_SHOWN = 2000  # characters of an error
# errors of a path that the user can correct, unlike those of a failing disk
UNUSABLE = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
)


def _status(problem: Exception) -> int:
    if isinstance(problem, Occupied):
        return Occupied.STATUS
    usage = isinstance(problem, InputError)
    return 2 if usage or (isinstance(problem, OSError) and problem.errno in UNUSABLE) else 1


def exit_status(work: Callable[[], int]) -> int:
    """The status that ``work`` returns; for an error, one line on stderr and its exit status."""
    try:
        return work()
    except (InputError, RunError, OSError, MemoryError) as problem:
        message = "out of memory" if isinstance(problem, MemoryError) else str(problem)
        line = plain(f"error: {message}")
        with contextlib.suppress(BrokenPipeError):  # if nobody reads stderr, the status remains
            print(line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}...", file=sys.stderr)
        return _status(problem)
    except KeyboardInterrupt as interrupt:
        return report_stop(interrupt)


def listing_status(work: Callable[[], int]) -> int:
    """The status that ``work`` returns, a command that only prints.

    It is also 0 if the reader, such as ``head``, closes the pipe; in other commands that is a
    failure.
    """
    try:
        return work()
    except BrokenPipeError:
        sys.stderr.close()
        return 0
