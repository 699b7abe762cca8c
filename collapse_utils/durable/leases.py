"""The right to write a folder: one process at a time.

The owner renews a file by a heartbeat and looks at it before every write.  Nobody asks a clock
whether an owner is alive: a process of this machine, and of this container, is known by its number
and its start in ticks since the machine booted, and of another one only a heartbeat that does not
come while we watch proves that its process is dead.  Clocks of machines differ, and jump.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..errors import Occupied

HEARTBEAT_S = 10.0  # how often an owner renews its lease
# a lease of another machine that looks older than this, or younger than now, is watched ...
DEAD_AFTER_S = 120.0
WATCH_S = 30.0  # ... for so long; if it is not renewed then, its owner is dead
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

# tokens of the leases that this process holds: one that it could not remove is nobody's
_held: set[str] = set()


def pid_namespace() -> str:
    """The namespace in which this process has its number: containers have one each, and may share
    a host name.  Empty where the system has none.
    """
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _is_local(lease: dict) -> bool:
    """Whether the process of a lease would be seen by its number from here.  A lease without a
    namespace is of an older version, or of a system that has none.
    """
    if lease.get("host") != socket.gethostname():
        return False
    return lease.get("space", "") in ("", pid_namespace())


def process_start(pid: int) -> str | None:
    """When a process of this machine began, as text that no step of its clock changes; None if it
    runs no more.
    """
    if os.path.exists("/proc/self/stat"):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{fields[19]} ticks after boot {boot}"
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _name(whole: Path, path: Path) -> None:
    """Give a file a second name; FileExistsError if that is taken.

    A disk without hard links, such as Google Drive on Colab, gets a new file instead.  Whoever
    reads it half written takes its owner to be alive.
    """
    try:
        os.link(whole, path)
    except OSError as problem:
        if problem.errno not in NO_LINKS:
            raise
        with open(path, "x", encoding="utf-8") as file:
            file.write(whole.read_text(encoding="utf-8"))


class Lease:
    """The right to write a directory: one process at a time, renewed by a heartbeat, taken over
    from a dead owner.

    With ``wait`` it waits for a live owner to go, and calls ``waiting`` once with the owner's name;
    otherwise a live owner is an :class:`~collapse_utils.errors.Occupied`.  A holder calls
    :meth:`check` before every write.
    """

    def __init__(
        self,
        directory: Path,
        *,
        wait: bool = False,
        waiting: Callable[[str], None] = lambda owner: None,
    ):
        self.path = directory / "lease.json"
        self._wait, self._waiting = wait, waiting
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()

    def _owner(self) -> dict | None:
        """What the lease says; None if there is none, and empty if it cannot be read."""
        try:
            if self.path.exists() and not self.path.is_file():  # a pipe keeps its reader waiting
                return {}
            owner = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            return {}
        kinds = {"host": str, "pid": int, "began": str, "token": str}
        whole = isinstance(owner, dict) and all(
            isinstance(owner.get(name), kind) for name, kind in kinds.items()
        )
        return owner if whole else {}

    def _mtime(self) -> int | None:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return None

    def _dead(self, owner: dict) -> bool:
        if _is_local(owner):
            if owner["pid"] == os.getpid() and owner["token"] not in _held:
                return True
            return process_start(int(owner["pid"])) != owner["began"]
        before = self._mtime()
        if before is None or 0 <= time.time() - before / 1e9 <= DEAD_AFTER_S:
            return False
        end = time.monotonic() + WATCH_S
        while time.monotonic() < end:
            time.sleep(min(0.2, WATCH_S))
            if self._mtime() != before:
                return False
        return True

    def acquire(self) -> Lease:
        """Take the lease; Occupied names a live owner, or with ``wait`` the call waits until it has
        gone.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        pid = os.getpid()
        me = {
            "host": socket.gethostname(),
            "space": pid_namespace(),
            "pid": pid,
            "began": process_start(pid),
        }
        announced = False
        while True:
            candidate = self.path.with_name(f".lease.{self._token}.tmp")
            try:
                candidate.write_text(
                    json.dumps({**me, "token": self._token}) + "\n", encoding="utf-8"
                )
                # fails if the name exists, and shows the whole content at once
                _name(candidate, self.path)
                break
            except FileExistsError:
                owner = self._owner()
                if owner is None:
                    continue
                if self._dead(owner):
                    self._remove_dead(owner)
                    continue
                name = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
                if not self._wait:
                    raise Occupied(f"{self.path.parent}: {name} is writing here") from None
                if not announced:
                    self._waiting(name)
                    announced = True
                time.sleep(0.2)
            finally:
                candidate.unlink(missing_ok=True)
        _held.add(self._token)
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def _remove_dead(self, owner: dict) -> None:
        """Take a dead owner's lease away.  Only one of several heirs wins the rename; the others
        try again.
        """
        grave = self.path.with_name(f".lease.{self._token}.dead")
        with contextlib.suppress(OSError, ValueError):
            os.rename(self.path, grave)
            buried = json.loads(grave.read_text(encoding="utf-8") or "{}") if owner else {}
            # another heir was faster, and this is its lease: give it back
            if buried.get("token") != owner.get("token"):
                _name(grave, self.path)
        grave.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            owner = self._owner()
            if owner is None or owner.get("token", self._token) != self._token:
                return
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def check(self) -> None:
        """Occupied if somebody else has taken the lease: a process that slept too long must not
        write.
        """
        owner = self._owner()
        if owner is None or owner.get("token") != self._token:
            raise Occupied(
                f"{self.path.parent}: this process has lost its lease; it stops without writing"
            )

    def release(self) -> None:
        self._stop.set()
        _held.discard(self._token)
        owner = self._owner()
        if owner is not None and owner.get("token") == self._token:
            # a disk that has become read-only: the next process sees that we are dead
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lease:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(frozen=True)
class Owner:
    """The process that holds, or held, the lease of a run directory."""

    host: str
    pid: int
    alive: bool  # here: the process exists; elsewhere: it has renewed its lease lately

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def owner(run_dir: Path) -> Owner | None:
    """Who has taken the lease of ``run_dir`` and not given it back; None if nobody."""
    lease = Lease(run_dir)
    found = lease._owner()
    if not found:
        return None
    if _is_local(found):
        alive = process_start(found["pid"]) == found["began"]
    else:
        alive = time.time() - (lease._mtime() or 0) / 1e9 <= DEAD_AFTER_S
    return Owner(found["host"], found["pid"], alive)


def held(run_dir: Path) -> bool:
    """Whether a living process writes in ``run_dir``."""
    holder = owner(run_dir)
    return holder is not None and holder.alive
