"""The run directory: ``config.json``, ``DONE``, which folders are runs, and which run a folder belongs to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError
from .files import REFUSALS, read_json, remove_leftovers, write_json
from .leases import Lease


def finished_runs(folder: Path) -> Iterator[Path]:
    """Every finished run directory below ``folder``."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in files:
            folders.clear()
            if "DONE" in files:
                yield Path(path)


def fingerprint(parts: dict) -> str:
    """A short hash of a JSON-able description."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _difference(there: Any, here: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first field in which two descriptions differ, dotted for nested ones, with both values."""
    if isinstance(there, dict) and isinstance(here, dict):
        # The fingerprint sums up the other fields: it is named only when it alone differs (a file changed by hand).
        for key in sorted({*there, *here}, key=lambda key: (key == "fingerprint", key)):
            found = _difference(there.get(key), here.get(key), f"{name}.{key}" if name else key)
            if found:
                return found
        return None
    return None if there == here else (name, there, here)


def check_run(directory: Path, description: dict) -> None:
    """See, without writing, that ``directory`` is new or already the home of the run ``description``.

    Raises InputError that names the differing field if another run lives there, or what the folder holds instead.
    """
    config = directory / "config.json"
    if config.exists():
        found = _difference(read_json(config), description)
        if found:
            field, there, here = found
            raise InputError(field, here, f"{there!r}, with which {directory} was begun (or another --run-dir)")
        return
    if directory.exists() and not directory.is_dir():
        raise InputError("--run-dir", str(directory), "a folder, new or of an earlier run")
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    foreign = [name for name in names if not name.startswith(".") and name != "lease.json"]
    if foreign:
        raise InputError("--run-dir", str(directory), f"an empty folder or an earlier run (it holds {foreign[0]})")
    home = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not os.access(home, os.W_OK | os.X_OK):
        raise InputError("--run-dir", str(directory), f"a folder that can be written ({home} cannot)")


@contextlib.contextmanager
def writing(directory: Path, description: dict) -> Iterator[Lease]:
    """The run directory, checked, leased and with its ``config.json`` in place, for the length of the block."""
    check_run(directory, description)
    try:
        lease = Lease(directory).acquire()
    except OSError as problem:
        raise InputError("--run-dir", str(directory), f"a folder that can be written ({problem.strerror})") from None
    try:
        check_run(directory, description)  # another process may have begun another run before we got the lease
        remove_leftovers(directory)
        if not (directory / "config.json").exists():
            write_json(directory / "config.json", description)
        yield lease
    except OSError as problem:  # from the small things that no other function tells of, such as making a folder
        if problem.errno not in REFUSALS:
            raise
        raise RunError(f"{problem.filename or directory}: cannot be written ({problem.strerror})") from problem
    finally:
        lease.release()


def run_dirs(folder: Path) -> Iterator[Path]:
    """Every run directory at or below ``folder``."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in files:
            folders.clear()
            yield Path(path)
