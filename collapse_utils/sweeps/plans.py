"""A plan of sweeps in a file: the chains that belong together, such as all whose results are published.

    sweeps:
      - section: language            # or an own model, as path/to/file.py:Class
        preset: cpu                  # default: smoke
        data: tinystories            # default: the built-in data
        regimes: [replace, accumulate]   # default: all
        seeds: 0-4
        set: [temperature=0.3]       # fields that differ from the preset
        added_after_looking: 3-4     # seeds that were added when the first results had been seen

``results/reference.yml`` is the plan of the published results.  A path in it is relative to the folder that
holds ``results``, and ``sources`` says with which word of the command line each source is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import sections
from ..errors import InputError
from .jobs import Job, parse_regimes, parse_seeds, plan

FIELDS = ("section", "preset", "data", "regimes", "seeds", "set", "arg", "added_after_looking")


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

    def jobs(self, out: Path, given: Mapping[str, str]) -> list[Job]:
        """The chains, with ``given`` in the place of a source's name: a local file or folder."""
        return plan(
            [self.section],
            self.preset,
            self.seeds,
            self.regimes,
            out,
            assignments=self.assignments,
            arguments=self.arguments,
            data=given.get(self.data, self.data),
        )


def read(path: Path) -> list[Sweep]:
    """The sweeps of a plan, checked; InputError names the entry and the field that is wrong."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = content["sweeps"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as problem:
        raise InputError("--plan", str(path), f"a YAML file with a list of sweeps ({problem})") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError("--plan", str(path), "a list of sweeps, each with its fields")
    return [_sweep(entry, f"{path.name}, sweep {number}", path) for number, entry in enumerate(entries, 1)]


def _sweep(entry: dict[str, Any], where: str, path: Path) -> Sweep:
    for name in entry:
        if name not in FIELDS:
            raise InputError(where, name, "one of " + ", ".join(FIELDS))
    for name in ("section", "seeds"):
        if name not in entry:
            raise InputError(where, "nothing", f"a field {name}")
    section = str(entry["section"])
    if ".py:" in section and not Path(section).is_absolute():
        section = str(path.resolve().parent.parent / section)
    seeds, regimes = tuple(parse_seeds(str(entry["seeds"]))), entry.get("regimes", "all")
    added = tuple(parse_seeds(str(entry["added_after_looking"]))) if "added_after_looking" in entry else ()
    if not set(added) <= set(seeds):
        raise InputError(where, f"added_after_looking: {entry['added_after_looking']}", f"seeds among {entry['seeds']}")
    return Sweep(
        section=sections.check(section),
        preset=entry.get("preset", sections.default_preset(section)),
        data=str(entry.get("data", sections.DEFAULT)),
        regimes=tuple(parse_regimes(regimes if isinstance(regimes, str) else ",".join(regimes))),
        seeds=seeds,
        assignments=tuple(map(str, entry.get("set", ()))),
        arguments=tuple(map(str, entry.get("arg", ()))),
        added_after_looking=added,
    )


def jobs_of(sweeps: list[Sweep], out: Path, given: Mapping[str, str]) -> list[Job]:
    """The chains of all sweeps, each once; InputError for a word of ``given`` that no sweep uses."""
    sources = {sweep.data for sweep in sweeps}
    for name in given:
        if name not in sources:
            raise InputError("--source", name, "a source of the plan: " + ", ".join(sorted(sources)))
    jobs: dict[Path, Job] = {}
    for sweep in sweeps:
        for job in sweep.jobs(out, given):
            jobs.setdefault(job.run_dir, job)
    return list(jobs.values())
