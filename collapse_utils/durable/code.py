"""Which code computes: a digest of the package's modules that can change a number, and the versions
of the libraries below them.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SOURCE_TREE = PACKAGE.parent  # the repository, unless the package is an installed wheel
LIBRARIES = ("numpy", "torch", "transformers")
# Parts of the package that read numbers and show them, or start chains, and compute none.
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
    try:
        return version(library)
    except PackageNotFoundError:
        return None


@functools.cache
def digest(section: str) -> str:
    """A digest of the source files, byte by byte, that a chain of ``section`` can run.

    A changed comment changes it: that is simpler than to judge which change matters, and only a
    chain that is under way has to be told.  The other sections' files do not count.
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
    """What ``config.json`` says of the code of a run."""
    return {"digest": digest(section), **{name: installed(name) for name in LIBRARIES}}


def difference(old: dict, new: dict) -> str | None:
    """How the code ``new`` differs from the code with which a run was begun, in words."""
    if not isinstance(old, dict):
        return "no digest of its code"
    for name in (*LIBRARIES, "digest"):
        if old.get(name) != new[name]:
            what = "other code of this package" if name == "digest" else f"{name} {old.get(name)}"
            now = "" if name == "digest" else f" (here {new[name]})"
            return what + now
    return None
