"""Leases: at most one process at a time may write in a folder.

The owner renews its lease file regularly and checks it before every write.  Whether an owner is
alive never depends on comparing clocks, because the clocks of machines differ and jump.  A process
of this machine and container is identified by its process ID and its start in ticks since boot.  A
process elsewhere counts as dead if it does not renew its lease while we watch.
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
# A lease of another machine is watched if it looks older than this, or dated in the future.
DEAD_AFTER_S = 120.0
WATCH_S = 30.0  # if it is not renewed for so long while it is watched, its owner is dead
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

# tokens of the leases that this process holds, without those that it released but could not remove
_held: set[str] = set()


def pid_namespace() -> str:
    """The namespace of this process's ID; empty on a system without namespaces.

    Each container has its own namespace, and several containers may share a host name.
    """
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _is_local(lease: dict) -> bool:
    """Whether the owner of a lease is a process of this machine and namespace.

    A lease without a namespace was written by an older version, or on a system without namespaces.
    """
    if lease.get("host") != socket.gethostname():
        return False
    return lease.get("space", "") in ("", pid_namespace())


def process_start(pid: int) -> str | None:
    """When a process of this machine started, as text; None if it no longer runs.

    On Linux the text does not change when the clock is set.
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


def _link(source: Path, path: Path) -> None:
    """Give ``source`` the second name ``path``; FileExistsError if it is taken.

    A disk without hard links, such as Google Drive on Colab, gets a copy instead.  A process that
    reads the copy while it is incomplete takes its owner to be alive.
    """
    try:
        os.link(source, path)
    except OSError as problem:
        if problem.errno not in NO_LINKS:
            raise
        with open(path, "x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))


class Lease:
    """The exclusive right to write in ``directory``; a dead owner's lease is taken over.

    With ``wait``, :meth:`acquire` waits until a live owner has released it, and calls ``on_wait``
    once with the owner's name; otherwise it raises :class:`~collapse_utils.errors.Occupied`.  The
    holder calls :meth:`check` before every write.
    """

    def __init__(
        self,
        directory: Path,
        *,
        wait: bool = False,
        on_wait: Callable[[str], None] = lambda owner: None,
    ):
        self.path = directory / "lease.json"
        self._wait, self._on_wait = wait, on_wait
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()

    def _owner(self) -> dict | None:
        """The content of the lease; None if there is none, and empty if it cannot be read."""
        try:
            if self.path.exists() and not self.path.is_file():  # reading a pipe would block
                return {}
            owner = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            return {}
        kinds = {"host": str, "pid": int, "began": str, "token": str}
        valid = isinstance(owner, dict) and all(
            isinstance(owner.get(name), kind) for name, kind in kinds.items()
        )
        return owner if valid else {}

    def _mtime(self) -> int | None:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return None

    def _dead(self, owner: dict) -> bool:
        if _is_local(owner):
            if owner["pid"] == os.getpid() and owner["token"] not in _held:
                return True
            return process_start(owner["pid"]) != owner["began"]
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
        """Take the lease, see :class:`Lease`; Occupied names a live owner."""
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
                # fails if the name exists; no other process sees a part of the content
                _link(candidate, self.path)
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
                    self._on_wait(name)
                    announced = True
                time.sleep(0.2)
            finally:
                candidate.unlink(missing_ok=True)
        _held.add(self._token)
        threading.Thread(target=self._renew, daemon=True).start()
        return self

    def _remove_dead(self, owner: dict) -> None:
        """Remove a dead owner's lease.

        Several processes may try at the same time: the rename succeeds for one, and the others
        return and try to acquire the lease again.
        """
        removed_path = self.path.with_name(f".lease.{self._token}.dead")
        with contextlib.suppress(OSError, ValueError):
            os.rename(self.path, removed_path)
            removed = json.loads(removed_path.read_text(encoding="utf-8") or "{}") if owner else {}
            # another process has taken over already, and this is its lease: give it back
            if removed.get("token") != owner.get("token"):
                _link(removed_path, self.path)
        removed_path.unlink(missing_ok=True)

    def _renew(self) -> None:
        """Renew the lease until it is released, or another process has taken it."""
        while not self._stop.wait(HEARTBEAT_S):
            owner = self._owner()
            if owner is None or owner.get("token", self._token) != self._token:
                return
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def check(self) -> None:
        """Occupied if another process has taken the lease, because this one did not renew it."""
        owner = self._owner()
        if owner is None or owner.get("token") != self._token:
            raise Occupied(
                f"{self.path.parent}: this process has lost its lease; it stops without writing"
            )

    def release(self) -> None:
        """Give the lease back, if this process still has it."""
        self._stop.set()
        _held.discard(self._token)
        owner = self._owner()
        if owner is not None and owner.get("token") == self._token:
            # on a disk that has become read-only, the next process sees that this one has ended
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
    alive: bool  # on this machine: the process exists; elsewhere: its lease was renewed recently

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def owner(run_dir: Path) -> Owner | None:
    """Who has taken the lease of ``run_dir`` and not released it; None if nobody."""
    lease = Lease(run_dir)
    content = lease._owner()
    if not content:
        return None
    if _is_local(content):
        alive = process_start(content["pid"]) == content["began"]
    else:
        alive = time.time() - (lease._mtime() or 0) / 1e9 <= DEAD_AFTER_S
    return Owner(content["host"], content["pid"], alive)


def held(run_dir: Path) -> bool:
    """Whether a living process has the lease of ``run_dir``."""
    holder = owner(run_dir)
    return holder is not None and holder.alive
