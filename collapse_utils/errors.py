"""What a user did wrong, in one line: the field, the value, and what is allowed.

Everything a person can get wrong raises :class:`InputError` before any work is done.  The command
line prints the line and exits with status 2; a notebook shows it as the last line of its traceback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from numbers import Integral

MAX_INTEGER = 10**18  # of an integer that a user types
MAX_SHOWN = 300  # characters of a value in a message


def plain(text: str) -> str:
    """``text`` in one line that moves no cursor: what a terminal would obey is shown by its
    escape.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


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
        shown = repr(value)
        if len(shown) > MAX_SHOWN:
            shown = f"{shown[:MAX_SHOWN]}... ({len(shown):,} characters)"
        super().__init__(f"{field}: got {shown}; allowed: {allowed}")


def data_error(data: object, allowed: str) -> InputError:
    """The error of a source, a file or a folder that ``--data`` names and that cannot be used."""
    return InputError("--data", str(data), allowed)


def one_of(field: str, value: str, choices: Collection[str]) -> str:
    """``value``, or an InputError that lists the ``choices``."""
    if value not in choices:
        raise InputError(field, value, "one of " + ", ".join(choices))
    return value


def check_integer(field: str, value: int, least: int) -> int:
    """``value``, or an InputError where it is no integer >= ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(field, value, f"an integer >= {least}")
    return value


def require(field: str, value: object, allowed: str, ok: bool) -> None:
    """InputError unless ``ok``."""
    if not ok:
        raise InputError(field, value, allowed)


class RunError(RuntimeError):
    """A run directory that cannot be used: another configuration, another owner, or damage."""


class Occupied(RunError):
    """Another living process writes in the run directory; the command works once it has ended."""

    STATUS = 75  # the exit status of the command line: EX_TEMPFAIL of sysexits.h, "try again later"


def named_values(option: str, texts: Iterable[str], form: str = "NAME=VALUE") -> dict[str, str]:
    """``["a=1", "b=2"]``, the values of an option, by name; InputError for a text without a name,
    and for a name that is given twice, of which one value would be lost.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not (name and sign):
            raise InputError(option, text, form)
        if name in values:
            raise InputError(option, text, f"{name} once; it was given as {values[name]!r} before")
        values[name] = value
    return values


def integer(field: str, text: str, least: int) -> int:
    """The integer that a user typed in ASCII digits; InputError for anything else."""
    digits = len(text) <= 19 and text.isascii() and text.isdigit()
    if not digits or not least <= int(text) <= MAX_INTEGER:
        raise InputError(field, text, f"an integer >= {least}")
    return int(text)
