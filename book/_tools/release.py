"""The files attached to a release: the site as a ZIP file, the book as one file, and checksums."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from collapse_utils.errors import InputError

NAME = "model-collapse-book"
SUMS = "SHA256SUMS"


def sums(folder: Path) -> str:
    """A line for each file of ``folder``, as ``sha256sum --check`` reads it."""
    paths = [path for path in sorted(folder.iterdir()) if path.name != SUMS]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in paths]
    return "\n".join([*lines, ""])


def release(site: Path, single: Path, folder: Path) -> Path:
    """Put the site and the single file beside the wheel in ``folder``, with checksums, and return
    the path of the checksums; InputError if the book has not been built or there is no wheel.
    """
    for name, path in (("built site", site / "index.html"), ("single file", single)):
        if not path.is_file():
            raise InputError(name, str(path), "one that `make single` has built")
    if not list(folder.glob("*.whl")):
        raise InputError(
            "wheel",
            str(folder),
            f"a folder with a wheel: pip wheel --no-deps --wheel-dir {folder} .",
        )
    shutil.copyfile(single, folder / f"{NAME}.html")
    shutil.make_archive(str(folder / f"{NAME}-site"), "zip", site)
    written = folder / SUMS
    written.write_text(sums(folder), encoding="utf-8")
    return written
