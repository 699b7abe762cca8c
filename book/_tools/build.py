"""Build the pages with Jupyter Book from a copy of the sources; every warning is an error."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from collapse_utils.durable.files import write_text
from collapse_utils.errors import InputError
from collapse_utils.sweeps.execute import digest, finished

from . import downloads, lecture
from .contents import notebooks

COPIED = (  # what a build needs besides the notebooks
    "_config.yml",
    "_toc.yml",
    "book",
    "results",
    "collapse_utils",  # pages show parts of the code
)


def mathjax_folder() -> Path:
    """The MathJax of the installed package, whose folder has a name that cannot be imported."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "sphinx-mathjax-offline is not installed: pip install sphinx-mathjax-offline"
        )
    return Path(spec.origin).parent / "static" / "mathjax"


def assemble(root: Path, source: Path, folder: Path, check_done: bool) -> str:
    """Copy the book's files and the notebooks of ``folder`` to ``source``; returns a digest.

    With ``check_done`` a notebook that has not run to its end is an InputError.
    """
    contents: dict[str, bytes] = {}
    for name in COPIED:
        base = root / name
        for path in [base] if base.is_file() else sorted(base.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                contents[path.relative_to(root).as_posix()] = path.read_bytes()
    for path in downloads.files(root):
        contents[downloads.offered(path).relative_to(root).as_posix()] = downloads.content(path)
    contents |= lecture.files(root)
    for committed in notebooks(root):
        path = folder / committed.name
        if check_done and not finished(path):
            raise InputError(
                "executed notebook", str(path), "one that ran to its end: python -m book._tools run"
            )
        contents[committed.relative_to(root).as_posix()] = path.read_bytes()
    for path in sorted(source.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(source).as_posix() not in contents:
            path.unlink()
    for name, content in contents.items():
        path = source / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return digest(
        part for name, content in sorted(contents.items()) for part in (name.encode(), content)
    )


def build(root: Path, name: str, committed: bool = False, output: Path | None = None) -> Path:
    """Build the pages, unless nothing has changed, and return the path of index.html.

    The pages go to <output>/_build/html; ``output`` is build/<name> unless given.  Every build
    reads all pages: after a failed build, Sphinx would read only the changed pages again and lose
    the warnings of the others.
    """
    folder = root / "notebooks" if committed else root / "build" / name / "notebooks"
    source = root / "build" / name / "source"
    output = (output or root / "build" / name).resolve()
    fingerprint = digest(
        [assemble(root, source, folder, not committed).encode(), version("jupyter-book").encode()]
    )
    html, stamp = output / "_build" / "html", output / "_build" / "built.txt"
    if (
        (html / "index.html").is_file()
        and stamp.is_file()
        and stamp.read_text(encoding="utf-8") == fingerprint
    ):
        print("the pages are up to date", flush=True)
        return html / "index.html"
    stamp.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(source),
    ]
    done = subprocess.run(
        [*command, "--path-output", str(output), "--all", "-W", "-n", "--keep-going"], cwd=root
    )
    if done.returncode != 0:
        raise SystemExit(
            f"the build has failed (exit status {done.returncode}); its warnings are above"
        )
    write_text(stamp, fingerprint, durable=False)
    return html / "index.html"
