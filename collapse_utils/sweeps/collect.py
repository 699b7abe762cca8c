"""Collecting finished runs into the tidy tables of ``results/``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from ..durable.files import read_json, write_json, write_text
from ..durable.metrics import KEY, frame_of, read_metrics
from ..durable.run_dir import finished_runs
from ..errors import InputError, RunError
from ..evidence.results import read_csv
from ..training.loop import read_curve
from . import status

CURVE_KEY = ["variant", "regime", "seed", "iteration", "step"]


CHAIN = ("variant", "regime", "seed")  # identify a chain in its table


def collect(folder: Path, into: Path) -> list[str]:
    """Merge every finished run below ``folder`` into ``into``; returns a line for each table.

    The rows of a chain that is there already are replaced by the newer ones, never doubled.  Lines
    that begin with ``missing`` name what is not finished: chains under way, and those that a sweep
    into ``folder`` has not begun. InputError, and nothing is written, if a table would hold chains
    of one variant that read different data.
    """
    if not folder.is_dir():
        raise InputError("DIR", str(folder), "a folder with runs")
    finished, notes = _readable(folder)
    if not finished:
        raise InputError("DIR", str(folder), "a folder with at least one finished run")
    groups: dict[tuple[str, str], list[Path]] = {}
    for run_dir in finished:
        description = read_json(run_dir / "config.json")
        name = f"{description['preset']}-{description['data']['source']}"
        groups.setdefault((description["section"], name), []).append(run_dir)
    records = {
        key: _merged_provenance(into / "/".join(key) / "provenance.json", groups[key])
        for key in sorted(groups)
    }
    lines = []
    for (section, name), run_dirs in sorted(groups.items()):
        target = into / section / name
        target.mkdir(parents=True, exist_ok=True)
        count = _merge(target / "metrics.csv", frame_of(run_dirs), KEY)
        curves = _curves(run_dirs)
        if len(curves):
            _merge(target / "curves.csv", curves, CURVE_KEY)
        write_json(target / "provenance.json", records[section, name])
        _copy_samples(target / "samples", run_dirs)
        lines.append(
            f"{target / 'metrics.csv'}: {count} rows, {len(run_dirs)} finished chains read"
        )
    return lines + notes + missing(folder)


def _readable(folder: Path) -> tuple[list[Path], list[str]]:
    """The finished runs below ``folder``, one a chain, and what is to be said of the others."""
    newest: dict[tuple, tuple[str, Path]] = {}
    notes = []
    for run_dir in finished_runs(folder):
        try:
            description = read_json(run_dir / "config.json")
            record = read_json(run_dir / "DONE")
            iterations = {row["iteration"] for row in read_metrics(run_dir)}
            if len(iterations) != description["config"]["iterations"]:
                raise RunError(
                    f"metrics of {len(iterations)} of {description['config']['iterations']} "
                    "iterations"
                )
        except (RunError, KeyError, TypeError) as problem:
            notes.append(f"missing: {run_dir}: marked DONE but unreadable ({problem})")
            continue
        chain = (
            *(description[name] for name in ("section", "preset")),
            description["data"]["source"],
        )
        chain += tuple(description[name] for name in CHAIN)
        when = str(record.get("finished", ""))
        if chain in newest:
            other = newest[chain][1]
            same = read_metrics(run_dir) == read_metrics(other)
            kept = run_dir if when > newest[chain][0] else other
            notes.append(
                f"twice: {run_dir} and {other} are one chain with "
                f"{'the same' if same else 'DIFFERENT'} metrics; {kept} was taken, which finished "
                "last"
            )
        newest[chain] = max(newest.get(chain, (when, run_dir)), (when, run_dir))
    return [run_dir for _, run_dir in newest.values()], notes


def missing(folder: Path) -> list[str]:
    """One line for each chain below ``folder`` that is unfinished or not yet begun."""
    return [f"missing: {row}" for row in status.rows(folder) if row.state != "done"]


def _merge(path: Path, frame: pd.DataFrame, key: list[str]) -> int:
    """Put the rows of ``frame`` into the table ``path``; they replace rows of the same chains."""
    if path.exists():
        existing = read_csv(path)
        chain = [name for name in key if name in CHAIN]
        brought = pd.MultiIndex.from_frame(frame[chain])
        frame = pd.concat(
            [existing[~pd.MultiIndex.from_frame(existing[chain]).isin(brought)], frame],
            ignore_index=True,
        )
    frame = frame.drop_duplicates(key, keep="last").sort_values(key, kind="stable")
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))
    return len(frame)


def _curves(run_dirs: list[Path]) -> pd.DataFrame:

    rows = []
    for run_dir in run_dirs:
        description = read_json(run_dir / "config.json")
        first = {name: description[name] for name in ("variant", "regime", "seed")}
        for path in sorted(run_dir.glob("iteration-*")):
            iteration = int(path.name.split("-")[1])
            rows += [{**first, "iteration": iteration, **row} for row in read_curve(path)]
    frame = pd.DataFrame(rows)
    return frame.round(6).astype({"step": int, "items": int}) if len(frame) else frame


def _merged_provenance(path: Path, run_dirs: list[Path]) -> list[dict]:
    """The records of the table at ``path`` with those of ``run_dirs``, which replace older ones."""
    records = read_json(path) if path.exists() else []
    for run_dir in run_dirs:
        description = read_json(run_dir / "config.json")
        records.append({**description, "provenance": read_json(run_dir / "DONE")})
    newest = {tuple(record[name] for name in CHAIN): record for record in records}
    order = sorted(
        newest.values(), key=lambda record: (record["variant"], record["regime"], record["seed"])
    )
    for variant in {record["variant"] for record in order}:
        _check_data(path.parent, [record for record in order if record["variant"] == variant])
    return order


def _check_data(table: Path, records: list[dict]) -> None:
    """InputError unless the chains of a variant read one data set (or one for each seed)."""
    read: dict[int, list[dict]] = {}
    for record in records:
        read.setdefault(record["seed"], []).append(record["data"])
    sets = {data["train"] + data["test"] for every in read.values() for data in every}
    paired = all(data == every[0] for every in read.values() for data in every)
    if not paired or len(sets) not in (1, len(read)):
        raise InputError(
            "results",
            str(table),
            f"chains that read the same data; these would be on {len(sets)} data sets: "
            "collect them into another folder",
        )


def _copy_samples(target: Path, run_dirs: list[Path]) -> None:
    """Samples of the smallest seed of every variant and regime."""
    smallest: dict[tuple[str, str], tuple[int, Path]] = {}
    for run_dir in run_dirs:
        description = read_json(run_dir / "config.json")
        chain = (description["variant"] or "base", description["regime"])
        smallest[chain] = min(
            smallest.get(chain, (description["seed"], run_dir)), (description["seed"], run_dir)
        )
    for (variant, regime), (_, run_dir) in smallest.items():
        for preview in sorted(run_dir.glob("iteration-*/preview")):
            shutil.copytree(
                preview, target / variant / regime / preview.parent.name, dirs_exist_ok=True
            )
