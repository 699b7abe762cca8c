"""One job of a sweep on a machine of a cluster: run to its end, and copied back if asked.

Nothing here knows of the engine.  A job is safe to run anywhere, any number of times: it starts its
chain when no living process holds the run directory, and waits while one does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import hashlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..durable import files, leases, progress
from ..errors import Occupied, RunError
from . import divided, local
from .jobs import Job

POLL_S = 0.5
TELL_S = 2.0  # how often a chain on its node's own disk says how far it is
SHARED_WAIT_S = 30.0  # how long a network file system may take to show a new file


def work(
    job: Job,
    mark: str,
    copy_back: bool,
    version: str,
    board: Any,
    shares: tuple[int, int, float] | None,
) -> tuple[str, bytes]:
    """One job on the node where Ray has put it: why it failed, where its log does not say so, and
    with ``copy_back`` the run directory, its log and its record as a tar file.

    ``shares``: the processes that sample one of its generations, and the cores and GPUs of each.
    """
    host = socket.gethostname()
    if version != __version__:
        here = f"error: {host} has collapse_utils {__version__}"
        return f"{here}, the sweep is of version {version}", b""
    variables = divided.variables(*shares, job.threads) if shares else {}
    if copy_back:
        moved = _moved(job, _scratch() / hashlib.sha256(str(job.out).encode()).hexdigest()[:12])

        def tell(state: dict) -> None:
            board.tell.remote(str(job.run_dir), {**state, "host": host})

        whole = finish(moved, tell, variables) == 0
        archive = pack(moved, whole)
        # a chain that has failed goes on here from what it has done, when the sweep is repeated
        for path in moved.leaves() if whole else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return "", archive
    deadline = time.monotonic() + SHARED_WAIT_S
    while not Path(mark).exists():
        if time.monotonic() > deadline:
            unseen = f"error: {host} does not see {job.out}"
            return f"{unseen}; share the folder, or use --copy-back", b""
        time.sleep(POLL_S)
    finish(job, variables=variables)
    return "", b""


def _scratch() -> Path:
    """A folder of this user alone on the node's own disk (``TMPDIR`` chooses the disk)."""
    path = Path(tempfile.gettempdir()) / f"collapse-utils-{getpass.getuser()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (path.is_symlink() or path.stat().st_uid != os.getuid()):
        raise RunError(f"{path}: belongs to somebody else; set TMPDIR to a folder of your own")
    return path


def _moved(job: Job, out: Path) -> Job:
    """The same job below another OUT."""
    old = job.out
    return dataclasses.replace(
        job, run_dir=out / job.run_dir.relative_to(old), shared=out / job.shared.relative_to(old)
    )


def finish(
    job: Job, tell: Callable[[dict], None] | None = None, variables: Mapping[str, str] | None = None
) -> int:
    """Run a job to its end, with ``variables`` in its environment, and return its exit status;
    waits while another process runs it.

    The other process is an orphan: what a dead worker has left.  It dies with its worker or, if its
    node has lost touch with the cluster, runs on; then its lease tells.
    """
    while not job.done():
        if leases.held(job.run_dir):
            time.sleep(POLL_S)
            continue
        process = local.start(job, variables)
        last_told = time.monotonic()
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
                if tell is not None and time.monotonic() - last_told > TELL_S:
                    last_told = time.monotonic()
                    if state := progress.read(job.run_dir):
                        tell(state)
        except BaseException:  # the sweep was stopped, and Ray cancels its tasks
            local.stop([process])
            raise
        if process.returncode == Occupied.STATUS:  # an orphan was there a moment earlier
            continue
        local.explain(job, process.returncode)
        if process.returncode or not job.done():
            return process.returncode or 1
    return 0


def _seen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name.startswith(".") else member


def pack(job: Job, whole: bool) -> bytes:
    """What a job has left, as a tar file; without the run directory if it is not finished."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in job.leaves():
            if path.is_file() or whole:
                tar.add(path, path.name, filter=_seen)
    return buffer.getvalue()


def unpack(job: Job, archive: bytes) -> None:
    """Rename what came back to its place beside ``job.run_dir``, the run directory last; RunError
    if a block of it is damaged, and then the run directory does not get its name.
    """
    parent = job.run_dir.parent
    temporary = parent / f".{job.run_dir.name}.{uuid.uuid4().hex[:8]}.tmp"
    temporary.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(temporary, filter="data")  # no member leaves the folder
        for path in temporary.rglob("*"):
            files.flush(path)
        for path in sorted(temporary.iterdir(), key=Path.is_dir):
            if path.is_dir() and job.run_dir.is_dir():
                continue  # somebody else has brought it: it is the same to the last bit
            for folder in sorted(path.glob("generation-*/block-*")):
                if (problem := files.damage(folder)) is not None:
                    raise RunError(f"what came back is damaged: {problem}")
            os.replace(path, parent / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Board:
    """Where chains on other disks say how far they are: an actor beside the driver."""

    def __init__(self) -> None:
        self.states: dict[str, dict] = {}

    def tell(self, run_dir: str, state: dict) -> None:
        self.states[run_dir] = state

    def read(self) -> dict[str, dict]:
        return self.states
