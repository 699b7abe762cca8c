"""A plan: several sweeps in a file, such as those of all published chains.

    sweeps:
      - section: language            # or an own model, as path/to/file.py:Class
        preset: cpu                  # default: smoke
        data: tinystories            # default: the built-in data
        regimes: [replace, accumulate]   # default: all
        seeds: 0-4
        set: [temperature=0.3]       # fields that differ from the preset
        added_after_looking: 3-4     # seeds that were added after the first results had been seen
        pending: 2-4                 # seeds whose chains are planned, but not all published yet

``results/reference.yml`` is the plan of the published results.  A path in it is relative to the
folder that contains ``results``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import regimes, sections, seeds
from ..errors import InputError, one_of

FIELDS = (
    "section",
    "preset",
    "data",
    "regimes",
    "seeds",
    "set",
    "arg",
    "added_after_looking",
    "pending",
)


@dataclass(frozen=True)
class Sweep:
    """Chains of one section, preset and data source: every regime with every seed."""

    section: str
    preset: str
    data: str
    regimes: tuple[str, ...]
    seeds: tuple[int, ...]
    assignments: tuple[str, ...]
    arguments: tuple[str, ...]
    added_after_looking: tuple[int, ...]  # of the seeds
    pending: tuple[int, ...]  # of the seeds

    @property
    def variant(self) -> str:
        """How its configuration differs from the preset, as in the results."""
        section, preset = self.section, self.preset
        return sections.configuration(section, preset, self.assignments, self.arguments)[1]

    @property
    def source(self) -> str:
        """The name of its data source, as in the results."""
        return sections.default_source(self.section) if self.data == sections.DEFAULT else self.data


# cached, since the plan of the published results is read for each of their tables
_parsed = functools.lru_cache(maxsize=4)(yaml.safe_load)


def read(path: Path) -> list[Sweep]:
    """The sweeps of a plan, checked; InputError names the entry and the field that is wrong."""
    try:
        content = _parsed(path.read_text(encoding="utf-8"))
        entries = content["sweeps"]
    except (OSError, yaml.YAMLError, ValueError, RecursionError, LookupError, TypeError) as problem:
        raise InputError(
            "--plan", str(path), f"a YAML file with a list of sweeps ({problem})"
        ) from None
    valid = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    if not valid or not entries:
        raise InputError("--plan", str(path), "a list of sweeps with their fields, at least one")
    return [
        _sweep(entry, f"{path.name}, sweep {number}", path)
        for number, entry in enumerate(entries, 1)
    ]


def _texts(entry: dict[str, Any], name: str, where: str) -> list[str]:
    """The value of a field that is a list of texts; empty if the field is left out."""
    texts = entry.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(where, f"{name}: {texts!r}", f"{name} as a list of texts")
    return texts


def _sweep(entry: dict[str, Any], where: str, path: Path) -> Sweep:
    for name in entry:
        one_of(where, name, FIELDS)
    for name in ("section", "seeds"):
        if name not in entry:
            raise InputError(where, "nothing", f"a field {name}")
    section = str(entry["section"])
    if ".py:" in section and not Path(section).is_absolute():
        section = str(path.resolve().parent.parent / section)
    preset = entry.get("preset", sections.default_preset(section))
    if not isinstance(preset, str):
        raise InputError(where, f"preset: {preset!r}", "the name of a preset")
    names = entry.get("regimes", "all")
    if not isinstance(names, str):
        names = ",".join(_texts(entry, "regimes", where))
    planned = seeds.parse(str(entry["seeds"]))
    subsets = {
        name: seeds.parse(str(entry[name])) if name in entry else []
        for name in ("added_after_looking", "pending")
    }
    for name, subset in subsets.items():
        if not set(subset) <= set(planned):
            raise InputError(where, f"{name}: {entry[name]}", f"seeds among {entry['seeds']}")
    return Sweep(
        section=sections.check(section),
        preset=preset,
        data=str(entry.get("data", sections.DEFAULT)),
        regimes=tuple(regimes.parse(names)),
        seeds=tuple(planned),
        assignments=tuple(_texts(entry, "set", where)),
        arguments=tuple(_texts(entry, "arg", where)),
        **{name: tuple(subset) for name, subset in subsets.items()},
    )
