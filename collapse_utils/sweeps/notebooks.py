"""Every chain as an executed notebook: the section's page with one seed and one regime, which
trains while it runs.

    <run>.ipynb          the executed notebook, renamed to this only when every cell has run
    <run>.failed.ipynb   the copy that a failed execution leaves, with the error in its cell

The notebook runs its chain in the run directory beside it.  It therefore costs little more than the
chain alone, and a chain that was run before is shown and not run again.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .. import sections
from ..durable.code import SOURCE_TREE
from ..durable.exits import exit_status
from ..durable.leases import Lease
from ..durable.signals import install_handlers
from ..errors import InputError, RunError
from . import execute as execution
from .jobs import Job


def _check_installed() -> None:
    """InputError unless the packages that execute a notebook are installed."""
    try:
        import ipykernel  # noqa: F401
        import papermill  # noqa: F401
    except ImportError as missing:
        raise InputError(
            "--notebook",
            missing.name,
            "papermill and ipykernel: pip install 'collapse_utils[book]'",
        ) from None


def book_root() -> Path | None:
    """The folder of the book's sources: the current one, or the package's source tree, or None."""
    return next((root for root in (Path.cwd(), SOURCE_TREE) if (root / "_toc.yml").is_file()), None)


def find(names: list[str], given: str) -> dict[str, Path]:
    """Section -> its notebook: the file ``given``, or the book's page; InputError without one."""
    _check_installed()
    if given:
        path = Path(given).resolve()
        if not path.is_file():
            raise InputError(
                "--notebook", given, "a notebook, or nothing for the section's page of the book"
            )
        return dict.fromkeys(names, path)
    root = book_root()
    paths = sorted(root.glob("notebooks/*.ipynb")) if root else []
    pages = {path.stem.partition("_")[2]: path for path in paths}
    for name in names:
        if name not in pages:
            listed = ", ".join(page for page in pages if page in sections.NAMES)
            allowed = (
                f"a section with a page: {listed}"
                if listed
                else "a call from the book's source tree, or a file"
            )
            raise InputError("--notebook", name, f"{allowed} (or --notebook FILE)")
    return {name: pages[name] for name in names}


@dataclass(frozen=True)
class NotebookJob(Job):
    """A job that executes a notebook, which runs the chain in the run directory beside the executed
    copy.
    """

    notebook: Path = Path()

    @classmethod
    def of(cls, job: Job, notebook: Path) -> NotebookJob:
        return cls(**vars(job), notebook=notebook)

    @property
    def executed(self) -> Path:
        """The executed notebook."""
        return self.run_dir.with_name(self.run_dir.name + ".ipynb")

    @property
    def failed(self) -> Path:
        """The notebook after a failed execution."""
        return self.run_dir.with_name(self.run_dir.name + ".failed.ipynb")

    @property
    def log(self) -> Path:
        """What the notebook's process prints; the chain that it runs has a log of its own."""
        return self.run_dir.with_name(self.run_dir.name + ".notebook.log")

    def command(self) -> list[str]:
        module = "collapse_utils.sweeps.notebooks"
        files = [str(self.notebook), str(self.executed.resolve())]
        return [sys.executable, "-m", module, *files, json.dumps(parameters(self))]

    def done(self) -> bool:
        """Whether the chain is finished and its notebook has run to its end."""
        return super().done() and execution.finished(self.executed)

    def outputs(self) -> list[Path]:
        return [
            *super().outputs(),
            *(path for path in (self.executed, self.failed) if path.exists()),
        ]


def parameters(job: NotebookJob) -> dict:
    """The notebook's parameters for this chain; InputError if it declares no such parameter."""
    try:
        notebook = execution.read_notebook(job.notebook)
    except Exception as problem:  # nbformat raises many kinds for a file that is no notebook
        raise InputError(
            "--notebook", str(job.notebook), f"a notebook ({type(problem).__name__})"
        ) from None
    values = {
        "preset": job.preset,
        "seeds": [job.seed],
        "regimes": [job.regime],
        "recompute": True,
        "runs": str(job.out.resolve()),
    }
    if job.data != sections.DEFAULT:
        values["data"] = str(Path(job.data).resolve()) if Path(job.data).exists() else job.data
    options = {
        "variants": ("--set or --vary", list(job.assignments)),
        "arguments": ("--arg", list(job.arguments)),
        "allow_changed_code": ("--allow-changed-code", job.allow_changed_code),
    }
    known = execution.declared_parameters(notebook, job.notebook.name)
    values |= {name: value for name, (_, value) in options.items() if name in known}
    execution.check_parameters(notebook, job.notebook.name, values)
    for name, (option, value) in options.items():
        if value and name not in known:
            allowed = f"a notebook with a parameter {name}, which {job.notebook.name} does not have"
            raise InputError(option, value, allowed)
    return values


def execute(source: Path, target: Path, values: dict) -> str:
    """Execute ``source`` into ``target``; returns why it failed, or "".  A failed copy is kept
    beside ``target``.
    """
    root = next(
        (folder for folder in source.parents if (folder / "_toc.yml").is_file()), SOURCE_TREE
    )
    with Lease(target.with_name(f".record-{target.stem}"), wait=True):
        if execution.finished(target) and (target.with_suffix("") / "DONE").exists():
            return ""  # made by another process while we waited
        try:
            return execution.execute(root, source, target, values)
        except Exception as problem:  # such as a kernel that died: keep what it has left
            partial = target.with_name(f".{target.stem}.partial.ipynb")
            if partial.exists():
                os.replace(partial, target.with_name(f"{target.stem}.failed.ipynb"))
            return f"{source.name}: {type(problem).__name__}: {problem}".replace("\n", " ")


def main(arguments: list[str]) -> int:
    source, target, values = arguments
    install_handlers()

    def work() -> int:
        if reason := execute(Path(source), Path(target), json.loads(values)):
            raise RunError(reason)
        return 0

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
