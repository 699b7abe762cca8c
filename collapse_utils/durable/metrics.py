"""The metrics of a chain: a record ``metrics.json`` of every iteration, and ``metrics.csv``.

``metrics.json`` contains a checksum.  ``metrics.csv`` is for readers: it is made from the records
alone, so a damaged one can be written again.
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
    """The metrics that ``evaluate`` returned, as floats; RunError for one that is not finite.

    If divergence is recorded (``diverged`` is not None), a metric that is not finite becomes inf,
    and the metric ``diverged`` is added: 1 if the fit diverged or a metric was not finite, else 0.
    """
    if not isinstance(metrics, dict) or not metrics:
        raise RunError(f"evaluate: returned {metrics!r}; expected {{metric name: value}}")
    for name, value in metrics.items():
        if not isinstance(name, str) or not reading.METRIC.fullmatch(name):
            raise RunError(
                f"evaluate: metric {name!r}: its name must be a text without commas, quotes and "
                "line breaks, so that metrics.csv can hold it"
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
    if diverged is None:
        return values
    return {**values, "diverged": float(diverged or math.inf in values.values())}


def record_path(run_dir: Path, iteration: int) -> Path:
    return iteration_dir(run_dir, iteration) / "metrics.json"


def records(run_dir: Path) -> dict[int, dict]:
    """The records of the measured iterations, in order; RunError names a damaged one."""
    return {t: files.read_checked(path) for t, path in iterations(run_dir, "metrics.json").items()}


def read_metrics(run_dir: Path) -> list[dict]:
    """The rows of the measured iterations, in order; RunError names a damaged file."""
    description = reading.read_config(run_dir)
    return [
        row
        for t in iterations(run_dir, "metrics.json")
        for row in reading.rows(description, t, reading.read_record(run_dir, description, t))
    ]


def _line(row: dict) -> str:
    """A row as text; ``repr`` keeps every bit of a float."""
    return ",".join(str(row[column]) for column in COLUMNS[:-1]) + f",{row['value']!r}"


def _text(rows: Iterable[dict]) -> str:
    return "\n".join([",".join(COLUMNS), *map(_line, rows)]) + "\n"


def write_metrics(rows: Iterable[dict], path: Path, guard: Callable[[], None]) -> None:
    """Write tidy rows as CSV."""
    files.write_text(path, _text(rows), guard=guard)


def is_intact(run_dir: Path) -> bool:
    """Whether no file of a finished run's results has changed since it was written."""
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
    """Report and remove damaged records, so that the chain measures or writes them again.

    An iteration whose learning curve is damaged is measured again too: for that its fit is resumed,
    which writes the curve.
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
    """Report where ``metrics.csv`` and the records disagree.

    The lines of the last iteration may be missing after a kill, which is not reported.  Lines
    without a record are reported: the record was lost, or a repair of it was killed.
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
