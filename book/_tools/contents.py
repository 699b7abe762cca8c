"""The pages of the book: its table of contents, its notebooks, and its built pages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx_external_toc.parsing import parse_toc_yaml

from collapse_utils.errors import InputError, named_values
from collapse_utils.sweeps.execute import read_notebook, shrink_pictures, write_notebook

if TYPE_CHECKING:
    from bs4 import BeautifulSoup


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


def page_of(root: Path, section: str) -> str | None:
    """The page of a section, such as notebooks/02_language; None if it has none."""
    paths = {path.stem.partition("_")[2]: path for path in notebooks(root)}
    path = paths.get(section)
    return path.relative_to(root).with_suffix("").as_posix() if path else None


def built_page(site: Path, page: str) -> BeautifulSoup:
    """A page of the built book."""
    from bs4 import BeautifulSoup

    return BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


def page_title(built: BeautifulSoup) -> str:
    """The title of a built page, as plain text."""
    return built.select_one("h1").find(string=True).strip()


def parameters(texts: Iterable[str]) -> dict[str, Any]:
    """``name=value`` of --parameter; a value that is no JSON literal is plain text."""
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
