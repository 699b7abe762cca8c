"""Errors with one-line messages: the field, its value, and what is allowed.

Every mistake of a user raises :class:`InputError` before any work is done.  The command line prints
the message and exits with status 2; a notebook shows it as the last line of its traceback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from numbers import Integral

MAX_INTEGER = 10**18  # of an integer that a user types
MAX_SHOWN = 300  # characters of a value in a message


def plain(text: str) -> str:
    """``text`` in one line, with control characters replaced by their escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class InputError(ValueError):
    """A value that cannot be used.

    Parameters
    ----------
    field : the name of what the user set: ``temperature``, ``--regime``, or the role of a path.
    value : the value that the user gave.
    allowed : the values that would have been accepted, and if useful the reason.
    """

    def __init__(self, field: str, value: object, allowed: str):
        self.field, self.value, self.allowed = field, value, allowed
        shown = repr(value)
        if len(shown) > MAX_SHOWN:
            shown = f"{shown[:MAX_SHOWN]}... ({len(shown):,} characters)"
        super().__init__(f"{field}: got {shown}; allowed: {allowed}")


def data_error(data: object, allowed: str) -> InputError:
    """The error of a source, file or folder given by ``--data`` that cannot be used."""
    return InputError("--data", str(data), allowed)


def one_of(field: str, value: str, choices: Collection[str]) -> str:
    """``value``; InputError if it is not one of the ``choices``."""
    if value not in choices:
        raise InputError(field, value, "one of " + ", ".join(choices))
    return value


def check_integer(field: str, value: int, least: int) -> int:
    """``value``; InputError if it is not an integer >= ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(field, value, f"an integer >= {least}")
    return value


def require(field: str, value: object, allowed: str, ok: bool) -> None:
    """InputError unless ``ok``."""
    if not ok:
        raise InputError(field, value, allowed)


class RunError(RuntimeError):
    """A run that failed, or a run directory that cannot be used."""


class Occupied(RunError):
    """Another process is writing in the run directory; try again after it has ended."""

    STATUS = 75  # the exit status of the command line: EX_TEMPFAIL of sysexits.h, "try again later"


def named_values(option: str, texts: Iterable[str], form: str = "NAME=VALUE") -> dict[str, str]:
    """The values of an option, such as ``["a=1", "b=2"]``, by name: ``{"a": "1", "b": "2"}``.

    InputError for a text without a name, and for a name that is given twice.
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
