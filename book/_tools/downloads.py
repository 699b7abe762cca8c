"""The files of results that a reader can download: a table of all, and a list for every page.

The text is for MyST: ``{download}`` copies the file into the built book, so that the links work
without a network.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

from collapse_utils.durable.files import read_json

from .tables import markdown, verbatim

HEADING = "Data of this page"
MEANING = {  # what one row of a file is
    "metrics.csv": "one metric of one fit of a chain",
    "curves.csv": "the training and validation loss at one step of a fit",
    "provenance.json": "one chain: its configuration, the checksums of its data, versions, "
    "machine, time and memory",
    "epochs.csv": "one number of epochs of the first fit: its validation loss, and whether "
    "it was chosen",
    "grid.csv": "one fit at one setting of the linear grid: its mean test error and "
    "the formula's value",
    "quantiles.csv": "one setting near $T = d + 2$: quantiles of the first fit's test error",
    "zscores.csv": "one mean of the linear grid: its difference from the formula in "
    "standard errors",
    "spectrum.csv": "one eigenvalue of the covariance of real faces, as a share of their total "
    "variance",
    "summary.json": "a summary of these differences",
    "forecast.csv": "one forecast of the scaling study: its cell, regime and form",
    "samplers.csv": "one sampler of molecules: its speed and the quality of its samples",
    "rates.csv": "one preset: seconds and bytes for one item, measured on one core",
    "assumptions.csv": "one number that the page on costs assumes",
}
LINKABLE = re.compile(r"[\w ./,=+%()-]+")  # a path that a MyST role and a browser keep unchanged
# Larger tables are offered as ZIP files, which have a quarter of the size and which pandas reads.
LARGE = 100_000  # bytes
REPORTED = "one value that the paper or its authors report"

REPORTED_BY = {"scale": "language"}  # whose reported values a page shows, if not its own section's


def files(root: Path, section: str | None = None) -> list[Path]:
    """The tables and records in results/, without samples: all, or those of a section's page."""
    folder = root / "results"
    paths = [
        path
        for path in folder.rglob("*")
        if path.suffix in (".csv", ".json") and "samples" not in path.parts
    ]
    if section is not None:
        own = folder / section
        reported = folder / "reported" / f"{REPORTED_BY.get(section, section)}.csv"
        paths = [path for path in paths if path == reported or own in path.parents]
    return sorted(paths)


def columns(path: Path) -> list[str]:
    """The columns of a table, or the fields of a record."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            return next(csv.reader(lines), [])
    records = read_json(path)
    return list(records[0] if isinstance(records, list) else records)


def rows(path: Path) -> int:
    """The number of rows of a table, or of records."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as lines:
            return sum(1 for _ in csv.reader(lines)) - 1
    content = read_json(path)
    return len(content) if isinstance(content, list) else 1


def zipped(path: Path) -> bool:
    """Whether the table is offered inside a ZIP file."""
    return path.suffix == ".csv" and path.stat().st_size > LARGE


def offered(path: Path) -> Path:
    """The file that a reader downloads: the file itself, or a ZIP file with it."""
    return path.with_name(path.name + ".zip") if zipped(path) else path


def content(path: Path) -> bytes:
    """The content of the file that a reader downloads; equal files give equal bytes."""
    if not zipped(path):
        return path.read_bytes()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(path.name)  # without a date
        archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return written.getvalue()


def size(path: Path) -> str:
    """The size of the file that a reader downloads; number and unit stay on one line."""
    return f"{max(len(content(path)) / 1e3, 1):,.0f}\u00a0kB"


def saved_as(path: Path) -> str:
    """The name under which a browser saves a file of the book, with its folders to be unique.

    results/language/cpu-bible/metrics.csv becomes language-cpu-bible-metrics.csv.
    """
    return "-".join(path.parts[1:]) if path.parts[0] == "results" else path.name


def link(root: Path, path: Path, text: str) -> str:
    """A download link whose ``text`` ends with the name of the file; without a link if the path has
    characters that MyST would change.
    """
    name = offered(path).relative_to(root).as_posix()
    return f"{{download}}`{text} </{name}>`" if LINKABLE.fullmatch(name) else verbatim(text)


def table(root: Path) -> str:
    """One row for every file."""
    lines = []
    for path in files(root):
        folder = verbatim(path.parent.relative_to(root / "results").as_posix())
        lines.append((folder, link(root, path, offered(path).name), f"{rows(path):,}", size(path)))
    return markdown(("folder", "file", "rows", "size"), lines, right=("rows", "size"))


def kinds(root: Path) -> str:
    """One row for every kind of file: what a row of it is, and its columns."""
    lines: dict[str, tuple[str, str, str]] = {}
    for path in files(root):
        reported = path.parent.name == "reported"
        name = path.relative_to(root / "results").as_posix() if reported else path.name
        if name not in lines:
            names = ", ".join(
                f"`{column}`" if LINKABLE.fullmatch(column) else verbatim(column)
                for column in columns(path)
            )
            lines[name] = verbatim(name), REPORTED if reported else MEANING.get(name, ""), names
    return markdown(("file", "a row holds", "columns"), lines.values())


def of_page(root: Path, section: str) -> str:
    """The files of a section, with a heading, for the end of its page; empty without files."""
    paths = files(root, section)
    if not paths:
        return ""
    lines = [
        f"## {HEADING}",
        "",
        "The published results on this page come from these files. [](../book/data) describes "
        "their content.",
        "",
    ]
    for path in paths:
        name = offered(path).relative_to(root / "results").as_posix()
        lines.append(
            f"- {link(root, path, name)}: {rows(path):,} row{'s' * (rows(path) != 1)}, {size(path)}"
        )
    return "\n".join([*lines, ""])
