"""Beginning a run, or going on with it: the run directory must be new or of the same run, made by
the same code, and of no other living process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError
from . import code, reading
from .files import DISK_ERRORS, read_checked, remove_leftovers, write_checked, write_json
from .leases import Lease

CODE = ("code", "package_version", "fingerprint")  # what other code changes in a description


def code_changes(directory: Path) -> list[dict]:
    """With which other code a run has gone on, and of which iterations it has made something:
    [{code, iterations}], oldest first.
    """
    path = directory / "changed-code.json"
    if not path.exists():
        return []
    changes = read_checked(path).get("changes")
    if not isinstance(changes, list) or not all(
        isinstance(change, dict) and isinstance(change.get("iterations", []), list)
        for change in changes
    ):
        raise reading.changed(path)
    return changes


def _write_changes(directory: Path, changes: list[dict], guard: Callable[[], None]) -> None:
    """Save what :func:`code_changes` reads: first in the provenance of a finished run, which its
    repair leaves as it is.
    """
    try:
        done = reading.read_done(directory, reading.read_config(directory))
    except RunError:  # not finished; or damaged, and then written again at the end
        done = None
    if done is not None:
        write_checked(directory / "DONE", {**done, "changed_code": changes}, guard=guard)
    write_checked(directory / "changed-code.json", {"changes": changes}, guard=guard)


def record_changed_code(directory: Path, t: int, guard: Callable[[], None]) -> None:
    """Note, before it is made, that something of iteration t is made by the code which last went on
    with a run.  Nothing is noted of the code that began it.
    """
    changes = code_changes(directory)
    if changes and t not in (made := changes[-1].setdefault("iterations", [])):
        made.append(t)
        _write_changes(directory, changes, guard)


def code_difference(directory: Path, description: dict) -> str | None:
    """How the code of ``description`` differs from that which last worked in ``directory``."""
    changes = code_changes(directory)
    stored = changes[-1].get("code") if changes else reading.read_config(directory).get("code")
    return code.difference(stored, description["code"])


def _difference(old: Any, new: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The first field in which two descriptions differ, dotted for nested ones, with both
    values.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            difference = _difference(old.get(key), new.get(key), f"{name}.{key}" if name else key)
            if difference:
                return difference
        return None
    return None if old == new else (name, old, new)


def _without_code(description: dict) -> dict:
    return {name: value for name, value in description.items() if name not in CODE}


def check_run(directory: Path, description: dict) -> None:
    """See, without writing, that ``directory`` is new or already the home of the run
    ``description``, which may have been begun by other code.

    Raises InputError that names the differing field if another run lives there, or what the folder
    holds instead.
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
        # changed by hand: then the fingerprint alone differs, or its own field does
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
    home = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not os.access(home, os.W_OK | os.X_OK):
        raise InputError(
            "--run-dir", str(directory), f"a folder that can be written ({home} cannot)"
        )


def _refuse_changed_code(directory: Path, description: dict) -> None:
    if not (directory / "config.json").exists():
        return
    if there := code_difference(directory, description):
        raise InputError(
            "--run-dir",
            str(directory),
            f"a run of the same code and libraries; this one was begun with {there}. Take another "
            "--run-dir, or go on all the same with --allow-changed-code, which is recorded",
        )


@contextlib.contextmanager
def run_lease(
    directory: Path, description: dict, allow_changed_code: bool = False
) -> Iterator[Lease]:
    """The run directory, checked, leased and with its ``config.json`` in place, for the length of
    the block.

    A run that was begun by other code is refused, unless ``allow_changed_code``: then the change is
    noted in the run directory.
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
        # another process may have begun another run before we got the lease
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
    # from the small things that no other function tells of, such as making a folder
    except OSError as problem:
        if problem.errno not in DISK_ERRORS:
            raise
        raise RunError(
            f"{problem.filename or directory}: cannot be written ({problem.strerror})"
        ) from problem
    finally:
        lease.release()
