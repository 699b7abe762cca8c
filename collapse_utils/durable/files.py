"""Files and folders that are complete or absent: atomic writes, checksums, caches.

Every file and folder is written under a temporary name beside its final one, flushed to the disk
and renamed, so whatever has its final name is complete.  A folder contains ``checksums.json``, and
``metrics.json`` contains its own checksum.  A file that changed afterwards is therefore detected;
its user names it and makes it again from intact files.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import InputError, RunError
from .leases import Lease

STATE = re.compile(r"state-\d{9}")
MAX_BYTES = 256 * 2**20  # of one file of JSON
# the disk is full, read-only or failing
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


def warn(text: str) -> None:
    """Print one line on stderr: what is damaged or lacking, and what is done about it."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def _disk_error(problem: Exception, folder: Path) -> str | None:
    """Why the disk refused a write, in words; None if ``problem`` has another cause.

    torch and safetensors hide the system's reason, so a small file is written to learn it.
    """
    if isinstance(problem, OSError) and problem.errno in DISK_ERRORS:
        return problem.strerror
    if isinstance(problem, (InputError, RunError)):
        return None
    probe = folder / f".probe.{uuid.uuid4().hex[:8]}.tmp"
    try:
        probe.write_bytes(bytes(2**16))
    except OSError as reason:
        return reason.strerror
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


@contextlib.contextmanager
def _write_errors_named(path: Path) -> Iterator[None]:
    """Turn a write that the disk refuses into a RunError with the path and the disk's reason."""
    try:
        yield
    except Exception as problem:
        if reason := _disk_error(problem, path.parent):
            raise RunError(
                f"{path}: cannot be written ({reason}); what was written before is intact"
            ) from problem
        raise


def flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(
    path: Path, text: str, *, durable: bool = True, guard: Callable[[], None] = lambda: None
) -> None:
    """Replace ``path`` atomically: a reader sees the old file or the new one, never a part.

    ``guard`` is called last, before the rename; if it raises, the old file stays.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with _write_errors_named(path):
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            guard()
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if durable:
            flush(path.parent)


def write_json(path: Path, value: Any, **options: Any) -> None:
    """Write JSON; the ``options`` are those of :func:`write_text`."""
    write_text(path, json.dumps(value, indent=2) + "\n", **options)


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """A regular file, open for reading; RunError for a link, a pipe, a device, or no access."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RunError(f"{path}: is not a regular file")
            yield file
    except OSError as problem:
        reason = "is a link" if problem.errno == errno.ELOOP else problem.strerror
        raise RunError(f"{path}: cannot be read ({reason})") from None


def read_regular(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a regular file; RunError if it has more than ``max_bytes``."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise RunError(f"{path}: has {size:,} bytes (at most {max_bytes:,})")
        return file.read(max_bytes)


def read_json(path: Path) -> Any:
    """The content of a JSON file; RunError names a file that cannot be read as JSON."""
    try:
        return json.loads(read_regular(path).decode("utf-8"))
    except (RecursionError, ValueError) as problem:
        raise RunError(f"{path}: not readable as JSON ({problem})") from None


def changed_error(path: Path) -> RunError:
    """The error of a file whose checksum does not match."""
    return RunError(f"{path}: its content has changed since it was written")


def _checksum(record: dict) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def write_checked(path: Path, record: dict, **options: Any) -> None:
    """Write a JSON object with a checksum of its fields."""
    write_json(path, {**record, "checksum": _checksum(record)}, **options)


def read_checked(path: Path) -> dict:
    """The record that :func:`write_checked` wrote; RunError if the file has changed since."""
    record = read_json(path)
    if not isinstance(record, dict) or record.pop("checksum", None) != _checksum(record):
        raise changed_error(path)
    return record


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != "checksums.json"
    )


def _file_checksum(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(final: Path) -> Path:
    return final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")


@contextlib.contextmanager
def _atomic_folder(final: Path, guard: Callable[[], None]) -> Iterator[Path]:
    """A temporary folder, flushed and renamed to ``final`` at the end of the block.

    It is removed if the block raises, or if ``final`` exists by then.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(final)
    with _write_errors_named(final):
        try:
            temporary.mkdir()
            yield temporary
            for path in (*temporary.rglob("*"), temporary):
                flush(path)
            guard()
            try:
                os.rename(temporary, final)
            except OSError:
                if not final.is_dir():  # else another process has finished the same folder
                    raise
            flush(final.parent)
        except Exception:
            # A process that took over the lease may have removed the temporary folder.  Then the
            # lost lease is the error to report, not the file that is missing.
            guard()
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def new_folder(final: Path, guard: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """A temporary folder that gets its checksums and the name ``final`` at the end of the block.

    It is removed if the block raises.  If ``final`` exists by then, another process has finished it
    and it stays as it is.  ``guard`` is called last, and raises if the process has lost the right
    to write here.
    """
    with _atomic_folder(final, guard) as temporary:
        yield temporary
        sums = {
            path.relative_to(temporary).as_posix(): _file_checksum(path)
            for path in _files(temporary)
        }
        write_json(temporary / "checksums.json", sums)


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that :func:`new_folder` made: a file is missing, changed or
    unreadable.  None if it is intact.
    """
    try:
        sums = read_json(folder / "checksums.json")
        if not isinstance(sums, dict) or not sums or not all(map(inside, sums)):
            raise changed_error(folder / "checksums.json")
        for name, expected in sums.items():
            if _file_checksum(folder / name) != expected:
                raise changed_error(folder / name)
    except RunError as problem:
        return str(problem)
    return None


def inside(name: str) -> bool:
    """Whether the relative path ``name``, with slashes, stays inside its folder."""
    return bool(name) and name.isprintable() and not {"", ".", ".."} & set(name.split("/"))


def states(folder: Path) -> list[Path]:
    """The states ``state-000000123`` of a fit, oldest first."""
    return sorted(path for path in folder.glob("state-*") if STATE.fullmatch(path.name))


def remove_folder(folder: Path) -> None:
    """Remove a folder; nobody ever sees a part of it under its name."""
    if folder.exists():
        temporary = _temporary(folder)
        os.rename(folder, temporary)
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove the temporary files of killed processes at or below ``folder``.

    The caller must be the only one that writes there.
    """
    for path in list(folder.rglob(f".{name}.*.tmp")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.startswith(".lease."):  # may belong to a process that is acquiring it
            with contextlib.suppress(OSError):
                path.unlink()


def copy_folder(source: Path, final: Path, guard: Callable[[], None]) -> None:
    """Copy the folder ``source`` to ``final``, by hard links where the disk supports them.

    A ``final`` that is intact stays as it is.
    """

    def link(original: str, copy: str) -> None:
        try:
            os.link(original, copy)
        except OSError:
            shutil.copy2(original, copy)

    if damage(final) is not None:
        guard()
        remove_folder(final)
        with _atomic_folder(final, guard) as temporary:
            shutil.copytree(source, temporary, copy_function=link, dirs_exist_ok=True)


def cached_folder(final: Path, make: Callable[[Path], None]) -> Path:
    """The intact folder ``final``, made by ``make(folder)`` if necessary.

    If several processes ask for it at the same time, one of them makes it.
    """
    if damage(final) is not None:
        with Lease(final.parent / f".making-{final.name}", wait=True) as lease:
            if problem := damage(final):  # nobody made it while we waited
                if final.exists():
                    warn(f"{problem}; made again")
                remove_folder(final)
                remove_leftovers(final.parent, glob.escape(final.name))
                with new_folder(final, lease.check) as folder:
                    make(folder)
    return final
