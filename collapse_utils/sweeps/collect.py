"""Collecting finished runs into the tidy tables of ``results/``.

Every run is read through ``durable/reading.py``.  A run that it rejects is named and left out, and
no name in a run directory can reach a file outside the results.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..durable import files
from ..durable.metrics import KEY, frame_of
from ..durable.reading import MAX_PREVIEW_BYTES, Run, read_run
from ..durable.run_dir import finished_runs, folder_name
from ..errors import InputError, RunError
from ..evidence.results import read_csv
from . import status

CHAIN_KEY = ["variant", "regime", "seed"]  # what identifies a chain within one table
CURVE_KEY = [*CHAIN_KEY, "iteration", "step"]


def collect(folder: Path, into: Path) -> list[str]:
    """Merge every finished run below ``folder`` into the results ``into``; returns one line for
    each table written.

    The rows of a chain that is already there are replaced by the newer ones, never doubled.  Lines
    that begin with ``missing`` name the chains that are not finished or that a sweep into
    ``folder`` has not begun.  If a table would hold chains of one variant that read different data,
    InputError is raised and nothing is written.
    """
    if not folder.is_dir():
        raise InputError("DIR", str(folder), "a folder with runs")
    if into.exists() and not into.is_dir():
        raise InputError("--into", str(into), "a folder, new or with results")
    finished, notes = read_finished(folder)
    if not finished:
        why = f" ({notes[0].removeprefix('missing: ')})" if notes else ""
        raise InputError("DIR", str(folder), f"a folder with at least one finished run{why}")
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in finished:
        description = run.description
        name = f"{description['preset']}-{description['data']['source']}"
        groups.setdefault((description["section"], name), []).append(run)
    records = {
        key: _merged_provenance(into / "/".join(key) / "provenance.json", groups[key])
        for key in sorted(groups)
    }
    lines = []
    for (section, name), runs in sorted(groups.items()):
        target = into / section / name
        target.mkdir(parents=True, exist_ok=True)
        count = _merge(target / "metrics.csv", frame_of(runs), KEY, runs)
        _merge(target / "curves.csv", _curves(runs), CURVE_KEY, runs)
        files.write_json(target / "provenance.json", records[section, name])
        _copy_samples(target / "samples", runs, records[section, name])
        lines.append(f"{target / 'metrics.csv'}: {count} rows, {len(runs)} finished chains read")
    return lines + notes + missing(folder)


def read_finished(folder: Path) -> tuple[list[Run], list[str]]:
    """The finished runs below ``folder``, one for each chain, and notes on those left out."""
    newest: dict[tuple, tuple[str, Run]] = {}
    notes = []
    for run_dir in finished_runs(folder):
        try:
            run = read_run(run_dir)
        except RunError as problem:
            notes.append(f"missing: {run_dir}: marked DONE but unreadable ({problem})")
            continue
        notes += run.notes
        about = run.description
        chain = (about["data"]["source"], about["section"], about["preset"], *_chain(about))
        finished = str(run.done.get("finished", ""))
        if chain in newest:
            other_finished, other = newest[chain]
            same = run.rows == other.rows
            kept = run if finished > other_finished else other
            notes.append(
                f"twice: {run_dir} and {other.path} are one chain with "
                f"{'the same' if same else 'DIFFERENT'} metrics; "
                f"{kept.path} was taken, which finished last"
            )
            if kept is other:
                continue
        newest[chain] = (finished, run)
    return [run for _, run in newest.values()], notes


def missing(folder: Path) -> list[str]:
    """One line for each chain below ``folder`` that is not finished, or that a sweep has planned
    and not begun.
    """
    return [f"missing: {row}" for row in status.rows(folder, thorough=False) if row.state != "done"]


def _chain(description: dict) -> tuple:
    """Variant, regime and seed of a chain, from its description or its provenance record."""
    return tuple(description[name] for name in CHAIN_KEY)


def _merge(path: Path, frame: pd.DataFrame, key: list[str], runs: list[Run]) -> int:
    """Put the rows of ``frame`` into the table ``path`` in place of the older rows of the chains of
    ``runs``, and return the number of rows; a table without rows has no file.
    """
    if path.exists():
        old = read_csv(path)
        chains = [_chain(run.description) for run in runs]
        kept = old[~pd.MultiIndex.from_frame(old[CHAIN_KEY]).isin(chains)]
        frame = pd.concat([kept, frame], ignore_index=True)
    if frame.empty:
        path.unlink(missing_ok=True)
        return 0
    frame = frame.drop_duplicates(key, keep="last").sort_values(key, kind="stable")
    files.write_text(path, frame.to_csv(index=False, lineterminator="\n"))
    return len(frame)


def _curves(runs: list[Run]) -> pd.DataFrame:
    rows = [
        {**{name: run.description[name] for name in CHAIN_KEY}, "iteration": t, **row}
        for run in runs
        for t, curve in run.curves.items()
        for row in curve
    ]
    frame = pd.DataFrame(rows)
    return frame.round(6).astype({"step": int, "items": int}) if len(frame) else frame


def _merged_provenance(path: Path, runs: list[Run]) -> list[dict]:
    """The records of the table beside ``path``, those of ``runs`` in place of older ones."""
    records = files.read_json(path) if path.exists() else []
    records += [{**run.description, "provenance": run.done} for run in runs]
    newest = {_chain(record): record for record in records}
    merged = [newest[chain] for chain in sorted(newest)]
    for variant in {record["variant"] for record in merged}:
        _check_data(path.parent, [record for record in merged if record["variant"] == variant])
    return merged


def _check_data(table: Path, records: list[dict]) -> None:
    """InputError unless the chains of a variant have read one data set or, where the seed draws the
    data, one for each seed.
    """
    by_seed: dict[int, list[dict]] = {}
    for record in records:
        by_seed.setdefault(record["seed"], []).append(record["data"])
    sets = {data["train"] + data["test"] for read in by_seed.values() for data in read}
    paired = all(data == read[0] for read in by_seed.values() for data in read)
    if not paired or len(sets) not in (1, len(by_seed)):
        raise InputError(
            "results",
            str(table),
            f"chains that read the same data; these would be on {len(sets)} data sets: "
            "collect them into another folder",
        )


def _copy_samples(target: Path, runs: list[Run], records: list[dict]) -> None:
    """Copy the samples of the smallest seed of every variant and regime in the table, if that seed
    is among ``runs``; ``records`` are those of the whole table.
    """
    smallest: dict[tuple[str, str], int] = {}
    for record in records:
        variant, regime, seed = _chain(record)
        smallest[variant, regime] = min(seed, smallest.get((variant, regime), seed))
    for run in runs:
        variant, regime, seed = _chain(run.description)
        if seed != smallest[variant, regime]:
            continue
        for t, preview in run.previews.items():
            for name, source in preview.items():
                copy = target / folder_name(variant) / regime / f"iteration-{t:02d}" / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(files.read_regular(source, MAX_PREVIEW_BYTES))
