"""Starting or resuming a run.

The run directory must be new or belong to the same run, be made by the same code, and have no other
process that writes in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError
from . import code, reading
from .files import (
    DISK_ERRORS,
    changed_error,
    read_checked,
    remove_leftovers,
    write_checked,
    write_json,
)
from .leases import Lease

# fields of config.json that differ when other code describes the same run
CODE_FIELDS = ("code", "package_version", "fingerprint")


def code_changes(directory: Path) -> list[dict]:
    """Every change of code during a run, oldest first: [{code, iterations}].

    ``iterations`` are those of which the new code has made something.
    """
    path = directory / "changed-code.json"
    if not path.exists():
        return []
    changes = read_checked(path).get("changes")
    if not isinstance(changes, list) or not all(
        isinstance(change, dict) and isinstance(change.get("iterations", []), list)
        for change in changes
    ):
        raise changed_error(path)
    return changes


def _write_changes(directory: Path, changes: list[dict], guard: Callable[[], None]) -> None:
    """Save the list that :func:`code_changes` reads.

    The provenance of a finished run is updated first, because a repair does not write it again.
    """
    try:
        done = reading.read_done(directory, reading.read_config(directory))
    except RunError:  # the run is not finished, or DONE is damaged and is written at the end
        done = None
    if done is not None:
        write_checked(directory / "DONE", {**done, "changed_code": changes}, guard=guard)
    write_checked(directory / "changed-code.json", {"changes": changes}, guard=guard)


def record_changed_code(directory: Path, t: int, guard: Callable[[], None]) -> None:
    """Record that the code which last resumed the run is about to make something of iteration t.

    Nothing is recorded for the code that started the run.
    """
    changes = code_changes(directory)
    if changes and t not in (iterations := changes[-1].setdefault("iterations", [])):
        iterations.append(t)
        _write_changes(directory, changes, guard)


def code_difference(directory: Path, description: dict) -> str | None:
    """How the code of ``description`` differs from the code that last worked in ``directory``."""
    changes = code_changes(directory)
    stored = changes[-1].get("code") if changes else reading.read_config(directory).get("code")
    return code.difference(stored, description["code"])


def _difference(old: Any, new: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first field in which two descriptions differ (``config.threads``), with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            difference = _difference(old.get(key), new.get(key), f"{name}.{key}" if name else key)
            if difference:
                return difference
        return None
    return None if old == new else (name, old, new)


def _without_code(description: dict) -> dict:
    return {name: value for name, value in description.items() if name not in CODE_FIELDS}


def check_run(directory: Path, description: dict) -> None:
    """Check that ``directory`` is new or belongs to the run ``description``; writes nothing.

    The run may have been started by other code.  Raises InputError, which names the field that
    differs or a file that is not part of a run.
    """
    if directory.name.startswith("."):
        raise InputError(
            "--run-dir",
            str(directory),
            "a name that does not begin with a dot: status and collect pass over such folders",
        )
    if (directory / "config.json").exists():
        stored = reading.read_config(directory)
        difference = _difference(_without_code(stored), _without_code(description))
        # a config.json that was edited by hand may differ in nothing but its fingerprint
        if not difference and not reading.fingerprint_matches(stored):
            difference = "fingerprint", stored["fingerprint"], description["fingerprint"]
        if difference:
            field, old, new = difference
            raise InputError(
                field, new, f"{old!r}, with which {directory} was begun (or another --run-dir)"
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
    parent = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            "--run-dir", str(directory), f"a folder that can be written ({parent} cannot)"
        )


def _refuse_changed_code(directory: Path, description: dict) -> None:
    if not (directory / "config.json").exists():
        return
    if difference := code_difference(directory, description):
        raise InputError(
            "--run-dir",
            str(directory),
            f"a run of the same code and libraries; this one was begun with {difference}. Take "
            "another --run-dir, or resume it with --allow-changed-code, which is recorded",
        )


@contextlib.contextmanager
def run_lease(
    directory: Path, description: dict, allow_changed_code: bool = False
) -> Iterator[Lease]:
    """The lease of a run directory that has been checked and holds its ``config.json``.

    A run that other code started is refused, or with ``allow_changed_code`` the change is recorded
    in the run directory.
    """
    check_run(directory, description)
    if not allow_changed_code:
        _refuse_changed_code(directory, description)
    try:
        lease = Lease(directory).acquire()
    except OSError as problem:
        raise InputError(
            "--run-dir", str(directory), f"a folder that can be written ({problem.strerror})"
        ) from None
    try:
        # another process may have started another run before we got the lease
        check_run(directory, description)
        remove_leftovers(directory)
        if not (directory / "config.json").exists():
            write_json(directory / "config.json", description, guard=lease.check)
        elif code_difference(directory, description):
            if not allow_changed_code:
                _refuse_changed_code(directory, description)
            change = {"code": description["code"], "iterations": []}
            _write_changes(directory, [*code_changes(directory), change], lease.check)
        yield lease
    # raised by small operations whose errors nothing else translates, such as making a folder
    except OSError as problem:
        if problem.errno not in DISK_ERRORS:
            raise
        raise RunError(
            f"{problem.filename or directory}: cannot be written ({problem.strerror})"
        ) from problem
    finally:
        lease.release()
