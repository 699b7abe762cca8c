"""Many chains on this machine's cores: every chain is one process of the command line.

A sweep has no state of its own.  What is done, what runs and what failed stands in the run directories and the logs
beside them, so that a sweep can be stopped, repeated and watched from elsewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import regimes, sections
from .errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # without ipywidgets a notebook gets text bars, which is all the warning says
    from tqdm.auto import tqdm

POLL_S = 0.3


@dataclass(frozen=True)
class Job:
    """One chain and its place on the disk."""

    section: str
    preset: str
    regime: str
    seed: int
    assignments: tuple[str, ...]
    data: str
    run_dir: Path
    shared: Path
    threads: int

    def command(self) -> list[str]:
        words = [sys.executable, "-m", "collapse_utils", "run", self.section, "--preset", self.preset]
        words += ["--regime", self.regime, "--seed", str(self.seed), "--data", self.data]
        words += ["--run-dir", str(self.run_dir), "--shared", str(self.shared), "--quiet"]
        return words + [word for assignment in self.assignments for word in ("--set", assignment)]

    @property
    def log(self) -> Path:
        return self.run_dir.with_name(self.run_dir.name + ".log")

    @property
    def label(self) -> str:
        variant = "".join(f" {assignment}" for assignment in self.assignments)
        return f"{self.section}{variant} {self.regime} seed {self.seed}"

    def done(self) -> bool:
        return (self.run_dir / "DONE").exists()


def parse_seeds(text: str) -> list[int]:
    """``0-4`` or ``0,3,7`` or a mixture, as a list; InputError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.strip().partition("-")
        if not low.isdigit() or (high and not high.isdigit()) or (high and int(high) < int(low)):
            raise InputError("--seeds", text, "integers >= 0 and ranges, such as 0-4 or 0,2,5-7")
        found.extend(range(int(low), int(high or low) + 1))
    return sorted(set(found))


def parse_regimes(text: str) -> list[str]:
    """``all`` or regimes separated by commas."""
    names = list(regimes.REGIMES) if text == "all" else [name.strip() for name in text.split(",")]
    return [regimes.check(name) for name in names]


def parse_variants(vary: Iterable[str]) -> list[tuple[str, ...]]:
    """``["temperature=1.0,0.3", "architecture=llama,gpt2"]`` as all combinations of assignments."""
    axes = []
    for assignment in vary:
        name, sign, text = assignment.partition("=")
        if not sign:
            raise InputError("--vary", assignment, "field=value,value,...")
        axes.append([f"{name}={value}" for value in text.split(",")])
    return [tuple(combination) for combination in itertools.product(*axes)]


def plan(
    names: Sequence[str],
    preset: str,
    seeds: Sequence[int],
    regime_names: Sequence[str],
    out: Path,
    *,
    assignments: Sequence[str] = (),
    vary: Sequence[str] = (),
    data: str = sections.DEFAULT,
) -> list[Job]:
    """Every chain of a sweep, checked; the long chains of a seed first, so that the machine is busy to the end."""
    jobs = []
    order = sorted(regime_names, key=lambda regime: -regimes.training_size(regime, 5))
    for seed, name, variant, regime in itertools.product(seeds, names, parse_variants(vary), order):
        both = (*assignments, *variant)
        config, label = sections.configuration(name, preset, both)
        source = sections.default_source(name) if data == sections.DEFAULT else Path(data).stem
        home = out / name / f"{preset}-{source}"
        run_dir = home / (label or "base") / regime / f"seed-{seed}"
        jobs.append(Job(name, preset, regime, seed, both, data, run_dir, home / ".shared", config.threads))
    return jobs


def progress(run_dir: Path) -> dict:
    """What a run last said of itself; empty before it has said anything."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads((run_dir / "progress.json").read_text())
    return {}


def fraction(state: dict) -> float:
    """How many of its iterations a run has finished, with the part of the current one."""
    if not state:
        return 0.0
    if state["phase"] == "done":
        return float(state["iterations"])
    share = {"fitting": 0.0, "sampling": 0.6, "evaluating": 0.9}.get(state["phase"], 0.0)
    if state["phase"] == "fitting" and state["steps"]:
        share = 0.6 * state["step"] / state["steps"]
    return state["iteration"] - 1 + share


def last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""


class _Bars:
    """One bar for the sweep and one for every chain that runs, on standard error or in a notebook."""

    def __init__(self, jobs: Sequence[Job], quiet: bool):
        self.jobs, self.quiet = jobs, quiet
        self.bars: dict[Job, tqdm] = {}
        self.all = tqdm(total=len(jobs), desc="chains", unit="chain", disable=quiet, position=0, file=sys.stderr)

    def update(self, job: Job) -> None:
        state = progress(job.run_dir)
        if not state or self.quiet:
            return
        if job not in self.bars:
            used = {bar.pos for bar in self.bars.values()}
            place = next(-position for position in itertools.count(1) if -position not in used)
            layout = "{desc}: {bar} {n:.1f}/{total} iterations [{elapsed}<{remaining}{postfix}]"
            self.bars[job] = tqdm(total=state["iterations"], desc=job.label, position=-place, leave=False,
                                  bar_format=layout, file=sys.stderr)  # fmt: skip
        bar = self.bars[job]
        bar.n = fraction(state)
        bar.set_postfix_str(state["phase"] + (f" loss {state['loss']}" if "loss" in state else ""), refresh=False)
        bar.refresh()

    def finish(self, job: Job) -> None:
        if job in self.bars:
            self.bars.pop(job).close()
        self.all.update(1)

    def close(self) -> None:
        for bar in self.bars.values():
            bar.close()
        self.all.close()


def run(jobs: Sequence[Job], *, parallel: int | None = None, quiet: bool = False) -> list[Job]:
    """Run ``jobs``, each in its own process, ``parallel`` at a time (by default: cores / threads of a chain).

    Chains that are done are not repeated; one that fails does not stop the others.  Returns the jobs that failed; their
    last words stand in their logs.  KeyboardInterrupt stops the chains in states from which they go on.
    """
    waiting = [job for job in jobs if not job.done()]
    if not waiting:
        return []
    parallel = parallel or max(1, (os.cpu_count() or 1) // max(job.threads for job in waiting))
    running: dict[Job, subprocess.Popen] = {}
    failed: list[Job] = []
    bars = _Bars(waiting, quiet)
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                job = waiting.pop(_next(waiting, running))
                running[job] = _start(job)
            time.sleep(POLL_S)
            for job, process in list(running.items()):
                bars.update(job)
                if process.poll() is not None:
                    del running[job]
                    bars.finish(job)
                    if process.returncode:
                        failed.append(job)
    except BaseException:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for process in running.values():
            process.wait()
        raise
    finally:
        bars.close()
    return failed


def _next(waiting: Sequence[Job], running: Iterable[Job]) -> int:
    """The first waiting job that need not wait for a first fit that another job is making."""
    busy = {(job.shared, job.seed) for job in running if fraction(progress(job.run_dir)) < 1}
    return next((i for i, job in enumerate(waiting) if (job.shared, job.seed) not in busy), 0)


def _start(job: Job) -> subprocess.Popen:
    job.run_dir.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(job.threads)
    with open(job.log, "w") as log:
        return subprocess.Popen(job.command(), stdout=log, stderr=subprocess.STDOUT, env=environment,
                                stdin=subprocess.DEVNULL)  # fmt: skip
