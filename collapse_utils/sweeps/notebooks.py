"""Every chain as an executed notebook: the section's page, with one seed and one regime, trained as it runs.

    <run>.ipynb          the record: published by one rename, only when every cell has run
    <run>.failed.ipynb   what a failed execution leaves instead, with its error in place

The notebook runs its chain in the run directory beside it, so that a record costs a bare chain and a few figures, and a
chain that was run before is shown and not run again.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from .. import sections
from ..durable.leases import Lease
from ..durable.signals import listen, stopped
from ..errors import InputError, RunError
from ..paths import SOURCE_TREE, book_root
from .jobs import Job


def _tools() -> None:
    """InputError unless what executes a notebook is installed."""
    try:
        import ipykernel  # noqa: F401
        import papermill  # noqa: F401
    except ImportError as missing:
        raise InputError("--notebook", missing.name, "papermill and ipykernel: pip install 'collapse_utils[book]'") from None


def find(names: list[str], given: str) -> dict[str, Path]:
    """The notebook of every section: the file that was given, or the book's page; InputError if there is none."""
    _tools()
    if given:
        path = Path(given).resolve()
        if not path.is_file():
            raise InputError("--notebook", given, "a notebook, or nothing for the section's page of the book")
        return dict.fromkeys(names, path)
    root = book_root()
    pages = {path.stem.partition("_")[2]: path for path in sorted(root.glob("notebooks/*.ipynb"))} if root else {}
    for name in names:
        if name not in pages:
            there = ", ".join(page for page in pages if page in sections.NAMES)
            allowed = f"a section with a page: {there}" if there else "a call from the book's source tree, or a file"
            raise InputError("--notebook", name, f"{allowed} (or --notebook FILE)")
    return {name: pages[name] for name in names}


def record(job: Job) -> Path:
    """Where the record of a job is published."""
    return job.run_dir.with_name(job.run_dir.name + ".ipynb")


def failed_record(job: Job) -> Path:
    return job.run_dir.with_name(job.run_dir.name + ".failed.ipynb")


def done(job: Job) -> bool:
    """Whether the chain is finished and the record of it is whole."""
    from .execute import finished

    return (job.run_dir / "DONE").exists() and finished(record(job))


def parameters(job: Job) -> dict:
    """What the notebook is told; InputError if it declares no such parameter."""
    from .execute import check_parameters, declared, read_notebook

    assert job.notebook is not None
    try:
        notebook = read_notebook(job.notebook)
    except Exception as problem:  # nbformat raises what it likes for a file that is no notebook
        raise InputError("--notebook", str(job.notebook), f"a notebook ({type(problem).__name__})") from None
    told = {
        "preset": job.preset,
        "seeds": [job.seed],
        "regimes": [job.regime],
        "recompute": True,
        "runs": str(job.out.resolve()),
    }
    if job.data != sections.DEFAULT:
        told["data"] = str(Path(job.data).resolve()) if Path(job.data).exists() else job.data
    if job.assignments or "variants" in declared(notebook, job.notebook.name):
        told["variants"] = list(job.assignments)
    check_parameters(notebook, job.notebook.name, told)
    return told


def command(job: Job) -> list[str]:
    words = [sys.executable, "-m", "collapse_utils.sweeps.notebooks", str(job.notebook), str(record(job).resolve())]
    return [*words, json.dumps(parameters(job))]


def execute(source: Path, target: Path, told: dict) -> bool:
    """Execute ``source`` into ``target``; False if it failed, with one line that says why and the copy kept beside it."""
    from . import execute as papermill_run

    root = next((folder for folder in source.parents if (folder / "_toc.yml").is_file()), SOURCE_TREE)
    partial = target.with_name(f".{target.stem}.partial.ipynb")
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a debugger's warning, of no use in a log
    with Lease(target.with_name(f".record-{target.stem}"), wait=True):
        if papermill_run.finished(target) and (target.with_suffix("") / "DONE").exists():
            return True  # made by another process while we waited
        told_us = io.StringIO()
        try:
            with contextlib.redirect_stdout(told_us):
                good = papermill_run.execute(root, source, target, told)
            words = told_us.getvalue().strip()
        except Exception as problem:  # a kernel that died has run no handler of ours: keep what it has left
            if partial.exists():
                os.replace(partial, failed)
            good, words = False, f"{source.name}: {type(problem).__name__}: {problem}".replace("\n", " ")
        if not good:
            print(f"error: {words}", file=sys.stderr)
        return good


def main(arguments: list[str]) -> int:
    source, target, told = arguments
    listen()
    try:
        return 0 if execute(Path(source), Path(target), json.loads(told)) else 1
    except (InputError, RunError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        return stopped(interrupt)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
