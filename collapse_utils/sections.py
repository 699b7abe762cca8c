"""The sections there are, by name.

A section is a package ``collapse_utils/<name>`` with two modules: ``config`` (a frozen dataclass, ``PRESETS`` and
``DEFAULT_SOURCE``; light: no torch) and ``section`` (TITLE, HEADLINE, SOURCES, ``make``).
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from . import presets
from .errors import InputError
from .paths import default_cache

if TYPE_CHECKING:
    from .chain import Chain, Section

NAMES = ("linear", "language", "images", "molecules")
DEFAULT = "default"  # the data source that a pip dependency of the package ships


def check(name: str) -> str:
    if name not in NAMES:
        raise InputError("section", name, "one of " + ", ".join(NAMES))
    return name


def _config_module(name: str) -> ModuleType:
    return importlib.import_module(f".{check(name)}.config", __package__)


def default_source(name: str) -> str:
    """The source of a section that a pip dependency ships."""
    return _config_module(name).DEFAULT_SOURCE


def configuration(name: str, preset: str, assignments: Iterable[str] = ()) -> tuple[presets.Config, str]:
    """The resolved preset of a section and its variant (how it differs from the preset, as text)."""
    base = presets.choose(_config_module(name).PRESETS, preset)
    config = presets.override(base, assignments)
    return config, presets.variant(config, base)


def module(name: str) -> ModuleType:
    """The ``section`` module of a section."""
    return importlib.import_module(f".{check(name)}.section", __package__)


def make(
    name: str,
    *,
    preset: str,
    regime: str,
    seed: int,
    assignments: Iterable[str] = (),
    data: str | Path = DEFAULT,
    cache: Path | None = None,
) -> tuple[Section, Chain]:
    """A section on its data, and the chain to run on it; everything a user can get wrong raises InputError here."""
    config, variant = configuration(name, preset, assignments)
    from . import regimes, seeds
    from .chain import Chain

    regimes.check(regime)
    seeds.sequence(seed)
    found = module(name)
    data = default_source(name) if str(data) == DEFAULT else data
    section = found.make(config, data=data, seed=seed, cache=cache or default_cache())
    source = getattr(section, "source", str(data))
    return section, Chain(name, regime, seed, config, preset=preset, variant=variant, source=source)


def fields(name: str, preset: str) -> list[tuple[str, object, str, str]]:
    """Every field of a section: name, value at the preset, what is allowed, meaning."""
    config, _ = configuration(name, preset)
    return [
        (field.name, getattr(config, field.name), presets.allowed(field, type(getattr(config, field.name))),
         field.metadata["meaning"])
        for field in dataclasses.fields(config)
    ]  # fmt: skip
