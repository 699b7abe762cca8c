"""Where things are: the package, its shipped files, the book's source tree, the cache."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SOURCE_TREE = PACKAGE.parent  # the repository, unless the package is an installed wheel


def shipped(name: str, in_tree: str) -> Path | None:
    """A file or folder that travels with the wheel: the package's copy, or the source tree's."""
    return next((path for path in (PACKAGE / name, SOURCE_TREE / in_tree) if path.exists()), None)


def book_root() -> Path | None:
    """The folder of the book's sources: the current one, or the package's source tree, or None."""
    return next((root for root in (Path.cwd(), SOURCE_TREE) if (root / "_toc.yml").is_file()), None)


def default_cache() -> Path:
    """Where prepared data are kept: ``COLLAPSE_CACHE``, or a folder in the user's cache."""
    return Path(os.environ.get("COLLAPSE_CACHE") or Path.home() / ".cache" / "collapse_utils")
