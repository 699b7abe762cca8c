"""The code of a run: a digest of the modules that can change a number, and library versions."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SOURCE_TREE = PACKAGE.parent  # the repository, unless the package is an installed wheel
LIBRARIES = ("numpy", "torch", "transformers")
# parts of the package that compute no number of a chain
NO_NUMBERS = (
    "__main__.py",
    "commands.py",
    "errors.py",
    "evidence",
    "own.py",
    "pages",
    "sweeps",
    "templates",
    "theory",
)


def installed(library: str) -> str | None:
    """The installed version of a library, or None."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


@functools.cache
def digest(section: str) -> str:
    """A digest of the source files that a chain of ``section`` can run.

    A changed comment changes it too.  This is simpler than to decide which changes matter, and it
    affects only chains that are not finished.
    """
    sections = {path.parent.name for path in PACKAGE.glob("*/section.py")}
    left_out = {*NO_NUMBERS, *(sections - {section} if section in sections else ())}
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if name.parts[0] not in left_out:
            total.update(name.as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def of(section: str) -> dict:
    """The field ``code`` of ``config.json``: the digest and the versions of the libraries."""
    return {"digest": digest(section), **{name: installed(name) for name in LIBRARIES}}


def difference(old: dict, new: dict) -> str | None:
    """How ``new`` differs from the code ``old`` of a run, in words; None if it does not."""
    if not isinstance(old, dict):
        return "no digest of its code"
    for name in (*LIBRARIES, "digest"):
        if old.get(name) != new[name]:
            if name == "digest":
                return "other code of this package"
            return f"{name} {old.get(name)} (here {new[name]})"
    return None
