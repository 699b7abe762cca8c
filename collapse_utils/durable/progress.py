"""What a run says of itself while it runs: where it stands, how fast it is, how long it still
takes, who works on it.

A run writes ``progress.json`` and renews ``lease.json``; both can be read from every machine that
sees its folder.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from .. import regimes
from ..errors import InputError, RunError
from . import files
from .reading import MAX_ITERATIONS

# What share of an iteration is behind a run when it enters a phase; rough, and only for people who
# wait.
PHASES = {"fitting": 0.0, "sampling": 0.6, "evaluating": 0.9}
NEEDED = ("iteration", "iterations", "step", "steps")  # whole numbers that every state has
NUMBERS = (*NEEDED, "seconds", "loss", "items_per_s")  # none but the loss is negative
MAX_NUMBER = 10**15  # of any of them
CENTURY_S = 3.2e9  # a longer time left is not shown
SILENT_S = 60.0  # a run that has said nothing for so long is said to be silent


def read(run_dir: Path) -> dict:
    """What a run last said of itself; empty before it has said anything."""
    return _read(run_dir / "progress.json")


def _read(path: Path) -> dict:
    """A state that is one: the fields that are read have their types."""
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
    """How many of its iterations a run has finished, with the part of the current one."""
    if not state:
        return 0.0
    if state["phase"] == "done":
        return float(state["iterations"])
    share = PHASES.get(state["phase"], 0.0)
    if state["phase"] == "fitting" and state["steps"]:
        share = PHASES["sampling"] * min(state["step"] / state["steps"], 1.0)
    return state["iteration"] - 1 + share


def seconds_left(state: dict, regime: str) -> float | None:
    """How long a run still takes, if an iteration costs in proportion to what it trains on; None
    before one can tell, for a regime that is not known, and beyond a century.
    """
    finished = iterations_done(state)
    if finished <= 0 or not state.get("seconds"):
        return None
    try:
        grows = regimes.training_size(regime, 2) > 1  # then iteration t trains on t n items
    except InputError:
        return None

    def cost(fits: float) -> float:
        whole = int(fits)
        return whole * (whole + 1) / 2 + (fits - whole) * (whole + 1) if grows else fits

    left = state["seconds"] * (cost(state["iterations"]) / cost(finished) - 1)
    return left if left < CENTURY_S else None


def duration(seconds: float, exact: bool = False) -> str:
    """``40 s``, ``12 min``, ``3.5 h``; with ``exact`` also ``0.4 s`` and ``12.3 min``."""
    if seconds < 90:
        return f"{seconds:.{1 if exact and seconds < 10 else 0}f} s"
    return (
        f"{seconds / 60:.{1 if exact else 0}f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    )


def rate(state: dict) -> str:
    """Items a second where the run counts them, else seconds an iteration."""
    if "items_per_s" in state:
        return f"{state['items_per_s']:.4g} items/s"
    finished = iterations_done(state)
    return (
        f"{state['seconds'] / finished:.2g} s an iteration"
        if finished >= 1 and state.get("seconds")
        else ""
    )


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
    """Seconds since the run last said something."""
    with contextlib.suppress(OSError):
        return max(time.time() - (run_dir / "progress.json").stat().st_mtime, 0.0)
    return 0.0


def elsewhere(run_dir: Path) -> Path:
    """Where the engine notes how far a chain is that runs on another machine's own disk."""
    return run_dir.with_name(f".{run_dir.name}.elsewhere.json")


def write_elsewhere(run_dir: Path, state: dict) -> None:
    """Note ``state``, with the key ``host``, for those who ask for the status of the sweep; where
    the disk takes no more, nothing is noted.
    """
    with contextlib.suppress(OSError, RunError):
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(elsewhere(run_dir), state, durable=False)


def read_elsewhere(run_dir: Path) -> dict:
    """What was noted lately of a chain on another machine's disk; empty if nothing was."""
    with contextlib.suppress(OSError):
        if time.time() - elsewhere(run_dir).stat().st_mtime <= SILENT_S:
            return _read(elsewhere(run_dir))
    return {}
