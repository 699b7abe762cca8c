"""The notebooks of the book, executed into ``build/`` when what they depend on has changed."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
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


def run(
    root: Path, name: str, parameters: dict[str, Any], only: Sequence[str] = (), jobs: int = 1
) -> int:
    """Execute the book's notebooks into build/<name>/notebooks, ``jobs`` at a time; returns the
    number that failed.
    """
    chosen = select(root, only)
    for path in chosen:
        check_parameters(read_notebook(path), path.name, parameters)
    folder = root / "build" / name / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for path in chosen:
        if finished(folder / path.name, fingerprint(root, read_notebook(path), parameters)):
            print(f"{path.name}: done before, nothing has changed", flush=True)
        else:
            changed.append(path)
    if changed:
        print(f"{len(changed)} notebooks to run, {min(jobs, len(changed))} at a time", flush=True)
    failures = 0
    # processes of their own: Ctrl-C reaches each of them, and a kernel is stopped by its client
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        runs = [pool.submit(_run, root, path, folder / path.name, parameters) for path in changed]
        try:
            for done in as_completed(runs):
                line, failed = done.result()
                print(line, flush=True)
                failures += failed
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return failures


def _run(root: Path, source: Path, target: Path, parameters: dict[str, Any]) -> tuple[str, bool]:
    """What to print of a notebook that has ended, and whether it failed."""
    start = time.monotonic()
    try:
        reason = execute(root, source, target, parameters)
    except KeyboardInterrupt:
        reason = f"{source.name}: stopped"
    return reason or f"{source.name}: {time.monotonic() - start:.0f} s", bool(reason)


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
