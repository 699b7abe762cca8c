"""A run directory: what is in it, which run it belongs to, and the right to write it.

<run>/config.json        what this chain is: section, preset, regime, seed, configuration, data,
                         versions, fingerprint
<run>/lease.json         who writes here now
<run>/metrics.csv        tidy results so far
<run>/progress.json      for people who look on: iteration, step, rate
<run>/iteration-03/      the fit of iteration 3: its checkpoint, its final weights, its metrics.json
<run>/generation-03/     block-00, block-01, ...: what the model of iteration 3 sampled
<run>/DONE               the chain is finished; holds the wall time and the provenance
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__, data
from ..errors import InputError, RunError
from ..regimes import Block
from .files import REFUSALS, read_json, remove_leftovers, write_json
from .leases import Lease

if TYPE_CHECKING:
    from ..chain import Chain


def iteration_dir(run_dir: Path, t: int) -> Path:
    return run_dir / f"iteration-{t:02d}"


def block_dir(run_dir: Path, block: Block) -> Path:
    return run_dir / f"generation-{block.generation:02d}" / f"block-{block.block:02d}"


def iterations(run_dir: Path, name: str) -> dict[int, Path]:
    """The file ``name`` of every iteration that has one, by t, in order."""
    folders = {int(path.name.partition("-")[2]): path for path in run_dir.glob("iteration-*")}
    return {t: folders[t] / name for t in sorted(folders) if (folders[t] / name).exists()}


def describe_run(chain: Chain, real_train: data.Data, real_test: data.Data) -> dict:
    """What makes a run this run: the content of ``config.json``."""
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
    }
    return {**description, "fingerprint": fingerprint(description)}


def shared_folders(
    shared: Path, description: dict, sampling_fields: Iterable[str]
) -> tuple[Path, Path]:
    """The folders of the first fit and of its first block, which depend on neither the regime nor
    N.
    """
    config = {name: value for name, value in description["config"].items() if name != "iterations"}
    sampling = {name: config.pop(name) for name in sampling_fields}
    parts = {
        "config": config,
        **{key: description[key] for key in ("section", "seed", "data", "package_version")},
    }
    first_fit = shared / f"{description['section']}-seed{description['seed']}-{fingerprint(parts)}"
    return first_fit, first_fit / f"block-{fingerprint(sampling)}"


def fingerprint(parts: dict) -> str:
    """A short hash of a JSON-able description."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _difference(there: Any, here: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first field in which two descriptions differ, dotted for nested ones, with both
    values.
    """
    if isinstance(there, dict) and isinstance(here, dict):
        # The fingerprint sums up the other fields: it is named only when it alone differs (a file
        # changed by hand).
        for key in sorted({*there, *here}, key=lambda key: (key == "fingerprint", key)):
            found = _difference(there.get(key), here.get(key), f"{name}.{key}" if name else key)
            if found:
                return found
        return None
    return None if there == here else (name, there, here)


def check_run(directory: Path, description: dict) -> None:
    """See, without writing, that ``directory`` is new or already the home of the run
    ``description``.

    Raises InputError that names the differing field if another run lives there, or what the folder
    holds instead.
    """
    config = directory / "config.json"
    if config.exists():
        found = _difference(read_json(config), description)
        if found:
            field, there, here = found
            raise InputError(
                field, here, f"{there!r}, with which {directory} was begun (or another --run-dir)"
            )
        return
    if directory.exists() and not directory.is_dir():
        raise InputError("--run-dir", str(directory), "a folder, new or of an earlier run")
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    foreign = [name for name in names if not name.startswith(".") and name != "lease.json"]
    if foreign:
        raise InputError(
            "--run-dir",
            str(directory),
            f"an empty folder or an earlier run (it holds {foreign[0]})",
        )
    home = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not os.access(home, os.W_OK | os.X_OK):
        raise InputError(
            "--run-dir", str(directory), f"a folder that can be written ({home} cannot)"
        )


@contextlib.contextmanager
def writing(directory: Path, description: dict) -> Iterator[Lease]:
    """The run directory, checked, leased and with its ``config.json`` in place, for the length of
    the block.
    """
    check_run(directory, description)
    try:
        lease = Lease(directory).acquire()
    except OSError as problem:
        raise InputError(
            "--run-dir", str(directory), f"a folder that can be written ({problem.strerror})"
        ) from None
    try:
        # another process may have begun another run before we got the lease
        check_run(directory, description)
        remove_leftovers(directory)
        if not (directory / "config.json").exists():
            write_json(directory / "config.json", description)
        yield lease
    except (
        OSError
    ) as problem:  # from the small things that no other function tells of, such as making a folder
        if problem.errno not in REFUSALS:
            raise
        raise RunError(
            f"{problem.filename or directory}: cannot be written ({problem.strerror})"
        ) from problem
    finally:
        lease.release()


def run_dirs(folder: Path) -> Iterator[Path]:
    """Every run directory at or below ``folder``."""
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in names:
            folders.clear()
            yield Path(path)


def finished_runs(folder: Path) -> Iterator[Path]:
    """Every finished run directory at or below ``folder``."""
    return (path for path in run_dirs(folder) if (path / "DONE").exists())
