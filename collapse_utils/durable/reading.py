"""Checked reading of run directories, for ``run``, ``collect``, ``status`` and ``compare``.

A run directory may be damaged, or come from somebody else, so everything in it is checked before it
is used.  Every file must be a regular file inside the folder, no link, of limited size and the
right type, and must match its checksum.  ``config.json`` must match its fingerprint, and its names
must be valid names of folders.  RunError names the file that fails a check.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import regimes
from ..errors import InputError, RunError
from . import files
from .files import changed_error
from .run_dir import fingerprint, iteration_dir, name_problem

CURVE_COLUMNS = ("step", "items", "learning_rate", "training_loss", "validation_loss")
METRIC = re.compile(r"[^\x00-\x1f\x7f,\"]{1,200}")  # the name of a metric: one cell of a CSV file
MAX_ITERATIONS = 10**6
MAX_PREVIEW_BYTES = 64 * 2**20  # of one file of a preview


@dataclass(frozen=True)
class Run:
    """What a finished run directory holds, checked."""

    path: Path
    description: dict  # config.json
    done: dict  # DONE: the provenance
    rows: list[dict]  # metrics: section, preset, regime, seed, iteration, metric, value
    curves: dict[int, list[dict]]  # learning curves by iteration
    previews: dict[int, dict[str, Path]]  # files of the previews by iteration and name
    notes: list[str]  # files that are missing and not needed


def _check_types(path: Path, record: Any, kinds: dict[str, Any]) -> None:
    """RunError unless ``record`` is a JSON object whose fields have the types ``kinds``."""
    if not isinstance(record, dict):
        raise RunError(f"{path}: is not a JSON object")
    for name, kind in kinds.items():
        value = record.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise RunError(f"{path}: its field {name!r} is missing or of another type")


def read_config(run_dir: Path) -> dict:
    """``config.json`` with fields of the right types; its fingerprint is not checked."""
    path = run_dir / "config.json"
    description = files.read_json(path)
    texts = dict.fromkeys(("section", "preset", "variant", "regime", "fingerprint"), str)
    _check_types(path, description, {**texts, "seed": int, "config": dict, "data": dict})
    _check_types(path, description["config"], {"iterations": int})
    counts = {"train_items": int, "test_items": int}
    _check_types(path, description["data"], {**counts, "source": str, "train": str, "test": str})
    return description


def read_description(run_dir: Path) -> dict:
    """``config.json``, checked: its fingerprint, and that its names can be names of folders."""
    path = run_dir / "config.json"
    description = read_config(run_dir)
    if not fingerprint_matches(description):
        raise changed_error(path)
    for name, text in (
        ("section", description["section"]),
        ("preset", description["preset"]),
        ("regime", description["regime"]),
        ("source", description["data"]["source"]),
    ):
        if problem := name_problem(text):
            raise RunError(f"{path}: its {name} {text[:100]!r} {problem}")
    if description["variant"] and not description["variant"].isprintable():
        raise RunError(
            f"{path}: its variant {description['variant'][:100]!r} has control characters"
        )
    try:
        regimes.check(description["regime"], shares=True)
    except InputError:
        raise RunError(f"{path}: its regime {description['regime'][:100]!r} is not known") from None
    if description["seed"] < 0 or not 1 <= description["config"]["iterations"] <= MAX_ITERATIONS:
        raise RunError(f"{path}: its seed or its number of iterations is out of range")
    return description


def fingerprint_matches(description: dict) -> bool:
    """Whether a description has the fingerprint of its other fields."""
    rest = {name: value for name, value in description.items() if name != "fingerprint"}
    return description.get("fingerprint") == fingerprint(rest)


def read_done(run_dir: Path, description: dict) -> dict:
    """The provenance in ``DONE``.  It has a checksum unless an old version, which did not record
    the package's code, wrote it.
    """
    path = run_dir / "DONE"
    record = files.read_json(path)
    if not isinstance(record, dict):
        raise changed_error(path)
    if "checksum" in record or "code" in description:
        return files.read_checked(path)
    return record


def read_record(run_dir: Path, description: dict, t: int) -> dict:
    """``metrics.json`` of iteration t: its metrics, seconds, and whether it has a preview."""
    path = iteration_dir(run_dir, t) / "metrics.json"
    record = files.read_checked(path)
    _check_types(path, record, {"metrics": dict, "seconds": (int, float)})
    infinite = description["config"].get("diverged") == "record"
    for name, value in record["metrics"].items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not METRIC.fullmatch(name) or not number:
            raise RunError(f"{path}: its metric {name[:100]!r} is not a number with a valid name")
        if not math.isfinite(value) and not (infinite and value == math.inf):
            raise RunError(f"{path}: its metric {name!r} is {value}")
    if not record["metrics"]:
        raise RunError(f"{path}: has no metrics")
    return record


def rows(description: dict, t: int, record: dict) -> list[dict]:
    """The metrics in the ``record`` of iteration t as rows, see :attr:`Run.rows`."""
    chain = {name: description[name] for name in ("section", "preset", "regime", "seed")}
    return [
        {**chain, "iteration": t, "metric": metric, "value": value}
        for metric, value in record["metrics"].items()
    ]


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise RunError(f"{folder}: is a link")


def _checksums(folder: Path) -> dict[str, str]:
    """``checksums.json`` of a folder; RunError if a name in it leads out of the folder."""
    path = folder / "checksums.json"
    sums = files.read_json(path)
    if not isinstance(sums, dict) or not all(
        isinstance(expected, str) and files.inside(name) for name, expected in sums.items()
    ):
        raise changed_error(path)
    return sums


def _verified(path: Path, expected: str | None, max_bytes: int = files.MAX_BYTES) -> bytes:
    content = files.read_regular(path, max_bytes)
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise changed_error(path)
    return content


def read_curve(iteration: Path) -> list[dict]:
    """The learning curve of a finished fit: rows with the keys ``CURVE_COLUMNS``, or no row if the
    fit has none.
    """
    states = files.states(iteration)
    if not states:
        return []
    state = states[-1]  # earlier ones are from the middle of the fit
    _refuse_link(state)
    expected = _checksums(state).get("curve.csv")
    if expected is None:
        if (state / "curve.csv").exists():
            raise changed_error(state / "checksums.json")
        return []
    return _curve(state / "curve.csv", _verified(state / "curve.csv", expected))


def _curve(path: Path, content: bytes) -> list[dict]:
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
        if tuple(table.fieldnames or ()) != CURVE_COLUMNS:
            raise ValueError
        rows = [{key: float(cell) if cell else None for key, cell in row.items()} for row in table]
        if not rows or any(not math.isfinite(row["step"]) for row in rows):
            raise ValueError
    except (ValueError, TypeError, csv.Error):
        raise RunError(f"{path}: is not a learning curve") from None
    return rows


def preview_files(run_dir: Path, description: dict, t: int, expected: bool) -> dict[str, Path]:
    """The files of the preview of iteration t, by name; RunError if it is ``expected`` and missing.

    They have checksums unless an old version, which did not record the package's code, wrote them.
    """
    folder = iteration_dir(run_dir, t) / "preview"
    _refuse_link(folder)
    if not folder.is_dir():
        if expected:
            raise RunError(f"{folder}: is missing")
        return {}
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }
    for name, path in paths.items():
        if not files.inside(name):
            raise RunError(f"{path}: {name_problem(path.name) or 'is no file of a preview'}")
    sums: dict[str, str] | None = None
    if paths.pop("checksums.json", None) is not None or "code" in description:
        sums = _checksums(folder)
        if extra := sorted(paths.keys() ^ sums.keys()):
            raise RunError(f"{folder / extra[0]}: is missing, or was not written by the run")
    for name, path in paths.items():
        _verified(path, sums[name] if sums is not None else None, MAX_PREVIEW_BYTES)
    return paths


def read_run(run_dir: Path) -> Run:
    """A finished run, all of it checked; RunError names a file that is damaged or missing."""
    description = read_description(run_dir)
    done = read_done(run_dir, description)
    metrics, curves, previews, notes = [], {}, {}, []
    for t in range(1, description["config"]["iterations"] + 1):
        folder = iteration_dir(run_dir, t)
        _refuse_link(folder)
        record = read_record(run_dir, description, t)
        curves[t] = read_curve(folder)
        previews[t] = preview_files(run_dir, description, t, bool(record.get("preview")))
        metrics += rows(description, t, record)
        if (folder / "newest.json").exists() and not files.states(folder):
            notes.append(f"{folder}: has no state of its fit, and so no learning curve")
    return Run(run_dir, description, done, metrics, curves, previews, notes)
