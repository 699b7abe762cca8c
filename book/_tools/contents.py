"""The notebooks of the book: which there are, and how they are read and written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sphinx_external_toc.parsing import parse_toc_yaml

from collapse_utils.errors import InputError, named_values
from collapse_utils.sweeps.execute import read_notebook, shrink_pictures, write_notebook


def book_root(path: str | Path) -> Path:
    """The repository's root; InputError if ``path`` has no table of contents."""
    root = Path(path).resolve()
    if not (root / "_toc.yml").is_file() or not (root / "_config.yml").is_file():
        raise InputError(
            "--root", str(path), "the folder of the book, with _config.yml and _toc.yml"
        )
    return root


def pages(root: Path) -> list[str]:
    """Every page of _toc.yml, in reading order, without file extensions."""
    return list(parse_toc_yaml(root / "_toc.yml"))


def notebooks(root: Path) -> list[Path]:
    """The committed notebooks of the book, in reading order."""
    paths = [root / f"{page}.ipynb" for page in pages(root)]
    return [path for path in paths if path.is_file()]


def by_section(root: Path) -> dict[str, Path]:
    """Section -> its notebook: the file's name without its number."""
    return {path.stem.partition("_")[2]: path for path in notebooks(root)}


def page_of(root: Path, section: str) -> str | None:
    """The notebook of a section, as a path from the root: notebooks/02_language.ipynb."""
    path = by_section(root).get(section)
    return path.relative_to(root).as_posix() if path else None


def parameters(texts: Iterable[str]) -> dict[str, Any]:
    """``name=value`` of --parameter; a value is a JSON literal or, failing that, plain text."""
    given: dict[str, Any] = named_values("--parameter", texts)
    for name, text in given.items():
        with contextlib.suppress(ValueError):
            given[name] = json.loads(text)
    return given


def select(root: Path, only: Sequence[str]) -> list[Path]:
    """The notebooks named in ``only`` (by stem), or all; InputError for an unknown name."""
    known = {path.stem: path for path in notebooks(root)}
    for name in only:
        if name not in known:
            raise InputError("notebook", name, "one of " + ", ".join(known))
    return [known[name] for name in only] if only else list(known.values())


def strip(path: Path) -> bool:
    """Make a notebook fit to be committed: no timings, no widgets, small pictures."""
    notebook = read_notebook(path)
    before = json.dumps(notebook, sort_keys=True)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
    shrink_pictures(notebook)
    if json.dumps(notebook, sort_keys=True) == before:
        return False
    write_notebook(path, notebook)
    return True
