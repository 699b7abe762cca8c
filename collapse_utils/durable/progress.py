"""The progress of a run: its iteration and step, its rate, and the time left.

A run writes ``progress.json``, which every machine that sees its folder can read.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from .. import regimes
from ..errors import InputError, RunError
from . import files
from .reading import MAX_ITERATIONS

# the rough share of an iteration that is done at the start of each phase
PHASES = {"fitting": 0.0, "sampling": 0.6, "evaluating": 0.9}
NEEDED = ("iteration", "iterations", "step", "steps")  # integers that every state has
NUMBERS = (*NEEDED, "seconds", "loss", "items_per_s")  # only the loss may be negative
MAX_NUMBER = 10**15  # of any of them
CENTURY_S = 3.2e9  # a time left above this is not shown
SILENT_S = 60.0  # a run without progress for so long is shown as silent


def read(run_dir: Path) -> dict:
    """The last state that a run has written; empty if there is none."""
    return _read(run_dir / "progress.json")


def _read(path: Path) -> dict:
    """A state whose fields have the right types and ranges; empty if it has not."""
    with contextlib.suppress(RunError):
        state = files.read_json(path)
        if isinstance(state, dict) and isinstance(state.get("phase"), str):
            numbers = {name: state.get(name) for name in NUMBERS if name in (*NEEDED, *state)}
            possible = all(isinstance(numbers[name], int) for name in NEEDED) and all(
                isinstance(number, (int, float))
                and (-MAX_NUMBER if name == "loss" else 0) <= number < MAX_NUMBER
                for name, number in numbers.items()
            )
            if possible and 1 <= state["iteration"] <= state["iterations"] <= MAX_ITERATIONS:
                return state
    return {}


def iterations_done(state: dict) -> float:
    """The number of finished iterations, including the finished part of the current one."""
    if not state:
        return 0.0
    if state["phase"] == "done":
        return float(state["iterations"])
    share = PHASES.get(state["phase"], 0.0)
    if state["phase"] == "fitting" and state["steps"]:
        share = PHASES["sampling"] * min(state["step"] / state["steps"], 1.0)
    return state["iteration"] - 1 + share


def seconds_left(state: dict, regime: str) -> float | None:
    """An estimate of the time left, in which an iteration costs in proportion to its training set.

    None if nothing is done yet, if the regime is not known, or above a century.
    """
    finished = iterations_done(state)
    if finished <= 0 or not state.get("seconds"):
        return None
    try:
        grows = regimes.training_size(regime, 2) > 1  # then iteration t trains on t n items
    except InputError:
        return None

    def cost(fits: float) -> float:
        if not grows:
            return fits
        finished_fits = int(fits)
        partial = fits - finished_fits
        return finished_fits * (finished_fits + 1) / 2 + partial * (finished_fits + 1)

    left = state["seconds"] * (cost(state["iterations"]) / cost(finished) - 1)
    return left if left < CENTURY_S else None


def duration(seconds: float, exact: bool = False) -> str:
    """``40 s``, ``12 min``, ``3.5 h``; with ``exact`` also ``0.4 s`` and ``12.3 min``."""
    if seconds < 90:
        return f"{seconds:.{1 if exact and seconds < 10 else 0}f} s"
    if seconds < 5400:
        return f"{seconds / 60:.{1 if exact else 0}f} min"
    return f"{seconds / 3600:.1f} h"


def rate(state: dict) -> str:
    """Items per second if the run counts them, else seconds per iteration, in words."""
    if "items_per_s" in state:
        return f"{state['items_per_s']:.4g} items/s"
    finished = iterations_done(state)
    if finished >= 1 and state.get("seconds"):
        return f"{state['seconds'] / finished:.2g} s an iteration"
    return ""


def describe(state: dict, regime: str) -> str:
    """``iteration 3, fitting, step 120/400, loss 2.31, 812 items/s, 4 min left``."""
    left = seconds_left(state, regime)
    parts = [f"iteration {state['iteration']}", state["phase"]]
    parts += [f"step {state['step']}/{state['steps']}"] if state["steps"] else []
    parts += [f"loss {state['loss']}"] if "loss" in state else []
    parts += [rate(state), f"{duration(left)} left" if left is not None else ""]
    return ", ".join(part for part in parts if part)


def last_line(log: Path) -> str:
    """The last line of a log that is not blank; empty if there is none."""
    with contextlib.suppress(RunError):
        lines = files.read_regular(log).decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""


def silent_s(run_dir: Path) -> float:
    """Seconds since the run last wrote its progress; 0 if it never has."""
    with contextlib.suppress(OSError):
        return max(time.time() - (run_dir / "progress.json").stat().st_mtime, 0.0)
    return 0.0


def elsewhere(run_dir: Path) -> Path:
    """The file for the progress of a chain whose run directory is on another machine's disk."""
    return run_dir.with_name(f".{run_dir.name}.elsewhere.json")


def write_elsewhere(run_dir: Path, state: dict) -> None:
    """Save the ``state``, with the key ``host``, of a chain on another machine for ``status``.

    If the disk refuses the write, nothing is saved.
    """
    with contextlib.suppress(OSError, RunError):
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(elsewhere(run_dir), state, durable=False)


def read_elsewhere(run_dir: Path) -> dict:
    """The state that :func:`write_elsewhere` saved; empty if none was saved recently."""
    with contextlib.suppress(OSError):
        if time.time() - elsewhere(run_dir).stat().st_mtime <= SILENT_S:
            return _read(elsewhere(run_dir))
    return {}
