"""One job of a sweep on a node of a cluster: run to its end, and copied back if requested.

Nothing here depends on the engine.  A job can run anywhere, any number of times: it starts its
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
REPORT_S = 2.0  # how often a chain on its node's own disk reports its progress
SHARED_WAIT_S = 30.0  # how long a network file system may take to show a new file


def run_job(
    job: Job,
    marker: str,
    copy_back: bool,
    version: str,
    board: Any,
    division: tuple[int, int, float] | None,
) -> tuple[str, bytes]:
    """Run one job on the node that Ray has chosen.

    ``division`` is the number of processes that sample one of its generations, and the cores and
    GPUs of each.  Returns why the job failed, if its log does not say so, and with ``copy_back``
    what it has written as a tar file.
    """
    host = socket.gethostname()
    if version != __version__:
        here = f"error: {host} has collapse_utils {__version__}"
        return f"{here}, the sweep is of version {version}", b""
    variables = divided.variables(*division, job.threads) if division else {}
    if copy_back:
        scratch = _scratch() / hashlib.sha256(str(job.out).encode()).hexdigest()[:12]
        moved = _moved(job, scratch)

        def report(state: dict) -> None:
            board.update.remote(str(job.run_dir), {**state, "host": host})

        complete = finish(moved, report, variables) == 0
        archive = pack(moved, complete)
        # A chain that has failed keeps its files here: when the sweep is repeated, it resumes.
        for path in moved.outputs() if complete else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return "", archive
    deadline = time.monotonic() + SHARED_WAIT_S
    while not Path(marker).exists():
        if time.monotonic() > deadline:
            unseen = f"error: {host} does not see {job.out}"
            return f"{unseen}; share the folder, or use --copy-back", b""
        time.sleep(POLL_S)
    finish(job, variables=variables)
    return "", b""


def _scratch() -> Path:
    """A folder that only this user can read, on the node's own disk (``TMPDIR`` chooses it)."""
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
    job: Job,
    report: Callable[[dict], None] | None = None,
    variables: Mapping[str, str] | None = None,
) -> int:
    """Run a job to its end, with ``variables`` in its environment, and return its exit status;
    waits while another process runs it.

    The other process is an orphan, which a dead worker has left.  It usually dies with its worker.
    If its node has lost the connection to the cluster it still runs, and its lease shows that.
    """
    while not job.done():
        if leases.held(job.run_dir):
            time.sleep(POLL_S)
            continue
        process = local.start(job, variables)
        last_report = time.monotonic()
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
                if report is not None and time.monotonic() - last_report > REPORT_S:
                    last_report = time.monotonic()
                    if state := progress.read(job.run_dir):
                        report(state)
        except BaseException:  # the sweep was stopped, and Ray cancels its tasks
            local.stop([process])
            raise
        if process.returncode == Occupied.STATUS:  # an orphan was there a moment earlier
            continue
        local.log_failure(job, process.returncode)
        if process.returncode or not job.done():
            return process.returncode or 1
    return 0


def _not_hidden(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name.startswith(".") else member


def pack(job: Job, complete: bool) -> bytes:
    """The outputs of a job as a tar file; without the run directory unless it is ``complete``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in job.outputs():
            if path.is_file() or complete:
                tar.add(path, path.name, filter=_not_hidden)
    return buffer.getvalue()


def unpack(job: Job, archive: bytes) -> None:
    """Write the outputs in ``archive`` beside ``job.run_dir``, each by one rename and the run
    directory last; if one of its blocks is damaged, RunError is raised and it is not renamed.
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
                continue  # another task has brought it: it is the same to the last bit
            for folder in sorted(path.glob("generation-*/block-*")):
                if (problem := files.damage(folder)) is not None:
                    raise RunError(f"what came back is damaged: {problem}")
            os.replace(path, parent / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class ProgressBoard:
    """The progress of chains on other disks: an actor on the driver's node."""

    def __init__(self) -> None:
        self.states: dict[str, dict] = {}

    def update(self, run_dir: str, state: dict) -> None:
        self.states[run_dir] = state

    def read(self) -> dict[str, dict]:
        return self.states
