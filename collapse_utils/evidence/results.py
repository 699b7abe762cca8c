"""Reading the committed results, each a folder ``results/<section>/<preset>-<source>``.

metrics.csv       tidy rows, with the columns data and variant
curves.csv        learning curves of the neural sections
provenance.json   one record for each chain
samples/<variant>/<regime>/iteration-03/...   samples of the smallest seed
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from .. import sections
from ..durable.code import PACKAGE, SOURCE_TREE
from ..errors import InputError
from . import plan

TABLES = ("metrics.csv", "grid.csv")  # a folder has one: metrics of chains, or a simulation grid
INTEGER_COLUMNS = {"seed", "iteration", "step", "items", "T", "d", "n", "repeats"}
TEXT_COLUMNS = {
    "section",
    "preset",
    "data",
    "variant",
    "regime",
    "metric",
    "model",
    "tag",
    "where",
    "x",
    "cell",
    "form",
}


def shipped(name: str, in_tree: str) -> Path | None:
    """A file or folder that a wheel contains: the package's copy, or else the source tree's."""
    return next((path for path in (PACKAGE / name, SOURCE_TREE / in_tree) if path.exists()), None)


def root(given: str | Path | None = None) -> Path:
    """The folder of results: ``given``, or that of the source tree or the installed package."""
    if given:
        path = Path(given)
        if not path.is_dir():
            raise InputError(
                "results",
                str(given),
                "a folder that exists, or empty for the results of the package",
            )
        return path
    if path := shipped("results", "results"):
        return path
    raise InputError("results", "", "a package installed with its results, or a folder")


def read_csv(path: Path) -> pd.DataFrame:
    """A table of results; floats are read to the last bit."""
    # Python's float() is exact in every version; pandas' default parser has not always been.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table.columns:
        if column in INTEGER_COLUMNS:
            table[column] = table[column].astype(int)
        elif column not in TEXT_COLUMNS:
            table[column] = [float(value) if value else math.nan for value in table[column]]
    return table


def folder(section: str, preset: str, data: str, given: str | Path | None = None) -> Path:
    """The folder of one table of committed results; InputError lists the existing ones."""
    parent = root(given) / section
    path = parent / f"{preset}-{data}"
    if not (path / "metrics.csv").exists():
        names = sorted(table.parent.name for table in parent.glob("*/metrics.csv"))
        raise InputError(
            "preset and data",
            path.name,
            "one of " + ", ".join(names) if names else f"results in {parent}",
        )
    return path


def read(section: str, preset: str, data: str, given: str | Path | None = None) -> pd.DataFrame:
    """The committed metrics of a section at a preset on a data source."""
    return read_csv(folder(section, preset, data, given) / "metrics.csv")


def named(section: str, name: str, given: str | Path | None = None) -> pd.DataFrame:
    """The committed rows in a folder of results: its metrics, or the cells of a grid.

    Metrics have a column ``look``: 2 for the seeds that, according to ``reference.yml``, were added
    after the first results had been seen, else 1.
    """
    parent = root(given) / section / name
    for path in (parent / table for table in TABLES):
        if path.is_file():
            frame = read_csv(path)
            return frame.assign(look=1 + _added_later(frame, given)) if "seed" in frame else frame
    raise InputError("results", str(parent), "a folder with " + " or ".join(TABLES))


def _added_later(frame: pd.DataFrame, given: str | Path | None) -> pd.Series:
    """Which rows are of seeds that were added after the first results had been seen."""
    added = pd.Series(False, index=frame.index)
    path = root(given) / "reference.yml"
    sweeps = plan.read(path) if path.is_file() else []
    for sweep in sweeps:
        if not sweep.added_after_looking:
            continue
        rows = frame["seed"].isin(sweep.added_after_looking) & frame["regime"].isin(sweep.regimes)
        values = {
            "section": sections.result_name(sweep.section),
            "preset": sweep.preset,
            "data": sweep.source,
            "variant": sweep.variant,
        }
        for column, value in values.items():
            rows &= frame[column] == value
        added |= rows
    return added
