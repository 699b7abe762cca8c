"""The notebooks of the book, executed into ``build/`` when what they depend on has changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collapse_utils.sweeps.execute import (
    check_parameters,
    execute,
    fingerprint,
    finished,
    read_notebook,
    write_notebook,
)

from .contents import select


def run(root: Path, name: str, parameters: dict[str, Any], only: Sequence[str] = ()) -> int:
    """Execute the book's notebooks into build/<name>/notebooks; returns the number that failed."""
    chosen = select(root, only)
    for path in chosen:
        check_parameters(read_notebook(path), path.name, parameters)
    folder = root / "build" / name / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    failures = 0
    for path in chosen:
        target = folder / path.name
        if finished(target, fingerprint(root, read_notebook(path), parameters)):
            print(f"{path.name}: done before, nothing has changed", flush=True)
            continue
        print(f"{path.name}: running", flush=True)
        if reason := execute(root, path, target, parameters):
            print(reason, flush=True)
            failures += 1
    return failures


def prepare(root: Path, name: str, parameters: dict[str, Any], only: Sequence[str] = ()) -> Path:
    """Copies of the committed notebooks, outputs kept, with other parameters."""
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    folder = root / "build" / name / "committed"
    folder.mkdir(parents=True, exist_ok=True)
    for path in select(root, only):
        notebook = load_notebook_node(str(path))
        check_parameters(notebook, path.name, parameters)
        notebook = parameterize_notebook(
            notebook, parameters, kernel_name="python3", language="python"
        )
        write_notebook(folder / path.name, notebook)
    return folder
