"""Two stores of a chain's models, blocks and metrics: a run directory on disk, and memory.

A store makes each model, block and record of metrics once, and afterwards returns what it has.
Anything lost or damaged on the disk is named on stderr and made again, by the function that the
caller passes.

The first fit and the first block that it samples depend on the seed but not on the regime.  Both
are made once, in a folder that all chains of one experiment share, also between processes, and
linked into each run directory.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from .. import data, regimes
from ..errors import RunError
from ..presets import Config
from ..regimes import Block
from . import files, provenance, run_dir
from .checkpoints import Checkpoint, Divide, Pieces, at_once, in_order
from .leases import Lease
from .metrics import (
    checked,
    is_intact,
    preview_damage,
    read_metrics,
    record_path,
    records,
    repair,
    write_metrics,
)
from .resume import check_run, code_changes, record_changed_code

Fit = Callable[[Checkpoint], Any]
Sample = Callable[..., data.Data]  # (model, kept) -> items; kept resumes a sampler, see Pieces


class Store(Protocol):
    """The methods of a store that the chain calls."""

    def model(self, t: int, fit: Fit) -> Any: ...

    def has(self, block: Block) -> bool: ...

    def block(self, block: Block, model: Callable[[], Any], sample: Sample) -> data.Data: ...

    def metrics(
        self, t: int, evaluate: Callable[[], dict], preview: Callable[[Path], None] | None
    ) -> None: ...


class InMemory:
    """A store in memory, for small models and tests.  ``results``: t -> {metric: value}."""

    def __init__(self, config: Config):
        self.config = config
        self.results: dict[int, dict[str, float]] = {}
        self._models: dict[int, Any] = {}
        self._blocks: dict[Block, data.Data] = {}
        self._scratch = tempfile.TemporaryDirectory()

    def _checkpoint(self, t: int) -> Checkpoint:
        return Checkpoint(Path(self._scratch.name) / f"iteration-{t}", every_s=float("inf"))

    def model(self, t: int, fit: Fit) -> Any:
        if t not in self._models:
            self._models[t] = fit(self._checkpoint(t))
        return self._models[t]

    def has(self, block: Block) -> bool:
        return block in self._blocks

    def block(self, block: Block, model: Callable[[], Any], sample: Sample) -> data.Data:
        if block not in self._blocks:
            self._blocks[block] = sample(model(), at_once)
        return self._blocks[block]

    def metrics(
        self, t: int, evaluate: Callable[[], dict], preview: Callable[[Path], None] | None
    ) -> None:
        metrics = evaluate()
        diverged = self._checkpoint(t).diverged() if self.config.diverged == "record" else None
        self.results[t] = checked(metrics, diverged)


class RunDirectory:
    """The store in a run directory, whose lease this process holds.

    Parameters
    ----------
    path, shared : the run directory; the folder of first fits and first blocks, by default
        ``.shared`` beside it.
    description : the content of ``config.json``.
    report : called with the state of the run (iteration, phase, step, steps, ...), at most twice a
        second.
    checkpoint_s : seconds of work that a fit, or a resumable sampler, may lose.
    divide : makes the pieces of a resumable sampler, see :class:`~.checkpoints.Pieces`.
    """

    def __init__(
        self,
        path: Path,
        shared: str | Path | None,
        lease: Lease,
        description: dict,
        config: Config,
        report: Callable[[dict], None],
        checkpoint_s: float,
        divide: Divide = in_order,
    ):
        self.path, self.lease, self.config, self.regime = path, lease, config, description["regime"]
        self.n = description["data"]["train_items"]
        self.checkpoint_s, self.divide = checkpoint_s, divide
        self.shared_fit, self.shared_block = run_dir.shared_folders(
            Path(shared or path.parent / ".shared"), description, config.SAMPLING_FIELDS
        )
        # only the last one, because all of them may not fit into memory
        self._model: tuple[int, Any] = (0, None)
        self._report, self._reported = report, 0.0
        repair(path, finished=(path / "DONE").exists())
        self._recorded_s = sum(record["seconds"] for record in records(path).values())
        self._intact: set[Block] = set()  # blocks that this process has checked
        self._before_s, self._started = self._recorded_s, time.monotonic()

    # Progress and time

    def wall_s(self) -> float:
        """Seconds of work in this run, including earlier processes' on recorded iterations."""
        return self._before_s + time.monotonic() - self._started

    def _show(
        self, t: int, phase: str, step: int = 0, steps: int = 0, numbers: dict | None = None
    ) -> None:
        """Show progress to the caller, and in ``progress.json`` to other processes."""
        now = time.monotonic()
        if step not in (0, steps) and now - self._reported < 0.5:
            return
        self._reported = now
        state = {
            "iteration": t,
            "iterations": self.config.iterations,
            "phase": phase,
            "step": step,
            "steps": steps,
            "seconds": round(self.wall_s(), 1),
            **(numbers or {}),
        }
        # a full disk must not stop a run only because its progress cannot be shown
        with contextlib.suppress(OSError, RunError):
            files.write_json(
                self.path / "progress.json", state, durable=False, guard=self.lease.check
            )
        self._report(state)

    # Models

    def _checkpoint(self, t: int, folder: Path, lease: Lease) -> Checkpoint:
        def report(step: int, steps: int, numbers: dict) -> None:
            self._show(t, "fitting", step, steps, numbers)

        return Checkpoint(folder, every_s=self.checkpoint_s, guard=lease.check, report=report)

    def model(self, t: int, fit: Fit) -> Any:
        """The model of iteration t: from memory, or else trained or read back by ``fit``."""
        if self._model[0] != t:
            self._model = (0, None)  # free its memory first
            self._model = (t, self._fit(t, fit))
        return self._model[1]

    def _fit(self, t: int, fit: Fit) -> Any:
        own = self._checkpoint(t, run_dir.iteration_dir(self.path, t), self.lease)
        record_changed_code(self.path, t, self.lease.check)
        self._show(t, "fitting")
        if t > 1:
            return fit(own)
        with self._shared_lease() as lease:
            shared = self._checkpoint(1, self.shared_fit / "fit", lease)
            # the shared folder was cleared, but this run has its copy of the fit
            if shared.newest() is None and own.newest() is not None:
                return fit(own)
            files.remove_leftovers(self.shared_fit)
            model = fit(shared)
            if newest := shared.newest():
                files.copy_folder(newest, own.folder / newest.name, self.lease.check)
        return model

    def _shared_lease(self) -> Lease:
        def on_wait(owner: str) -> None:
            self._show(1, f"waiting for the first fit by {owner}")

        return Lease(self.shared_fit, wait=True, on_wait=on_wait)

    # Blocks

    def has(self, block: Block) -> bool:
        return run_dir.block_dir(self.path, block).is_dir()

    def block(self, block: Block, model: Callable[[], Any], sample: Sample) -> data.Data:
        """The items of a block: from the disk if it is intact, else sampled from its model."""
        folder = run_dir.block_dir(self.path, block)
        if block not in self._intact and (problem := files.damage(folder)):
            if folder.exists():
                files.warn(
                    f"{problem}; sampled again from the model of iteration {block.generation}"
                )
                self.lease.check()
                files.remove_folder(folder)
            # the record is written after sampling
            elif record_path(self.path, block.generation).exists():
                files.warn(f"{folder}: is missing; sampled again")
            # before _first_block takes the shared lease, which the first fit takes too
            fitted = model()
            self._show(block.generation, "sampling")
            if block == Block(1, 0):
                self._first_block(folder, fitted, sample)
            else:
                self._write_block(folder, fitted, sample, self.lease)
        self._intact.add(block)
        return data.load(folder)

    def _first_block(self, folder: Path, fitted: Any, sample: Sample) -> None:
        with self._shared_lease() as lease:
            if problem := files.damage(self.shared_block):
                if self.shared_block.exists():
                    files.warn(f"{problem}; sampled again")
                files.remove_folder(self.shared_block)
                self._write_block(self.shared_block, fitted, sample, lease)
            files.remove_folder(_pieces_dir(self.shared_block))
        files.copy_folder(self.shared_block, folder, self.lease.check)

    def _write_block(self, folder: Path, fitted: Any, sample: Sample, lease: Lease) -> None:
        pieces = Pieces(
            _pieces_dir(folder), every_s=self.checkpoint_s, guard=lease.check, divide=self.divide
        )
        try:
            items = sample(fitted, pieces)
        except KeyboardInterrupt:
            pieces.save()
            raise
        with files.new_folder(folder, lease.check) as temporary:
            data.save(items, temporary)
        pieces.remove()

    # Metrics

    def metrics(
        self, t: int, evaluate: Callable[[], dict], preview: Callable[[Path], None] | None
    ) -> None:
        """Evaluate the model of iteration t and record its metrics, unless they are recorded."""
        if record_path(self.path, t).exists():
            if preview is not None and (problem := preview_damage(self.path, t)):
                files.warn(f"{problem}; the preview is made again")
                self._preview(t, preview)
            return
        folder = run_dir.iteration_dir(self.path, t)
        self._show(t, "evaluating")
        metrics = evaluate()
        diverged = Checkpoint(folder).diverged() if self.config.diverged == "record" else None
        metrics = checked(metrics, diverged)
        if preview is not None:
            self._preview(t, preview)
        folder.mkdir(parents=True, exist_ok=True)
        seconds = self.wall_s() - self._recorded_s
        record = {
            "metrics": metrics,
            "training_items": self.n * regimes.training_size(self.regime, t),
            "seconds": seconds,
            "preview": preview is not None,
        }
        files.write_checked(record_path(self.path, t), record, guard=self.lease.check)
        self._recorded_s += seconds
        self._write_csv()

    def _preview(self, t: int, preview: Callable[[Path], None]) -> None:
        """Save a few samples for readers."""
        folder = run_dir.iteration_dir(self.path, t) / "preview"
        record_changed_code(self.path, t, self.lease.check)
        self.lease.check()
        files.remove_folder(folder)
        with files.new_folder(folder, self.lease.check) as temporary:
            preview(temporary)

    def _write_csv(self) -> list[dict]:
        rows = read_metrics(self.path)
        write_metrics(rows, self.path / "metrics.csv", self.lease.check)
        return rows

    def finish(self, notes: dict | None) -> list[dict]:
        """Clean up, write ``DONE`` with the provenance, and return the rows of metrics."""
        if notes is not None:
            notes = _json_notes(notes)
        # an earlier process may have been killed after a record and before the table ...
        rows = self._write_csv()
        # ... or after a block and before the removal of its pieces
        for leftover in self.path.glob("generation-*/pieces-of-*"):
            files.remove_folder(leftover)
        self._show(self.config.iterations, "done")
        if not (self.path / "DONE").exists():  # it exists if a finished run was repaired
            record = provenance.collect(self.config.threads, wall_s=self.wall_s())
            if notes is not None:
                record["notes"] = notes
            if changes := code_changes(self.path):
                record["changed_code"] = changes
            files.write_checked(self.path / "DONE", record, guard=self.lease.check)
        return rows


def _json_notes(notes: Any) -> Any:
    """A section's ``notes`` as they will be read from JSON, for the checksum to match.

    NumPy numbers become Python numbers, and keys become text.
    """
    try:
        return json.loads(json.dumps(notes, default=lambda value: value.item()))
    except (AttributeError, TypeError, ValueError) as problem:
        raise RunError(f"notes: returned a value that JSON cannot hold ({problem})") from None


def _pieces_dir(block_dir: Path) -> Path:
    return block_dir.with_name(f"pieces-of-{block_dir.name}")


def finished_rows(path: Path, description: dict) -> list[dict] | None:
    """The metrics of a finished run whose results are intact; None if there is work to do.

    Raises InputError if ``path`` holds another run than ``description``.  A finished run may have
    been made by other code, because its results are only read.
    """
    if not (path / "DONE").exists():
        return None
    check_run(path, description)
    return read_metrics(path) if is_intact(path) else None
