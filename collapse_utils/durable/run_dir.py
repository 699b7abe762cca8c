"""The layout of a run directory, the description of a run, and a search for run directories.

<run>/config.json        the description of the chain: section, preset, regime, seed, configuration,
                         data, versions and digest of the code; and a fingerprint of all this
<run>/changed-code.json  changes of the code during the run, if they were allowed
<run>/lease.json         the process that writes here now
<run>/metrics.csv        tidy results so far
<run>/progress.json      iteration, step and rate, for display
<run>/iteration-03/      the fit of iteration 3: its checkpoint, its final weights, its metrics.json
<run>/generation-03/     block-00, block-01, ...: the items that the model of iteration 3 sampled
<run>/DONE               the chain is finished; contains the wall time and the provenance
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .. import __version__, data
from ..errors import InputError
from ..regimes import Block
from . import code

if TYPE_CHECKING:
    from ..chain import Chain

ITERATION = re.compile(r"iteration-(\d{2,7})")
MAX_NAME_BYTES = 200  # of a name that becomes part of a folder's name


def iteration_dir(run_dir: Path, t: int) -> Path:
    return run_dir / f"iteration-{t:02d}"


def block_dir(run_dir: Path, block: Block) -> Path:
    return run_dir / f"generation-{block.generation:02d}" / f"block-{block.block:02d}"


def iterations(run_dir: Path, name: str) -> dict[int, Path]:
    """The path of the file ``name`` of each iteration that has it: {t: path}, in order."""
    matches = (ITERATION.fullmatch(path.name) for path in run_dir.glob("iteration-*"))
    numbers = sorted({int(match[1]) for match in matches if match})
    paths = {t: iteration_dir(run_dir, t) / name for t in numbers}
    return {t: path for t, path in paths.items() if path.exists()}


def name_problem(name: str) -> str | None:
    """Why ``name`` cannot name a folder of runs or results, in words; None if it can."""
    if not name.isprintable() or set("/\\") & set(name):
        return "has a slash or a control character"
    if not name.strip() or name.startswith(".") or len(name.encode()) > MAX_NAME_BYTES:
        return f"is empty, begins with a dot, or has more than {MAX_NAME_BYTES} bytes"
    return None


def check_names(section: str, variant: str) -> None:
    """InputError for a section or variant of an own model that a run directory cannot have."""
    if problem := name_problem(section):
        allowed = "one that can name a folder (an own model's is its NAME, or the argument name)"
        raise InputError("name", section, f"{allowed}: it {problem}")
    if not variant.isprintable():
        raise InputError("--arg", variant, "arguments without control characters")


def folder_name(variant: str) -> str:
    """A variant as the name of a folder; an own model's may contain a path, such as ``data=/x``."""
    name = quote(variant or "base", safe=" =,.+-_:()[]'")
    return name.replace(".", "%2E") if name in (".", "..") else name


def describe_run(chain: Chain, real_train: data.Data, real_test: data.Data) -> dict:
    """The description of a run, which ``config.json`` contains."""
    check_names(chain.section, chain.variant)
    if problem := name_problem(chain.source):
        raise InputError(
            "--data", chain.source, f"a file or folder whose name can be used: it {problem}"
        )
    description = {
        "section": chain.section,
        "preset": chain.preset,
        "variant": chain.variant,
        "regime": chain.regime,
        "seed": chain.seed,
        "config": asdict(chain.config),
        "data": {
            "source": chain.source,
            "train_items": len(real_train),
            "test_items": len(real_test),
            "train": data.checksum(real_train),
            "test": data.checksum(real_test),
        },
        "package_version": __version__,
        "code": code.of(chain.section),
    }
    return {**description, "fingerprint": fingerprint(description)}


def shared_folders(
    shared: Path, description: dict, sampling_fields: Iterable[str]
) -> tuple[Path, Path]:
    """The folders of the first fit and its first block, which depend on neither regime nor N."""
    config = {name: value for name, value in description["config"].items() if name != "iterations"}
    sampling = {name: config.pop(name) for name in sampling_fields}
    parts = {
        "config": config,
        **{key: description[key] for key in ("section", "seed", "data", "package_version", "code")},
    }
    first_fit = shared / f"{description['section']}-seed{description['seed']}-{fingerprint(parts)}"
    return first_fit, first_fit / f"block-{fingerprint(sampling)}"


def fingerprint(parts: dict) -> str:
    """A short hash of a description that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def run_dirs(folder: Path) -> Iterator[Path]:
    """Every run directory at or below ``folder``."""
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if {"config.json", "DONE"} & {*names, *folders}:  # one of the two may be lost
            folders.clear()
            yield Path(path)


def finished_runs(folder: Path) -> Iterator[Path]:
    """Every finished run directory at or below ``folder``."""
    return (path for path in run_dirs(folder) if (path / "DONE").exists())
