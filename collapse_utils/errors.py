"""What a user did wrong, in one line: the field, the value, and what is allowed.

Everything a person can get wrong raises :class:`InputError` before any work is done.  The command
line prints the line and exits with status 2; a notebook shows it as the last line of its traceback.
"""

from __future__ import annotations


class InputError(ValueError):
    """A value that cannot be used.

    Parameters
    ----------
    field : what the user set, by the name they know it by (``temperature``, ``--regime``, a path's
        role).
    value : what they set it to.
    allowed : what would have been accepted, and where it helps the reason.
    """

    def __init__(self, field: str, value: object, allowed: str):
        self.field, self.value, self.allowed = field, value, allowed
        super().__init__(f"{field}: got {value!r}; allowed: {allowed}")


class RunError(RuntimeError):
    """A run directory that cannot be used: another configuration, another owner, or damage."""


class Occupied(RunError):
    """Another living process writes in the run directory; the command works once it has ended."""

    STATUS = 75  # the exit status of the command line: EX_TEMPFAIL of sysexits.h, "try again later"
