"""Reading the committed results, each a folder ``results/<section>/<preset>-<source>``.

metrics.csv       tidy rows, with the columns data and variant
curves.csv        learning curves of the neural sections
provenance.json   one record a chain
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

# what a folder of results holds: the metrics of chains, or a grid of simulations
TABLES = ("metrics.csv", "grid.csv")
WHOLE = {"seed", "iteration", "step", "items", "T", "d", "n", "repeats"}
TEXT = {
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
    """The folder of committed results: the given, the source tree's or the installed package's."""
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
    """A table of results; floats are read back to the last bit."""
    # Python's float() is exact in every version; pandas' default parser has not always been.
    text = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in text.columns:
        if column in WHOLE:
            text[column] = text[column].astype(int)
        elif column not in TEXT:
            text[column] = [float(value) if value else math.nan for value in text[column]]
    return text


def folder(section: str, preset: str, data: str, given: str | Path | None = None) -> Path:
    """The folder of one table of committed results; InputError lists those there are."""
    home = root(given) / section
    path = home / f"{preset}-{data}"
    if not (path / "metrics.csv").exists():
        names = sorted(p.parent.name for p in home.glob("*/metrics.csv")) if home.is_dir() else []
        raise InputError(
            "preset and data",
            path.name,
            "one of " + ", ".join(names) if names else f"results in {home}",
        )
    return path


def read(section: str, preset: str, data: str, given: str | Path | None = None) -> pd.DataFrame:
    """The committed metrics of a section at a preset on a data source."""
    return read_csv(folder(section, preset, data, given) / "metrics.csv")


def named(section: str, name: str, given: str | Path | None = None) -> pd.DataFrame:
    """The committed rows in a folder of results: its metrics, or the cells of a grid.

    Metrics have a column ``look``: 2 for seeds that ``reference.yml`` says were added after
    looking, else 1.
    """
    home = root(given) / section / name
    for path in (home / table for table in TABLES):
        if path.is_file():
            frame = read_csv(path)
            return frame.assign(look=1 + _added(frame, given)) if "seed" in frame else frame
    raise InputError("results", str(home), "a folder with " + " or ".join(TABLES))


def _added(frame: pd.DataFrame, given: str | Path | None) -> pd.Series:
    """Which rows are of seeds that were added when the results of the planned ones were known."""
    added = pd.Series(False, index=frame.index)
    path = root(given) / "reference.yml"
    sweeps = plan.read(path) if path.is_file() else []
    for sweep in (sweep for sweep in sweeps if sweep.added_after_looking):
        rows = frame["seed"].isin(sweep.added_after_looking) & frame["regime"].isin(sweep.regimes)
        names = {
            "section": sections.result_name(sweep.section),
            "preset": sweep.preset,
            "data": sweep.source,
        }
        for column, value in {**names, "variant": sweep.variant}.items():
            rows &= frame[column] == value
        added |= rows
    return added
