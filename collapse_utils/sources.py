"""Descriptions of data sources, and the files of local copies and of the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import data_error

DEPTH = 3  # folders below a local copy in which its files may lie


@dataclass(frozen=True)
class Source:
    """Where real data come from; shown in the book and by ``collapse sections``."""

    title: str
    licence: str
    citation: str
    revision: str  # of the hub's data set, or the version of the package that ships the data
    address: str  # where a reader finds the data; empty for a reader's own file
    doi: str = ""  # of the data set, if it has one
    entry: str = ""  # of the work to cite, in book/references.bib

    def __str__(self) -> str:
        parts = (self.title, f"licence: {self.licence}", f"cite: {self.citation}", self.address)
        return "; ".join(filter(None, parts))


def local_copy(name: str) -> Iterable[Path]:
    """Paths where a source may be: in the folder ``COLLAPSE_DATA``, by its name, or the folder."""
    data_dir = os.environ.get("COLLAPSE_DATA")
    if not data_dir:
        return []
    paths = (*sorted(Path(data_dir).glob(f"{name}*")), Path(data_dir))
    return [path for path in paths if path.exists()]


def default_cache() -> Path:
    """The folder of prepared data: ``COLLAPSE_CACHE``, or a folder in the user's cache."""
    return Path(os.environ.get("COLLAPSE_CACHE") or Path.home() / ".cache" / "collapse_utils")


def local_path(data: str | Path, names: Iterable[str]) -> Path:
    """The local file or folder ``data``; InputError if it does not exist, or is a whole disk."""
    path = Path(data)
    try:
        exists = path.exists()
    except OSError:  # such as a name that is too long
        exists = False
    if not exists:
        allowed = f"one of {', '.join(names)}, or a file or folder that exists"
        raise data_error(data, allowed)
    if path.resolve().parent == path.resolve():
        raise data_error(data, "a file or folder with data, not a whole disk")
    return path


def check_regular(path: Path, max_bytes: int) -> Path:
    """``path``; InputError if it is no regular file or has more than ``max_bytes``."""
    if not path.is_file():
        raise data_error(path, "a regular file, not a pipe or a device")
    if (size := path.stat().st_size) > max_bytes:
        raise data_error(path, f"a file of at most {max_bytes:,} bytes (it has {size:,})")
    return path


def files_below(folder: Path) -> Iterator[Path]:
    """The regular files at most ``DEPTH`` folders below ``folder``, which may be a whole disk."""
    for path, folders, names in os.walk(folder):
        if len(Path(path).relative_to(folder).parts) >= DEPTH:
            folders.clear()
        yield from (file for name in names if (file := Path(path) / name).is_file())


def content_checksum(files: Iterable[Path]) -> str:
    """A checksum of the content of ``files``, in their order."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
