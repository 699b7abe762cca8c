"""A run directory: what is in it can be trusted, and only one process writes it.

    <run>/config.json        what this chain is: section, preset, regime, seed, configuration, data, versions, fingerprint
    <run>/lease.json         who writes here now
    <run>/metrics.csv        tidy results so far
    <run>/progress.json      for people who look on: iteration, step, rate
    <run>/iteration-03/      the fit of iteration 3: its checkpoint, its final weights, its metrics.json
    <run>/generation-03/     block-00, block-01, ...: what the model of iteration 3 sampled
    <run>/DONE               the chain is finished; holds the wall time and the provenance

Every file and folder is written under a temporary name beside its final one, flushed to the disk and renamed, so that
what has its final name is whole.  Folders carry ``checksums.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from .errors import InputError, RunError

HEARTBEAT_S = 10.0  # how often an owner renews its lease
DEAD_AFTER_S = 120.0  # a lease of another machine that was not renewed for this long has a dead owner


def _flush(path: Path) -> None:
    """Ask the operating system to put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace ``path`` by ``text`` in one step: a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush(path.parent)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n", durable=durable)


def read_json(path: Path) -> Any:
    """The content of a JSON file; RunError names a file that cannot be read as JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise RunError(f"{path}: not readable as JSON ({problem})") from None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "checksums.json")


def _file_checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``final`` when the block ends well, and is removed when it does not.

    A folder that is already there under the final name stays as it is: it was finished by somebody else.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        sums = {path.relative_to(temporary).as_posix(): _file_checksum(path) for path in _files(temporary)}
        write_json(temporary / "checksums.json", sums)
        for path in temporary.rglob("*"):
            _flush(path)
        with contextlib.suppress(OSError):  # the name is taken: the other copy is whole, too
            os.rename(temporary, final)
        _flush(final.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not final.is_dir():
        raise RunError(f"{final}: could not be written")


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that :func:`new_folder` made, or None: a file missing, changed or unreadable."""
    try:
        sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
        for name, expected in sums.items():
            if _file_checksum(folder / name) != expected:
                return f"{folder / name}: its content has changed since it was written"
    except (OSError, ValueError) as problem:
        return f"{folder}: {problem}"
    return None


def remove_folder(folder: Path) -> None:
    """Remove a folder so that no half of it is ever seen under its name."""
    if folder.exists():
        grave = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
        os.rename(folder, grave)
        shutil.rmtree(grave, ignore_errors=True)


def copy_folder(source: Path, final: Path) -> None:
    """``source`` under a second name: by hard links where the disk allows, else by a copy."""

    def link(original: str, copy: str) -> None:
        try:
            os.link(original, copy)
        except OSError:
            shutil.copy2(original, copy)

    if final.exists():
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    shutil.copytree(source, temporary, copy_function=link)
    with contextlib.suppress(OSError):
        os.rename(temporary, final)
    shutil.rmtree(temporary, ignore_errors=True)


def cached_folder(final: Path, make: Callable[[Path], None]) -> Path:
    """``final``, whole: made by ``make(folder)`` unless it is there already; of several processes one makes it."""
    if damage(final) is not None:
        with Lease(final.parent / f".making-{final.name}", wait=True):
            if damage(final) is not None:  # nobody else made it while we waited
                remove_folder(final)
                with new_folder(final) as folder:
                    make(folder)
    return final


def _process_start(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


class Lease:
    """The right to write a directory: one process at a time, renewed by a heartbeat, taken over from a dead owner.

    With ``wait`` it waits for a live owner to go, and calls ``waiting`` once with the owner's name; otherwise a live owner
    is a RunError.  A holder calls :meth:`check` before every write.
    """

    def __init__(self, directory: Path, *, wait: bool = False, waiting: Callable[[str], None] = lambda owner: None):
        self.path = directory / "lease.json"
        self._wait, self._waiting = wait, waiting
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()

    def _owner(self) -> dict | None:
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _dead(self, owner: dict) -> bool:
        if owner.get("host") == socket.gethostname():
            started = _process_start(int(owner["pid"]))
            return started is None or abs(started - owner["started"]) > 1.0
        with contextlib.suppress(OSError):
            return time.time() - self.path.stat().st_mtime > DEAD_AFTER_S
        return True

    def acquire(self) -> Lease:
        """Take the lease; RunError names a live owner, or with ``wait`` the call waits until it has gone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        me = {"host": socket.gethostname(), "pid": os.getpid(), "started": _process_start(os.getpid())}
        told = False
        while True:
            candidate = self.path.with_name(f".lease.{self._token}.tmp")
            write_json(candidate, {**me, "token": self._token}, durable=False)
            try:
                os.link(candidate, self.path)  # fails if the name exists, and shows the whole content at once
                break
            except FileExistsError:
                owner = self._owner()
                if owner is not None and self._dead(owner):
                    # Only one of several heirs wins the rename; the others find the name gone and try again.
                    with contextlib.suppress(OSError):
                        os.rename(self.path, self.path.with_name(f".lease.{owner['token']}.dead"))
                    continue
                name = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
                if not self._wait:
                    raise RunError(f"{self.path.parent}: {name} is writing here") from None
                if not told:
                    self._waiting(name)
                    told = True
                time.sleep(0.2)
            finally:
                candidate.unlink(missing_ok=True)
        for leftover in self.path.parent.glob(".lease.*.dead"):
            leftover.unlink(missing_ok=True)
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            owner = self._owner()
            if owner is None or owner.get("token") != self._token:
                return
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def check(self) -> None:
        """RunError if somebody else has taken the lease: a process that slept too long must not write."""
        owner = self._owner()
        if owner is None or owner.get("token") != self._token:
            raise RunError(f"{self.path.parent}: this process has lost its lease; it stops without writing")

    def release(self) -> None:
        self._stop.set()
        owner = self._owner()
        if owner is not None and owner.get("token") == self._token:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lease:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


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
        if not (directory / "config.json").exists():
            write_json(directory / "config.json", description)
        yield lease
    finally:
        lease.release()
