"""The experiments by name: the four sections, and a reader's own model by its file and class.

A section is a package ``collapse_utils/<name>`` with two modules: ``config`` (a frozen dataclass,
``PRESETS`` and ``DEFAULT_SOURCE``; it does not import torch) and ``section`` (TITLE, HEADLINE,
SOURCES, ``make``).
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from . import loading, presets, regimes
from .errors import InputError, data_error
from .sources import default_cache

if TYPE_CHECKING:
    from .chain import Chain, Section

NAMES = ("linear", "language", "images", "molecules")
DEFAULT_PRESET = "smoke"
DEFAULT = "default"  # names the data source that a dependency of the package contains


def check(name: str) -> str:
    """``name``, a section or an own model; InputError lists the sections."""
    if loading.is_own(name):
        loading.model_class(name)
    elif name not in NAMES:
        allowed = f"one of {', '.join(NAMES)}, or an own model as path/to/file.py:Class"
        raise InputError("section", name, allowed)
    return name


def result_name(name: str) -> str:
    """The name of a section, or of an own model, in results and folders."""
    return loading.section_name(name) if loading.is_own(name) else check(name)


def _config_module(name: str) -> ModuleType:
    return importlib.import_module(f".{check(name)}.config", __package__)


def default_source(name: str) -> str:
    """The source that a dependency of the package contains; an own model has its own data."""
    return loading.PRESET if loading.is_own(name) else _config_module(name).DEFAULT_SOURCE


def default_preset(name: str) -> str:
    return loading.PRESET if loading.is_own(name) else DEFAULT_PRESET


def configuration(
    name: str, preset: str, assignments: Iterable[str] = (), arguments: Iterable[str] = ()
) -> tuple[presets.Config, str]:
    """The configuration of a section, and its variant (how it differs from the preset, as text).

    An own model has one preset.  Its variant consists of the ``arguments`` of its constructor and
    of all changed fields except the number of iterations.
    """
    if loading.is_own(name):
        presets.choose({loading.PRESET: None}, preset)
        base = loading.OwnConfig(model=loading.identity(loading.construct(name, arguments)))
        config = presets.override(base, assignments)
        changed = presets.variant(config, dataclasses.replace(base, iterations=config.iterations))
        return config, ",".join(part for part in (*sorted(arguments), changed) if part)
    for argument in arguments:
        raise InputError("--arg", argument, "an own model; a section takes --set FIELD=VALUE")
    base = presets.choose(_config_module(name).PRESETS, preset)
    config = presets.override(base, assignments)
    return config, presets.variant(config, base)


def preset_names(name: str) -> tuple[str, ...]:
    """The presets of a section, smallest first."""
    return tuple(_config_module(name).PRESETS)


def module(name: str) -> ModuleType:
    """The ``section`` module of a section."""
    return importlib.import_module(f".{check(name)}.section", __package__)


def headline(name: str) -> str:
    """The main metric of a section; empty for an own model, whose first metric is used."""
    return "" if loading.is_own(name) else module(name).HEADLINE


def make(
    name: str,
    *,
    preset: str,
    regime: str,
    seed: int,
    assignments: Iterable[str] = (),
    arguments: Iterable[str] = (),
    data: str | Path = DEFAULT,
    cache: Path | None = None,
) -> tuple[Section, Chain]:
    """A section with its data, and the chain to run; InputError names a value that is wrong."""
    config, variant = configuration(name, preset, assignments, arguments)
    from . import seeds
    from .chain import Chain, check_methods

    regimes.check(regime, shares=True)
    seeds.sequence(seed)
    if loading.is_own(name):
        if str(data) != DEFAULT:
            raise data_error(data, "nothing: an own model brings its data (or takes them by --arg)")
        own = loading.construct(name, arguments)
        check_methods(own)
        section = loading.Adapted(own)
        return section, Chain(result_name(name), regime, seed, config, variant=variant)
    experiment = module(name)
    data = default_source(name) if str(data) == DEFAULT else data
    section = experiment.make(config, data=data, seed=seed, cache=cache or default_cache())
    source = getattr(section, "source", str(data))
    return section, Chain(name, regime, seed, config, preset=preset, variant=variant, source=source)


def fields(name: str, preset: str) -> list[tuple[str, object, str, str]]:
    """Every field of a section: name, value at the preset, what is allowed, meaning."""
    config, _ = configuration(name, preset)
    return [
        (
            field.name,
            getattr(config, field.name),
            presets.allowed(field, type(getattr(config, field.name))),
            field.metadata["meaning"],
        )
        for field in dataclasses.fields(config)
    ]
