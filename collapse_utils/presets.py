"""Configurations: frozen dataclasses that check their fields.

Each section defines one frozen dataclass and a table ``PRESETS`` (smoke, cpu, colab, paper).  A
field is declared with :func:`setting`, which records its meaning and its bounds.  The class derives
from :class:`Config`, which checks them, so no configuration can have a bad value.  :func:`override`
applies ``--set field=value``; the text is parsed by the field's type and never evaluated.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

from .errors import InputError, named_values, one_of

NAMES = ("smoke", "cpu", "colab", "paper")  # every section has these presets, and maybe others
MAX_INTEGER = 10**12  # of any integer field, in absolute value
MAX_DIGITS = 40  # characters of a number
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")  # of training a network


LIMITS = {  # name of a limit -> its sign, and the comparison of a value with it
    "at_least": (">=", operator.ge),
    "above": (">", operator.gt),
    "at_most": ("<=", operator.le),
    "below": ("<", operator.lt),
}


def setting(default: Any, meaning: str, *, choices: tuple | None = None, **limits: float) -> Any:
    """A dataclass field with its meaning in one line and its ``LIMITS`` or ``choices``."""
    metadata = {"meaning": meaning, "choices": choices, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


def draw_setting(items: str) -> str:
    """The field ``draw``: whether all seeds train on the same real ``items`` (``selection.py``)."""
    meaning = f"common to all seeds, or by_seed, where each seed has {items} of its own"
    choices = ("common", "by_seed")
    return setting("common", f"training {items}: {meaning}", choices=choices)


def precision_setting() -> str:
    """The field ``precision`` of a section that trains a network, see ``training/precision.py``."""
    meaning = "arithmetic of training; evaluation is float32"
    return setting("float32", meaning, choices=PRECISIONS)


def allowed(field: dataclasses.Field, kind: type) -> str:
    """The values of ``field``, in words: ``an integer >= 1``, ``one of llama, gpt2``."""
    if choices := field.metadata.get("choices"):
        return "one of " + ", ".join(map(str, choices))
    noun = {int: "an integer", float: "a number", bool: "true or false", str: "text"}[kind]
    limits = field.metadata.get("limits", {}).items()
    signs = [f"{LIMITS[name][0]} {limit:g}" for name, limit in limits]
    return " ".join([noun, " and ".join(signs)]).strip()


def _fits(value: Any, kind: type, bounds: Mapping) -> bool:
    if kind is bool or kind is str:
        right_type = isinstance(value, kind)
    else:  # an int is a valid float; a bool is neither
        right_type = isinstance(value, (int, kind)) and not isinstance(value, bool)
    if kind is int and right_type and abs(value) > MAX_INTEGER:
        return False
    if not right_type or (isinstance(value, float) and not math.isfinite(value)):
        return False
    if bounds.get("choices") is not None and value not in bounds["choices"]:
        return False
    limits = bounds.get("limits", {}).items()
    return all(LIMITS[name][1](value, limit) for name, limit in limits)


@dataclass(frozen=True)
class Config:
    """Base of the sections' configurations; its constructor checks the fields' types and bounds.

    ``SAMPLING_FIELDS`` names the fields that affect only sampling, not the fit; chains that differ
    only in those share the first fit.  A subclass with conditions on several fields extends
    ``__post_init__``.
    """

    SAMPLING_FIELDS: ClassVar[tuple[str, ...]] = ()

    iterations: int = setting(5, "number N of model-fitting iterations", at_least=1)
    threads: int = setting(
        1, "CPU threads of one chain; part of the result to the last bit", at_least=1
    )
    diverged: str = setting(
        "stop",
        "a loss that is not finite: stop the chain, or record it as that iteration's outcome and "
        "continue",
        choices=("stop", "record"),
    )

    def __post_init__(self) -> None:
        kinds = _kinds(type(self))
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), kinds[field.name]
            if not _fits(value, kind, field.metadata):
                raise InputError(field.name, value, allowed(field, kind))
            if kind is float:
                # 1 and 1.0 are the same configuration
                object.__setattr__(self, field.name, float(value))


_kinds = functools.cache(get_type_hints)  # field -> type; a plan makes thousands of configurations

ConfigT = TypeVar("ConfigT", bound=Config)


def parse(config: Config, name: str, text: str) -> Any:
    """``text`` as a value of a field of ``config``; InputError for a bad field or value."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    if name not in fields:
        raise InputError("--set", name, "a field of this section: " + ", ".join(fields))
    kind = _kinds(type(config))[name]
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.strip().lower()]
        if kind is not str and (not text.isascii() or "_" in text or len(text) > MAX_DIGITS):
            raise ValueError  # int() and float() accept forms that are likely mistakes
        return kind(text)
    except (ValueError, KeyError):
        raise InputError(name, text, allowed(fields[name], kind)) from None


def override(config: ConfigT, assignments: Iterable[str]) -> ConfigT:
    """``config`` with all ``field=value`` assignments applied at once, and then checked."""
    texts = named_values("--set", assignments, "field=value")
    values = {name: parse(config, name, text) for name, text in texts.items()}
    return dataclasses.replace(config, **values)


def choose(presets: Mapping[str, ConfigT], name: str) -> ConfigT:
    """The preset of that name; InputError lists the names."""
    return presets[one_of("preset", name, presets)]


def variant(config: Config, base: Config) -> str:
    """The fields in which ``config`` differs from ``base``, as ``field=value,field=value``."""
    changed = [
        f"{field.name}={getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(base, field.name)
    ]
    return ",".join(changed)
