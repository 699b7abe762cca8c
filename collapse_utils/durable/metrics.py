"""What a chain has measured: ``metrics.json`` of every iteration, and ``metrics.csv``, which is
made of them.

``metrics.json`` carries a checksum.  ``metrics.csv`` is for readers: it says nothing that the
records do not say, so that a damaged one is written again.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import RunError
from . import files, reading
from .run_dir import iteration_dir, iterations

COLUMNS = ("section", "preset", "regime", "seed", "iteration", "metric", "value")


def checked(metrics: Any, diverged: bool | None) -> dict[str, float]:
    """What ``evaluate`` returned, as floats; RunError names what is not a number, or not finite.

    Where divergence is recorded (``diverged`` is not None), a metric that is not finite counts as
    inf, and the metric ``diverged`` is added: 1 if the fit diverged or a metric was lost, else 0.
    """
    if not isinstance(metrics, dict) or not metrics:
        raise RunError(f"evaluate: returned {metrics!r}; expected {{metric name: value}}")
    for name, value in metrics.items():
        if not isinstance(name, str) or not reading.METRIC.fullmatch(name):
            raise RunError(
                f"evaluate: metric {name!r}: its name must be a text without commas, quotes and "
                "line breaks, which metrics.csv could not hold"
            )
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            raise RunError(f"evaluate: metric {name!r} is {value!r}; expected a number")
        if diverged is None and not math.isfinite(value):
            raise RunError(
                f"evaluate: metric {name!r} is {value}; expected a finite number "
                "(diverged=record keeps it as the outcome of this iteration)"
            )
    values = {
        name: float(value) if math.isfinite(value) else math.inf for name, value in metrics.items()
    }
    return (
        values
        if diverged is None
        else {**values, "diverged": float(diverged or math.inf in values.values())}
    )


def record_path(run_dir: Path, iteration: int) -> Path:
    return iteration_dir(run_dir, iteration) / "metrics.json"


def records(run_dir: Path) -> dict[int, dict]:
    """The records of the iterations that ``run_dir`` has measured, in order; RunError names a
    damaged one.
    """
    return {t: files.read_checked(path) for t, path in iterations(run_dir, "metrics.json").items()}


def read_metrics(run_dir: Path) -> list[dict]:
    """The rows of the iterations that ``run_dir`` has measured, in order; RunError names a damaged
    file.
    """
    description = reading.read_config(run_dir)
    first = {name: description[name] for name in ("section", "preset", "regime", "seed")}
    return [
        {**first, "iteration": t, "metric": metric, "value": value}
        for t in iterations(run_dir, "metrics.json")
        for metric, value in reading.read_record(run_dir, description, t)["metrics"].items()
    ]


def _line(row: dict) -> str:
    """A row as text; ``repr`` keeps every bit of a float."""
    return ",".join(str(row[column]) for column in COLUMNS[:-1]) + f",{row['value']!r}"


def _text(rows: Iterable[dict]) -> str:
    return "\n".join([",".join(COLUMNS), *map(_line, rows)]) + "\n"


def write_metrics(rows: Iterable[dict], path: Path, guard: Callable[[], None]) -> None:
    """Write tidy rows as CSV."""
    files.write_text(path, _text(rows), guard=guard)


def whole(run_dir: Path) -> bool:
    """Whether every file of a finished run's results says what it said when it was written."""
    try:
        rows = reading.read_run(run_dir).rows
        return files.read_regular(run_dir / "metrics.csv") == _text(rows).encode()
    except RunError:
        return False


def preview_damage(run_dir: Path, t: int) -> str | None:
    """What is wrong with the preview of iteration t, or None."""
    description = reading.read_config(run_dir)
    try:
        expected = reading.read_record(run_dir, description, t).get("preview", False)
        reading.preview_files(run_dir, description, t, bool(expected))
    except RunError as problem:
        return str(problem)
    return None


def repair(run_dir: Path, *, finished: bool) -> None:
    """Name what is damaged, and take it out of the way, so that the chain measures or writes it
    again.

    An iteration whose learning curve is damaged is measured again, because its fit is then gone on
    with, which writes the curve.
    """
    damaged = set()
    description = reading.read_config(run_dir)
    for t, path in iterations(run_dir, "metrics.json").items():
        try:
            reading.read_record(run_dir, description, t)
            reading.read_curve(iteration_dir(run_dir, t))
        except RunError as problem:
            damaged.add(t)
            files.warn(f"{problem}; measured again")
            path.unlink()
    _check_csv(run_dir, damaged, finished)
    if finished:
        try:
            reading.read_done(run_dir, description)
        except RunError as problem:
            files.warn(f"{problem}; written again")
            (run_dir / "DONE").unlink()


def _check_csv(run_dir: Path, damaged: set[int], finished: bool) -> None:
    """Say where ``metrics.csv`` and the records disagree.

    A kill may have kept the lines of the last iteration out of it, and a kill during a repair
    leaves lines whose record is still to be made; nothing else does.
    """
    path = run_dir / "metrics.csv"
    recorded, written = {}, {}
    for row in read_metrics(run_dir):
        recorded.setdefault(row["iteration"], []).append(_line(row))
    try:
        for line in files.read_regular(path).decode("utf-8").splitlines()[1:]:
            written.setdefault(line.split(",")[COLUMNS.index("iteration")], []).append(line)
        state = "its content has changed since it was written"
    except (RunError, ValueError, IndexError):
        state = (
            "is missing" if not path.exists() else "its content has changed since it was written"
        )
    latest = max(recorded, default=0)
    if any(
        written.get(str(iteration)) != lines
        and (finished or iteration < latest or str(iteration) in written)
        for iteration, lines in recorded.items()
    ):
        files.warn(f"{path}: {state}; written again from the records of the iterations")
    for name in sorted(written):
        if name.isdigit() and int(name) not in {*recorded, *damaged}:
            files.warn(f"{record_path(run_dir, int(name))}: is missing; measured again")


KEY = ["section", "preset", "data", "variant", "regime", "seed", "iteration", "metric"]


def frame_of(runs: Iterable[Path | reading.Run]) -> pd.DataFrame:
    """The metrics of finished runs as one tidy frame, with the columns ``data`` and ``variant``."""
    rows = []
    for item in runs:
        run = reading.read_run(item) if isinstance(item, Path) else item
        description = run.description
        extra = {"data": description["data"]["source"], "variant": description["variant"]}
        rows += [{**row, **extra} for row in run.rows]
    return pd.DataFrame(rows, columns=[*KEY, "value"])
