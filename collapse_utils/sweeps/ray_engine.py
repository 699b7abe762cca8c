"""The jobs of a sweep on a Ray cluster.

Ray decides where a chain runs, and runs it again on another node when its node dies.  It does not
decide whether that is safe: after a node's scheduler has died, its processes may still write.
Safety comes from the lease of the run directory, which only one living process can hold: a task
starts its chain when no process holds the lease, and waits while one does.

OUT is a folder that every node sees under the same path.  With ``copy_back`` it need not be: a
chain then runs on its node's own disk, and the finished run directory is sent back through Ray and
gets its final name in one step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tarfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import __version__, sections
from ..durable import progress
from ..errors import InputError, RunError
from . import ray_worker
from .jobs import Job
from .live import Live
from .ray_cluster import connected, reason


def engine(
    *,
    address: str | None = None,
    cpus: int | None = None,
    gpus: float = 0.0,
    retries: int = 5,
    copy_back: bool = False,
    divide: int = 1,
    quiet: bool = False,
) -> Callable[[Sequence[Job]], list[Job]]:
    """A function that runs jobs on the cluster at ``address`` and returns those that failed.

    Parameters
    ----------
    address : the address of a running cluster, ``auto``, or None for Ray's own choice
        (``RAY_ADDRESS``, a cluster on this machine, or a new one of this machine alone).
    cpus, gpus : what is reserved for one chain; the preset's threads and no GPU by default.  With
        0.5, two chains share a GPU.
    retries : how often a chain is started again after its node or its worker has died.  A chain
        that fails by itself is not started again.
    copy_back : OUT is not shared; see above.
    divide : processes that may sample one generation, including the chain's own; each of the others
        has the same cores and GPUs as a chain, see ``divided.py``.

    Raises
    ------
    InputError : Ray is not installed, or nothing answers at ``address``.
    """
    try:
        import ray
    except ImportError:
        raise InputError(
            "--engine", "ray", "local, or ray after pip install 'collapse_utils[cluster]'"
        ) from None

    def run(jobs: Sequence[Job]) -> list[Job]:
        jobs = [_absolute(job) for job in jobs]
        waiting = [job for job in jobs if not job.done()]
        if copy_back:
            _check_new(waiting)
        if not waiting:
            return []
        with connected(ray, address), _marker(waiting[0].out) as marker:
            return _run(ray, jobs, waiting, marker, cpus, gpus, retries, copy_back, divide, quiet)

    return run


def _absolute(job: Job) -> Job:
    """The job with paths that mean the same on every node."""
    changes: dict[str, Any] = {"run_dir": job.run_dir.resolve(), "shared": job.shared.resolve()}
    if job.data != sections.DEFAULT and Path(job.data).exists():
        changes["data"] = str(Path(job.data).resolve())
    file, _, name = job.section.rpartition(":")
    if file.endswith(".py"):  # an own model
        changes["section"] = f"{Path(file).resolve()}:{name}"
    return dataclasses.replace(job, **changes)


def _check_new(jobs: Sequence[Job]) -> None:
    """InputError for a run that was begun in OUT itself: the copied run would replace it."""
    for job in jobs:
        if job.run_dir.exists() and not (job.run_dir / "DONE").exists():
            raise InputError(
                "--copy-back",
                str(job.run_dir),
                "run directories that are new or finished (this one was begun here: continue it "
                "without --copy-back)",
            )


@contextlib.contextmanager
def _marker(out: Path) -> Iterator[Path]:
    """A file in OUT by which a node sees that it shares the folder."""
    marker = out / f".shared-{uuid.uuid4().hex[:8]}.tmp"
    out.mkdir(parents=True, exist_ok=True)
    marker.touch()
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


def _run(
    ray: Any,
    jobs: Sequence[Job],
    waiting: list[Job],
    marker: Path,
    cpus: int | None,
    gpus: float,
    retries: int,
    copy_back: bool,
    divide: int,
    quiet: bool,
) -> list[Job]:
    """Run the jobs ``waiting`` of ``jobs`` as Ray tasks; returns those that failed."""
    board = None
    if copy_back:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        local_node = NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        board = (
            ray.remote(ray_worker.ProgressBoard)
            .options(num_cpus=0, scheduling_strategy=local_node)
            .remote()
        )
    _warn_if_too_large(ray, max(cpus or job.threads for job in waiting), gpus)
    task = ray.remote(ray_worker.run_job)
    refs: dict[Any, Job] = {}
    for job in _first_fits_first(waiting):
        cores = cpus or job.threads
        remote = task.options(
            num_cpus=cores,
            num_gpus=gpus,
            max_retries=retries,
            scheduling_strategy="SPREAD",
            name=job.label,
        )
        division = (divide, cores, gpus) if divide > 1 else None
        refs[remote.remote(job, str(marker), copy_back, __version__, board, division)] = job
    live, failed, shown = Live(jobs, quiet, done=len(jobs) - len(waiting)), [], set()
    try:
        while refs:
            ready, _ = ray.wait(list(refs), num_returns=1, timeout=ray_worker.POLL_S)
            for ref in ready:
                job = refs.pop(ref)
                succeeded = _finish(ray, job, ref, copy_back)
                live.ended(job, failed=not succeeded, ran=job in shown)
                failed += [] if succeeded else [job]
            states = ray.get(board.read.remote()) if board is not None else {}
            for job in refs.values():
                state = states.get(str(job.run_dir)) or (
                    progress.read(job.run_dir) if not copy_back else {}
                )
                if state and job not in shown:
                    shown.add(job)
                    live.started(job)
                live.update(job, state)
                if copy_back and state:
                    progress.write_elsewhere(job.run_dir, state)
    except BaseException:
        for ref in refs:
            ray.cancel(ref)  # raises KeyboardInterrupt in the task, which stops its chain
        with contextlib.suppress(Exception):
            ray.wait(list(refs), num_returns=len(refs), timeout=60)
        raise
    finally:
        live.close()
        for job in waiting:
            progress.elsewhere(job.run_dir).unlink(missing_ok=True)
    return failed


def _first_fits_first(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, one chain of every seed before its other regimes, which wait for its first fit."""
    seen: dict[tuple[Path, int], int] = {}
    rank = {}
    for job in jobs:
        rank[job] = seen[job.shared, job.seed] = seen.get((job.shared, job.seed), -1) + 1
    return sorted(jobs, key=lambda job: rank[job])


def _finish(ray: Any, job: Job, ref: Any, copy_back: bool) -> bool:
    """Fetch the result of a task that has ended; returns whether its job is done.  If not, the
    job's log says why.
    """
    try:
        error, archive = ray.get(ref)
        if copy_back and archive:
            ray_worker.unpack(job, archive)
    except (ray.exceptions.RayError, RunError, OSError, tarfile.TarError) as problem:
        error = f"error: ray: {reason(ray, problem)}"
    if error:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, "a", encoding="utf-8") as log:
            log.write(error + "\n")
    return job.done()


def _warn_if_too_large(ray: Any, cpus: int, gpus: float) -> None:
    """Warn if no node is large enough at present: Ray would wait for one silently."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        need = f"{cpus} core{'s' * (cpus > 1)}" + (f" and {gpus:g} GPU" if gpus else "")
        logging.getLogger(__name__).warning(
            "no node of the cluster has %s at present: the sweep waits for one", need
        )
