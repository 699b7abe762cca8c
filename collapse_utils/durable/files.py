"""Files and folders that are whole or not there: atomic writes, checksums, caches.

Every file and folder is written under a temporary name beside its final one, flushed to the disk
and renamed, so that what has its final name is whole.  Folders carry ``checksums.json``, and
``metrics.json`` its own checksum: a file that changed afterwards is named, and made again from what
is whole.
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
# what a disk says that takes no more
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


def warn(text: str) -> None:
    """One line on stderr: what is damaged or short, and what is done about it."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def _disk_error(problem: Exception, folder: Path) -> str | None:
    """Why the disk refused a write, in words; None if ``problem`` has another cause.

    torch and safetensors hide the system's reason, so it is asked once more, with a small file.
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
    """Turns a write that the disk refuses into a RunError that names the file and the disk's
    reason.
    """
    try:
        yield
    except Exception as problem:
        if reason := _disk_error(problem, path.parent):
            raise RunError(
                f"{path}: cannot be written ({reason}); what was written before is whole"
            ) from problem
        raise


def flush(path: Path) -> None:
    """Ask the operating system to put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(
    path: Path, text: str, *, durable: bool = True, guard: Callable[[], None] = lambda: None
) -> None:
    """Replace ``path`` by ``text`` in one step: a reader sees the old file or the new one, never a
    part.  ``guard`` is asked last, when only the rename is left, and raises to keep the old file.
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


def write_json(path: Path, value: Any, **how: Any) -> None:
    """Write JSON as :func:`write_text` writes text."""
    write_text(path, json.dumps(value, indent=2) + "\n", **how)


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """A regular file, to be read; RunError for a link, a pipe, a device, and what is unreadable."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RunError(f"{path}: is not a regular file")
            yield file
    except OSError as problem:
        reason = "is a link" if problem.errno == errno.ELOOP else problem.strerror
        raise RunError(f"{path}: cannot be read ({reason})") from None


def read_regular(path: Path, most: int = MAX_BYTES) -> bytes:
    """The content of a regular file of at most ``most`` bytes; else RunError."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise RunError(f"{path}: has {size:,} bytes (at most {most:,})")
        return file.read(most)


def read_json(path: Path) -> Any:
    """The content of a JSON file; RunError names a file that cannot be read as JSON."""
    try:
        return json.loads(read_regular(path).decode("utf-8"))
    except (RecursionError, ValueError) as problem:
        raise RunError(f"{path}: not readable as JSON ({problem})") from None


def _checksum(record: dict) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def write_checked(path: Path, record: dict, **how: Any) -> None:
    """Write a JSON object with a checksum of its other fields."""
    write_json(path, {**record, "checksum": _checksum(record)}, **how)


def read_checked(path: Path) -> dict:
    """What :func:`write_checked` wrote; RunError names a file that has changed since."""
    record = read_json(path)
    if not isinstance(record, dict) or record.pop("checksum", None) != _checksum(record):
        raise RunError(f"{path}: its content has changed since it was written")
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
    """A temporary folder that is flushed and becomes ``final`` when the block ends well, and goes
    when it does not.
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
                if not final.is_dir():  # else the name is taken: the other copy is whole, too
                    raise
            flush(final.parent)
        except Exception:
            # an heir may have removed what an orphan was writing: then say that, and not what was
            # missing
            guard()
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def new_folder(final: Path, guard: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """A temporary folder that becomes ``final`` when the block ends well, and is removed when it
    does not.

    A folder that is already there under the final name stays as it is: it was finished by somebody
    else.  ``guard`` is called last of all; it raises if the process has lost the right to write
    here.
    """
    with _atomic_folder(final, guard) as temporary:
        yield temporary
        sums = {
            path.relative_to(temporary).as_posix(): _file_checksum(path)
            for path in _files(temporary)
        }
        write_json(temporary / "checksums.json", sums)


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that :func:`new_folder` made, or None: a file missing, changed or
    unreadable.
    """
    try:
        sums = read_json(folder / "checksums.json")
        if not isinstance(sums, dict) or not sums or not all(map(inside, sums)):
            return f"{folder / 'checksums.json'}: its content has changed since it was written"
        for name, expected in sums.items():
            if _file_checksum(folder / name) != expected:
                return f"{folder / name}: its content has changed since it was written"
    except RunError as problem:
        return str(problem)
    return None


def inside(name: str) -> bool:
    """Whether ``name``, with slashes, is that of a file in a folder or below it."""
    return bool(name) and name.isprintable() and not {"", ".", ".."} & set(name.split("/"))


def states(folder: Path) -> list[Path]:
    """The states ``state-000000123`` of a fit, oldest first."""
    return sorted(path for path in folder.glob("state-*") if STATE.fullmatch(path.name))


def remove_folder(folder: Path) -> None:
    """Remove a folder so that no half of it is ever seen under its name."""
    if folder.exists():
        grave = _temporary(folder)
        os.rename(folder, grave)
        shutil.rmtree(grave, ignore_errors=True)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what killed processes have left half-written at or below ``folder``, which nobody else
    may write.
    """
    for path in list(folder.rglob(f".{name}.*.tmp")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.startswith(".lease."):  # somebody may be asking for the lease just now
            with contextlib.suppress(OSError):
                path.unlink()


def copy_folder(source: Path, final: Path, guard: Callable[[], None] = lambda: None) -> None:
    """The whole folder ``source`` under a second name: by hard links where the disk allows, else by
    a copy.
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
    """``final``, whole: made by ``make(folder)`` unless it is there already; of several processes
    one makes it.
    """
    if damage(final) is not None:
        with Lease(final.parent / f".making-{final.name}", wait=True) as lease:
            problem = damage(final)
            if problem is not None:  # nobody else made it while we waited
                if final.exists():
                    warn(f"{problem}; made again")
                remove_folder(final)
                remove_leftovers(final.parent, glob.escape(final.name))
                with new_folder(final, lease.check) as folder:
                    make(folder)
    return final
