"""The notebooks of the book: which there are, what parameters they declare, how they are read and written."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from ..errors import InputError
from ..runs import write_text
from .pictures import fewer_colours


def book_root(path: str | Path) -> Path:
    """The repository's root; InputError if ``path`` has no table of contents."""
    root = Path(path).resolve()
    if not (root / "_toc.yml").is_file() or not (root / "_config.yml").is_file():
        raise InputError("--root", str(path), "the folder of the book, with _config.yml and _toc.yml")
    return root


def pages(root: Path) -> list[str]:
    """Every page of _toc.yml, in reading order, without file extensions."""

    def entries(node: Any) -> Iterable[str]:
        for key in ("root", "file"):
            if key in node:
                yield node[key]
        for key in ("parts", "chapters", "sections"):
            for child in node.get(key) or ():
                yield from entries(child)

    return list(entries(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


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


def read_notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def write_notebook(path: Path, notebook: nbformat.NotebookNode) -> None:
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n", durable=False)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode | None:
    """The first cell that carries ``tag``."""
    return next((cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())), None)


def declared(notebook: nbformat.NotebookNode, name: str) -> dict[str, Any]:
    """The names assigned in the notebook's parameters cell, with their values (None where a value is not a literal)."""
    cell = tagged(notebook, "parameters")
    if cell is None:
        raise InputError("notebook", name, "a notebook with a cell tagged 'parameters'")
    values: dict[str, Any] = {}
    for node in ast.parse(cell.source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    values[target.id] = ast.literal_eval(node.value)
                except (ValueError, TypeError):
                    values[target.id] = None
    return values


def check_parameters(notebook: nbformat.NotebookNode, name: str, parameters: dict[str, Any]) -> None:
    """Refuse a parameter that the notebook does not declare, or one of another type than its default."""
    known = declared(notebook, name)
    for key, value in parameters.items():
        if key not in known:
            raise InputError(f"parameter of {name}", key, "one of " + ", ".join(known))
        default = known[key]
        if default is not None and value is not None and type(value) is not type(default):
            raise InputError(f"{key} in {name}", value, f"the type of its default {default!r}")


def literal(assignment: str) -> tuple[str, Any]:
    """``name=value`` of --parameter; the value is a JSON literal or, failing that, plain text."""
    name, sign, text = assignment.partition("=")
    if not sign or not name.strip().isidentifier():
        raise InputError("--parameter", assignment, "NAME=VALUE")
    try:
        return name.strip(), json.loads(text)
    except ValueError:
        return name.strip(), text


def select(root: Path, only: Sequence[str]) -> list[Path]:
    """The notebooks named in ``only`` (by stem), or all; InputError for a name that is not in the book."""
    known = {path.stem: path for path in notebooks(root)}
    for name in only:
        if name not in known:
            raise InputError("notebook", name, "one of " + ", ".join(known))
    return [known[name] for name in only] if only else list(known.values())


def strip(path: Path) -> bool:
    """Make a notebook fit to be committed: no cell timings, no widget states, small pictures; True if it was not."""
    notebook = read_notebook(path)
    before = json.dumps(notebook, sort_keys=True)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
    small_pictures(notebook)
    if json.dumps(notebook, sort_keys=True) == before:
        return False
    write_notebook(path, notebook)
    return True


def small_pictures(notebook: nbformat.NotebookNode) -> None:
    """Give the figures among the outputs fewer colours: a notebook is stored, published and downloaded with them."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                png = fewer_colours(base64.b64decode(output.data["image/png"]))
                output.data["image/png"] = base64.b64encode(png).decode()


def digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def tree(folder: Path, suffixes: tuple[str, ...] | None = None) -> Iterable[bytes]:
    """Names and contents of the files under ``folder``, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and (suffixes is None or path.suffix in suffixes):
            yield path.relative_to(folder).as_posix().encode()
            yield path.read_bytes()
