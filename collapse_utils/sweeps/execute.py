"""Execute the notebooks with papermill, each only when something it depends on has changed.

papermill writes its output from the start of a run, so an output counts as done when it says when
it ended and that no cell failed.  It gets its final name only then, together with a fingerprint of
what it was made from.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from ..durable.code import PACKAGE
from ..durable.files import write_text
from ..errors import InputError


def fingerprint(root: Path, notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> str:
    """What an execution depends on: cells, parameters, the package's source, committed results."""
    cells = [
        [cell.cell_type, cell.source, cell.metadata.get("tags", [])] for cell in notebook.cells
    ]
    own = json.dumps([cells, parameters], sort_keys=True).encode()
    return digest([own, *tree(PACKAGE, (".py",)), *tree(root / "results")])


def finished(path: Path, mark: str | None = None) -> bool:
    """Whether papermill ran ``path`` without an error (with this fingerprint, if given)."""
    try:
        record = read_notebook(path).metadata.get("papermill", {})
    except Exception:  # missing, cut short, or not a notebook: whatever it is, it is not done
        return False
    ended = bool(record.get("end_time")) and not record.get("exception")
    return ended and (mark is None or record.get("fingerprint") == mark)


def execute(root: Path, source: Path, target: Path, parameters: dict[str, Any]) -> str:
    """Run one notebook into ``target``; returns why it failed, or "".  A failed copy is kept."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    partial = target.with_name(f".{target.stem}.partial.ipynb")
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    mark = fingerprint(root, read_notebook(source), parameters)
    try:
        papermill.execute_notebook(
            str(source),
            str(partial),
            parameters=parameters,
            kernel_name="python3",
            language="python",
            cwd=str(target.parent),
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        os.replace(partial, failed)
        return (
            f"{source.name}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; "
            f"see {failed}"
        )
    notebook = read_notebook(partial)
    notebook.metadata.papermill["fingerprint"] = mark
    small_pictures(notebook)
    write_notebook(partial, notebook)
    os.replace(partial, target)
    failed.unlink(missing_ok=True)
    return ""


def read_notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def write_notebook(path: Path, notebook: nbformat.NotebookNode) -> None:
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n", durable=False)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode | None:
    """The first cell that carries ``tag``."""
    return next((cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())), None)


def declared(notebook: nbformat.NotebookNode, name: str) -> dict[str, Any]:
    """The names assigned in the parameters cell, with their values (None if not a literal)."""
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


def check_parameters(
    notebook: nbformat.NotebookNode, name: str, parameters: dict[str, Any]
) -> None:
    """InputError for a parameter that the notebook does not declare, or of another type."""
    known = declared(notebook, name)
    for key, value in parameters.items():
        if key not in known:
            raise InputError(f"parameter of {name}", key, "one of " + ", ".join(known))
        default = known[key]
        if default is not None and value is not None and type(value) is not type(default):
            raise InputError(f"{key} in {name}", value, f"the type of its default {default!r}")


def small_pictures(notebook: nbformat.NotebookNode) -> None:
    """Give the figures among the outputs fewer colours, since a notebook is stored with them."""
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
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and (suffixes is None or path.suffix in suffixes)
        ):
            yield path.relative_to(folder).as_posix().encode()
            yield path.read_bytes()


def fewer_colours(png: bytes) -> bytes:
    """The same picture with a palette of 256 colours, if it has none yet and gets smaller.

    A colour moves by at most a few of its 255 steps: a palette chosen for coverage keeps the rare
    hue of a thin line.
    """
    from PIL import Image, PngImagePlugin

    image = Image.open(io.BytesIO(png))
    if image.mode not in ("RGB", "RGBA") or (
        image.mode == "RGBA" and image.getextrema()[3] != (255, 255)
    ):
        return png
    words = PngImagePlugin.PngInfo()
    for key, value in image.text.items():
        words.add_text(key, value)
    small = io.BytesIO()
    few = image.convert("RGB").quantize(
        256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
    )
    few.save(small, "PNG", optimize=True, pnginfo=words, dpi=image.info.get("dpi"))
    return min(small.getvalue(), png, key=len)
