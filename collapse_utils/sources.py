"""What every data source tells of itself, and how local copies are found and recognised."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Where real data come from; shown in the book and by ``sections``."""

    title: str
    licence: str
    citation: str
    revision: str  # of the hub's data set, or the version of the package that ships the data
    address: str  # where a reader finds the data; empty for a reader's own file
    doi: str = ""  # of the data set, if it has one
    entry: str = ""  # of the work to cite, in book/references.bib

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.title, f"licence: {self.licence}", self.address)))


def local_copy(name: str) -> Iterable[Path]:
    """Where a named source may lie in the folder ``COLLAPSE_DATA``: a subfolder or file of that name, or the folder."""
    home = os.environ.get("COLLAPSE_DATA")
    if not home:
        return []
    return [path for path in (*sorted(Path(home).glob(f"{name}*")), Path(home)) if path.exists()]


def content(files: Iterable[Path]) -> str:
    """A checksum of the content of ``files``, in their order."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
