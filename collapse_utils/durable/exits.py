"""How a command ends: its exit status, and one line on stderr for an error."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Callable

from ..errors import InputError, Occupied, RunError, plain
from .signals import report_stop

MAX_SHOWN = 2000  # characters of an error
# what the system says of a path that a user cannot use, rather than of a disk that fails
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
    """What ``work`` returns; for an error, one line on stderr and the exit status of its kind."""
    try:
        return work()
    except (InputError, RunError, OSError, MemoryError) as problem:
        words = "out of memory" if isinstance(problem, MemoryError) else str(problem)
        line = plain(f"error: {words}")
        with contextlib.suppress(BrokenPipeError):  # nobody reads stderr; the status still tells
            print(line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}...", file=sys.stderr)
        return _status(problem)
    except KeyboardInterrupt as interrupt:
        return report_stop(interrupt)


def listing_status(work: Callable[[], int]) -> int:
    """What ``work``, which only lists something, returns; 0 also where its reader, such as
    ``head``, has seen enough.  In other work a broken pipe is a failure.
    """
    try:
        return work()
    except BrokenPipeError:
        sys.stderr.close()
        return 0
