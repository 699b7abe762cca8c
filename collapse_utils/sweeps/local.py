"""Many chains on this machine's cores: every chain is one process of the command line.

A sweep has no state of its own.  The run directories and the logs beside them record what is done,
running or failed, so a sweep can be stopped, repeated and watched from another machine.  Sweeps on
several machines can also share one folder: a sweep leaves out the chains that another one runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ..durable import leases, progress
from ..durable.progress import iterations_done
from ..errors import Occupied
from .jobs import Job
from .live import Live

POLL_S = 0.3
WITH_PARENT = Path(__file__).with_name("with_parent.py")


def cores() -> int:
    """The cores that this process may use; a batch system often grants fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(jobs: Sequence[Job], *, parallel: int | None = None, quiet: bool = False) -> list[Job]:
    """Run ``jobs``, each in its own process, ``parallel`` at a time (default: cores / threads).

    Chains that are done are not repeated, and a chain that fails does not stop the others.  Returns
    the jobs that failed; their logs end with the reason.  KeyboardInterrupt stops the chains in
    states from which they resume.
    """
    waiting = [job for job in jobs if not job.done()]
    if not waiting:
        return []
    parallel = parallel or max(1, cores() // max(job.threads for job in waiting))
    running: dict[Job, subprocess.Popen] = {}
    failed: list[Job] = []
    live = Live(jobs, quiet, done=len(jobs) - len(waiting))
    try:
        while waiting or running:
            while len(running) < parallel and (job := _next_job(waiting, running)) is not None:
                waiting.remove(job)
                if job.done():  # another process has finished it meanwhile
                    live.ended(job, failed=False, ran=False)
                    continue
                running[job] = start(job)
                live.started(job)
            time.sleep(POLL_S)
            for job, process in list(running.items()):
                live.update(job)
                if process.poll() is None:
                    continue
                del running[job]
                if process.returncode == Occupied.STATUS:  # another process started it earlier
                    waiting.append(job)
                    live.requeued(job)
                    continue
                log_failure(job, process.returncode)
                succeeded = process.returncode == 0 and job.done()
                live.ended(job, failed=not succeeded)
                failed += [] if succeeded else [job]
    except BaseException:
        stop(running.values())
        raise
    finally:
        live.close()
    return failed


def _next_job(waiting: Sequence[Job], running: Iterable[Job]) -> Job | None:
    """The next job, preferably one that need not wait for a first fit that another job makes."""
    busy = {
        (job.shared, job.seed) for job in running if iterations_done(progress.read(job.run_dir)) < 1
    }
    second_choice = None
    for job in waiting:
        if leases.held(job.run_dir):
            continue
        if (job.shared, job.seed) not in busy:
            return job
        second_choice = second_choice or job
    return second_choice


def start(job: Job, variables: Mapping[str, str] | None = None) -> subprocess.Popen:
    """Start the process of a job, which writes its log, has ``variables`` added to its environment,
    and stops when this process dies.
    """
    job.run_dir.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TQDM_DISABLE": "1", **(variables or {})}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(job.threads)
    # A session of its own, so that Ctrl-C in a terminal reaches the sweep alone, which then stops
    # the chain.  A chain that receives two signals stops before the end of its step.
    command = [sys.executable, "-I", "-S", str(WITH_PARENT), str(os.getpid()), *job.command()]
    with open(job.log, "a", encoding="utf-8") as log:
        # The process inherits the lock and holds it as long as it lives.  If another sweep has
        # started this chain a moment earlier, its lines are kept, and ours follow them: an error
        # that the run directory is in use.
        if not _locked(log):
            log.truncate(0)
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _locked(log: TextIO) -> bool:
    """Whether a living process has locked ``log``; if not, this call locks it."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a disk without locks
        pass
    return False


def stop(processes: Iterable[subprocess.Popen]) -> None:
    """Ask processes to stop in a state from which they resume, and wait for them."""
    processes = list(processes)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()


def log_failure(job: Job, returncode: int) -> None:
    """Add to the log of a chain what its process could not write: the signal that killed it, or
    that it ended without an error and without finishing the chain.
    """
    if returncode < 0:
        hint = " (often: out of memory)" if -returncode == signal.SIGKILL else ""
        reason = f"killed by {signal.Signals(-returncode).name}{hint}"
    elif returncode == 0 and not job.done():
        reason = "the process has ended with status 0 before the chain was finished"
    else:
        return
    with contextlib.suppress(OSError), open(job.log, "a", encoding="utf-8") as log:
        log.write(f"error: {reason}\n")
