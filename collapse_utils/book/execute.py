"""Execute the notebooks with papermill, each only when something it depends on has changed.

papermill writes its output from the start of a run, so an output counts as done when it says when it ended and that no
cell failed.  It gets its final name only then, together with a fingerprint of what it was made from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from .notebooks import check_parameters, digest, read_notebook, select, small_pictures, tree, write_notebook

PACKAGE = Path(__file__).resolve().parent.parent


def fingerprint(root: Path, notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> str:
    """What an execution depends on: the cells, the parameters, the package's source, the committed results."""
    cells = [[cell.cell_type, cell.source, cell.metadata.get("tags", [])] for cell in notebook.cells]
    own = json.dumps([cells, parameters], sort_keys=True).encode()
    return digest([own, *tree(PACKAGE, (".py",)), *tree(root / "results")])


def finished(path: Path, mark: str | None = None) -> bool:
    """Whether ``path`` is a notebook that papermill ran to its end without an error (of this fingerprint, if given)."""
    try:
        record = read_notebook(path).metadata.get("papermill", {})
    except Exception:  # missing, cut short, or not a notebook: whatever it is, it is not done
        return False
    ended = bool(record.get("end_time")) and not record.get("exception")
    return ended and (mark is None or record.get("fingerprint") == mark)


def execute(root: Path, source: Path, target: Path, parameters: dict[str, Any]) -> bool:
    """Run one notebook into ``target``; False if a cell failed (the copy with the error is kept beside it)."""
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
        )
    except PapermillExecutionError as error:
        os.replace(partial, failed)
        print(f"{source.name}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; see {failed}")
        return False
    notebook = read_notebook(partial)
    notebook.metadata.papermill["fingerprint"] = mark
    small_pictures(notebook)
    write_notebook(partial, notebook)
    os.replace(partial, target)
    failed.unlink(missing_ok=True)
    return True


def run(root: Path, name: str, parameters: dict[str, Any], only: Sequence[str] = ()) -> int:
    """Execute the book's notebooks into build/<name>/notebooks; returns the number that failed."""
    chosen = select(root, only)
    for path in chosen:
        check_parameters(read_notebook(path), path.name, parameters)
    folder = root / "build" / name / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a debugger's warning, of no use in a record
    failures = 0
    for path in chosen:
        target = folder / path.name
        if finished(target, fingerprint(root, read_notebook(path), parameters)):
            print(f"{path.name}: done before, nothing has changed", flush=True)
            continue
        print(f"{path.name}: running", flush=True)
        failures += not execute(root, path, target, parameters)
    return failures


def prepare(root: Path, name: str, parameters: dict[str, Any], only: Sequence[str] = ()) -> Path:
    """Copies of the committed notebooks, outputs kept, with other parameters: a fresh run is compared with them."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    folder = root / "build" / name / "committed"
    folder.mkdir(parents=True, exist_ok=True)
    for path in select(root, only):
        notebook = load_notebook_node(str(path))
        check_parameters(notebook, path.name, parameters)
        notebook = parameterize_notebook(notebook, parameters, kernel_name="python3", language="python")
        write_notebook(folder / path.name, notebook)
    return folder
