"""How far runs have come, read from their folders: works while they run, from any machine that sees the folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from . import runs
from .errors import InputError
from .sweep import fraction, last_line, progress

STALE_S = 60.0  # a run that has said nothing for so long is said to be silent


def run_dirs(folder: Path) -> Iterator[Path]:
    """Every run directory at or below ``folder``."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in files:
            folders.clear()
            yield Path(path)


def line(run_dir: Path) -> str:
    """One run in one line: its place in the sweep, its state, and what it last said."""
    description = runs.read_json(run_dir / "config.json")
    names = (description["section"], description["variant"], description["regime"], f"seed {description['seed']}")
    label = " ".join(name for name in names if name)
    state = progress(run_dir)
    total = description["config"]["iterations"]
    if (run_dir / "DONE").exists():
        return f"done     {total}/{total}  {label}"
    where = f"{fraction(state):.1f}/{total}  {label}"
    if (run_dir / "lease.json").exists() and state:
        silent = time.time() - (run_dir / "progress.json").stat().st_mtime
        step = f", step {state['step']}/{state['steps']}" if state["steps"] else ""
        rate = f", {state['items_per_s']} items/s" if "items_per_s" in state else ""
        note = f", silent for {silent:.0f} s" if silent > STALE_S else ""
        return f"running  {where}: iteration {state['iteration']}, {state['phase']}{step}{rate}{note}"
    words = last_line(run_dir.with_name(run_dir.name + ".log"))
    return f"stopped  {where}" + (f": {words}" if words else "")


def show(directory: Path) -> int:
    """Print the state of every run at or below ``directory``."""
    found = list(run_dirs(directory)) if directory.is_dir() else []
    if not found:
        raise InputError("DIR", str(directory), "a run directory, or a folder with some")
    for run_dir in found:
        print(line(run_dir))
    return 0
