"""The state of the chains in a folder, read from their run directories, also while they run."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..durable import leases, progress
from ..durable.reading import read_description, read_run
from ..durable.run_dir import run_dirs
from ..errors import InputError, RunError, plain
from . import jobs

STATES = ("running", "failed", "stopped", "waiting", "done")
# The last line of the log of a failure: the command line's own, or the end of a traceback.
FAILURE = re.compile(r"error: |[\w.]*(Error|Exception|Exit)\b")


@dataclass(frozen=True)
class Row:
    """One chain as ``status`` shows it."""

    state: str  # one of STATES
    finished: str  # iterations, such as 2.3/5
    label: str
    note: str  # the progress of a running chain, or the reason of a failure

    def __str__(self) -> str:
        note = f": {self.note}" if self.note else ""
        return plain(f"{self.state:<8} {self.finished:<8} {self.label}{note}")


def label(description: dict) -> str:
    """The label of a chain, from its ``config.json``."""
    names = (
        description["section"],
        description["variant"],
        description["regime"],
        f"seed {description['seed']}",
    )
    return " ".join(name for name in names if name)


def row(run_dir: Path, thorough: bool = True) -> Row:
    """The row of a run directory.

    With ``thorough`` the files of a finished run are read, and a damaged one is named.
    """
    try:
        description = read_description(run_dir)
    except RunError as problem:
        return Row("failed", "?", str(run_dir), str(problem))
    name, total = label(description), description["config"]["iterations"]
    state = progress.read(run_dir)
    if state.get("iterations") != total:  # left by another run
        state = {}
    if (run_dir / "DONE").exists():
        try:
            if thorough:
                read_run(run_dir)
        except RunError as problem:
            note = f"{problem}; collapse run with its options makes it whole again"
            return Row("failed", f"{total}/{total}", name, note)
        return Row("done", f"{total}/{total}", name, _notebook_failure(run_dir))
    finished = f"{progress.iterations_done(state):.1f}/{total}"
    owner = leases.owner(run_dir)
    if owner is not None and owner.alive:
        silent = progress.silent_s(run_dir)
        pause = f", silent for {progress.duration(silent)}" if silent > progress.SILENT_S else ""
        now = progress.describe(state, description["regime"]) if state else "starting"
        return Row("running", finished, name, f"{now}{pause} ({owner})")
    last = progress.last_line(run_dir.with_name(run_dir.name + ".log"))
    if FAILURE.match(last):
        return Row("failed", finished, name, last)
    died = f"{owner} has died" if owner is not None else ""
    return Row("stopped", finished, name, last or died)


def _notebook_failure(run_dir: Path) -> str:
    """Why the notebook of a finished chain has failed; empty if it has not."""
    if not run_dir.with_name(f"{run_dir.name}.failed.ipynb").exists():
        return ""
    return "but its notebook: " + progress.last_line(
        run_dir.with_name(f"{run_dir.name}.notebook.log")
    )


def planned_row(run_dir: Path, name: str) -> Row:
    """The row of a chain that a sweep has planned and that has no run directory here yet."""
    state = progress.read_elsewhere(run_dir)
    if "phase" in state:
        finished = f"{progress.iterations_done(state):.1f}/{state['iterations']}"
        regime = run_dir.parent.name
        return Row(
            "running",
            finished,
            name,
            f"{progress.describe(state, regime)} (on the disk of {state.get('host')})",
        )
    for kind in (".log", ".notebook.log"):
        last = progress.last_line(run_dir.with_name(run_dir.name + kind))
        if FAILURE.match(last):
            return Row("failed", "0", name, last)
    return Row("waiting", "0", name, "")


def rows(directory: Path, thorough: bool = True) -> list[Row]:
    """Every chain at or below ``directory``: begun, or planned by a sweep."""
    directory = directory.resolve()  # "." has no name, and a run's log is named after its folder
    chains = {path: row(path, thorough) for path in run_dirs(directory)}
    for run_dir, name in jobs.planned(directory).items():
        if run_dir not in chains:
            chains[run_dir] = planned_row(run_dir, name)
    return [chains[path] for path in sorted(chains)]


def summary(chains: list[Row]) -> str:
    """``6 chains: 2 running, 1 failed, 3 done``."""
    counts = Counter(row.state for row in chains)
    parts = [f"{counts[state]} {state}" for state in STATES if counts[state]]
    return f"{len(chains)} chain{'s' * (len(chains) != 1)}: {', '.join(parts)}"


def show(directory: Path) -> int:
    """Print the state of every chain at or below ``directory``."""
    chains = rows(directory) if directory.is_dir() else []
    if not chains:
        raise InputError("DIR", str(directory), "a run directory, or a folder with some")
    print("\n".join(map(str, chains)))
    print(summary(chains))
    return 0
