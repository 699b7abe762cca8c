"""Execute notebooks with papermill, each only when something that it depends on has changed.

papermill writes its output from the start of a run.  An output is therefore finished only when it
records an end and no failed cell.  Then it gets its final name, and a fingerprint of what it was
made from.
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
    return digest([own, *_contents(PACKAGE, (".py",)), *_contents(root / "results")])


def finished(path: Path, expected: str | None = None) -> bool:
    """Whether papermill ran ``path`` without an error, with the ``expected`` fingerprint if one is
    given.
    """
    try:
        record = read_notebook(path).metadata.get("papermill", {})
    except Exception:  # it is missing, truncated, or not a notebook
        return False
    ended = bool(record.get("end_time")) and not record.get("exception")
    return ended and (expected is None or record.get("fingerprint") == expected)


def execute(root: Path, source: Path, target: Path, parameters: dict[str, Any]) -> str:
    """Run one notebook into ``target``; returns why it failed, or "".  A failed copy is kept."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    # the kernel's debugger would print a warning
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    partial = target.with_name(f".{target.stem}.partial.ipynb")
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    made_from = fingerprint(root, read_notebook(source), parameters)
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
    notebook.metadata.papermill["fingerprint"] = made_from
    shrink_pictures(notebook)
    write_notebook(partial, notebook)
    os.replace(partial, target)
    failed.unlink(missing_ok=True)
    return ""


def read_notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def write_notebook(path: Path, notebook: nbformat.NotebookNode) -> None:
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n", durable=False)


def declared_parameters(notebook: nbformat.NotebookNode, name: str) -> dict[str, Any]:
    """The names assigned in the parameters cell, with their values (None if not a literal);
    InputError for a notebook, called ``name``, without such a cell.
    """
    tagged = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    cell = next(tagged, None)
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
    known = declared_parameters(notebook, name)
    for key, value in parameters.items():
        if key not in known:
            raise InputError(f"parameter of {name}", key, "one of " + ", ".join(known))
        default = known[key]
        if default is not None and value is not None and type(value) is not type(default):
            raise InputError(f"{key} in {name}", value, f"the type of its default {default!r}")


def shrink_pictures(notebook: nbformat.NotebookNode) -> None:
    """Reduce the colours of the figures among the outputs, which are stored in the notebook."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                png = reduce_colours(base64.b64decode(output.data["image/png"]))
                output.data["image/png"] = base64.b64encode(png).decode()


def digest(parts: Iterable[bytes]) -> str:
    """A checksum of byte strings that depends on where each of them ends."""
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def _contents(folder: Path, suffixes: tuple[str, ...] | None = None) -> Iterable[bytes]:
    """Names and contents of the files below ``folder``, in order."""
    for path in sorted(folder.rglob("*")):
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and (suffixes is None or path.suffix in suffixes)
        ):
            yield path.relative_to(folder).as_posix().encode()
            yield path.read_bytes()


def reduce_colours(png: bytes) -> bytes:
    """The same picture with a palette of 256 colours, if it has none yet and gets smaller.

    A colour changes by at most a few of its 255 steps, since a palette that is chosen for coverage
    keeps the rare hue of a thin line.
    """
    from PIL import Image, PngImagePlugin

    image = Image.open(io.BytesIO(png))
    if image.mode not in ("RGB", "RGBA") or (
        image.mode == "RGBA" and image.getextrema()[3] != (255, 255)
    ):
        return png
    texts = PngImagePlugin.PngInfo()
    for key, value in image.text.items():
        texts.add_text(key, value)
    written = io.BytesIO()
    reduced = image.convert("RGB").quantize(
        256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
    )
    reduced.save(written, "PNG", optimize=True, pnginfo=texts, dpi=image.info.get("dpi"))
    return min(written.getvalue(), png, key=len)
