"""The model-fitting chain: the one loop that every section runs.

Iteration t = 1..N fits a freshly initialised model, measures it on real held-out data, and samples a synthetic
generation; the regime chooses what iteration t + 1 trains on.  A section gives the loop four methods:

    real_data()                  -> (train, test), two data sets of one kind (see ``data.py``)
    fit(data, seed, checkpoint)  -> a model, freshly initialised and trained on ``data``
    sample(model, size, seed)    -> ``size`` synthetic items of the same kind as ``train``
    evaluate(model, real_test)   -> {metric name: value}

and may give more: ``preview(data, folder)`` writes a few samples for people to look at, ``notes()`` returns what the
provenance should say of the data (a JSON-able dict), and a ``sample`` with a fourth parameter ``kept`` is resumed in the
middle of a generation (see :class:`~collapse_utils.checkpoints.Pieces`).

What is damaged on the disk is named on stderr and made again from what is whole: a generation is sampled again from the
weights of its model, an iteration is measured again, a fit goes on from the state before; all to the same last bit.

The first fit depends on the seed and not on the regime, and the first block that it samples does not either: both are
made once in a folder that chains of one experiment share, also between processes, and linked into each run directory.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import data, regimes, seeds
from .description import Chain, describe_run
from .durable import files, provenance
from .durable.checkpoints import Checkpoint, Pieces
from .durable.leases import Lease
from .durable.metrics import COLUMNS, checked, read_metrics, record_path, records, repair, whole, write_metrics
from .durable.run_dir import check_run, fingerprint, writing
from .errors import RunError
from .training import memory

__all__ = ["COLUMNS", "Chain", "Section", "describe_run", "read_metrics", "run_chain", "write_metrics"]

PREVIEW_ITEMS = 32  # how many items the last model samples, which no model trains on, to be looked at


class Section(Protocol):
    """What a generative model brings to the chain."""

    def real_data(self) -> tuple[data.Data, data.Data]: ...

    def fit(self, training_data: Any, seed: int, checkpoint: Checkpoint) -> Any: ...

    def sample(self, model: Any, size: int, seed: int) -> data.Data: ...

    def evaluate(self, model: Any, real_test: data.Data) -> dict[str, float]: ...


Report = Callable[[dict], None]


def run_chain(
    section: Section,
    chain: Chain,
    run_dir: str | Path,
    *,
    shared: str | Path | None = None,
    report: Report = lambda state: None,
    checkpoint_s: float = 60.0,
) -> list[dict]:
    """Run ``chain`` in ``run_dir`` to its end, from wherever it stands, and return its metrics.

    Parameters
    ----------
    section : the four methods.
    run_dir : a new folder, or one in which the same chain was begun.
    shared : folder of the first fits and first generations; by default ``.shared`` beside ``run_dir``.
    report : called with the state of the run (iteration, phase, step, steps, ...), at most twice a second.
    checkpoint_s : seconds of work that a fit, or a sampler that keeps its pieces, may lose.

    Returns
    -------
    Rows with the keys ``COLUMNS``; the same as ``metrics.csv``.

    Raises
    ------
    InputError : ``run_dir`` holds another run, or cannot be written.
    RunError : another process is writing there, or the section broke its contract (named).
    """
    run_dir = Path(run_dir)
    check_methods(section)
    real_train, real_test = section.real_data()
    description = describe_run(chain, real_train, real_test)
    if (run_dir / "DONE").exists():
        check_run(run_dir, description)
        if whole(run_dir):
            return read_metrics(run_dir)
    with writing(run_dir, description) as lease:
        shared_dir = Path(shared) if shared is not None else run_dir.parent / ".shared"
        state = _State(section, chain, run_dir, shared_dir, lease, description, report, checkpoint_s)
        rows = state.run(real_train, real_test)
        if not (run_dir / "DONE").exists():  # it does where a finished run was damaged and has been repaired
            record = provenance.collect(chain.config.threads, wall_s=state.wall_s())
            if hasattr(section, "notes"):
                record["notes"] = section.notes()
            lease.check()
            files.write_json(run_dir / "DONE", record)
    return rows


class _State:
    """One run in progress: where its files are and how far it has come."""

    def __init__(
        self,
        section: Section,
        chain: Chain,
        run_dir: Path,
        shared: Path,
        lease: Lease,
        description: dict,
        report: Report,
        checkpoint_s: float,
    ):
        self.section, self.chain, self.run_dir, self.lease = section, chain, run_dir, lease
        self.checkpoint_s = checkpoint_s
        # What the first fit depends on: everything but the regime, the number of iterations and the sampling.
        config = {name: value for name, value in description["config"].items() if name != "iterations"}
        sampling = {name: config.pop(name) for name in chain.config.SAMPLING_FIELDS}
        parts = {"config": config, **{key: description[key] for key in ("section", "seed", "data", "package_version")}}
        first_fit = f"{chain.section}-seed{chain.seed}-{fingerprint(parts)}"
        self.shared_fit = shared / first_fit
        self.shared_block = shared / first_fit / f"block-{fingerprint(sampling)}"
        self._report, self._reported = report, 0.0
        self._before, self._started = 0.0, time.monotonic()

    # Progress and time

    def wall_s(self) -> float:
        """Seconds of work in this run so far, those of earlier processes on finished iterations included."""
        return self._before + time.monotonic() - self._started

    def tell(self, iteration: int, phase: str, step: int = 0, steps: int = 0, figures: dict | None = None) -> None:
        """Show progress: to the caller, and in ``progress.json`` for other processes."""
        now = time.monotonic()
        if step not in (0, steps) and now - self._reported < 0.5:
            return
        self._reported = now
        state = {
            "iteration": iteration,
            "iterations": self.chain.config.iterations,
            "phase": phase,
            "step": step,
            "steps": steps,
            "seconds": round(self.wall_s(), 1),
            **(figures or {}),
        }
        with contextlib.suppress(OSError, RunError):  # a full disk must not stop a run for the sake of its progress bar
            self.lease.check()
            files.write_json(self.run_dir / "progress.json", state, durable=False)
        self._report(state)

    # Places

    def iteration_dir(self, iteration: int) -> Path:
        return self.run_dir / f"iteration-{iteration:02d}"

    def block_dir(self, generation: int, block: int) -> Path:
        return self.run_dir / f"generation-{generation:02d}" / f"block-{block:02d}"

    def measured(self, iteration: int) -> bool:
        return record_path(self.run_dir, iteration).exists()

    # The loop

    def run(self, real_train: data.Data, real_test: data.Data) -> list[dict]:
        last = self.chain.config.iterations
        repair(self.run_dir, finished=(self.run_dir / "DONE").exists())
        self._before = sum(record["seconds"] for record in records(self.run_dir).values())
        for iteration in range(1, last + 1):
            blocks = regimes.blocks_sampled(self.chain.regime, iteration) if iteration < last else 0
            missing = [block for block in range(blocks) if not self.block_dir(iteration, block).is_dir()]
            if self.measured(iteration) and not missing:
                continue
            if self.measured(iteration):  # which comes after sampling
                files.warn(f"{self.block_dir(iteration, missing[0])}: is missing; sampled again")
            started = time.monotonic()
            training_data = self.training_data(iteration, real_train)
            model = self.fit(iteration, training_data)
            for block in missing:
                self.sample(iteration, block, model, real_train)
            if not self.measured(iteration):
                self.measure(iteration, model, real_train, real_test, len(training_data), started)
            self.write_csv()
        rows = self.write_csv()  # a kill may have come between the last two files
        for leftover in self.run_dir.glob("generation-*/pieces-of-*"):  # or between a block and the end of its pieces
            files.remove_folder(leftover)
        self.tell(last, "done")
        return rows

    def write_csv(self) -> list[dict]:
        rows = read_metrics(self.run_dir)
        self.lease.check()
        write_metrics(rows, self.run_dir / "metrics.csv")
        return rows

    def training_data(self, iteration: int, real_train: data.Data) -> data.Data | data.Pool:
        """What iteration t trains on, referring to the blocks on disk."""
        regime = self.chain.regime
        blocks = []
        for generation, block in regimes.trains_on(regime, iteration):
            if generation > 0:
                self.check_block(generation, block, real_train)
            blocks.append(real_train if generation == 0 else data.load(self.block_dir(generation, block)))
        wanted = regimes.training_size(regime, iteration) * len(real_train)
        available = sum(map(len, blocks))
        if wanted == available:
            return data.join(blocks)
        rng = seeds.generator(self.chain.seed, "iteration", iteration, "subsample")
        return data.join(blocks, np.sort(rng.choice(available, wanted, replace=False)))

    def check_block(self, generation: int, block: int, real_train: data.Data) -> None:
        """See that a block is what was sampled; one that has changed is named and sampled again from its model."""
        folder = self.block_dir(generation, block)
        if problem := files.damage(folder):
            files.warn(f"{problem}; sampled again from the model of iteration {generation}")
            self.lease.check()
            files.remove_folder(folder)
            model = self.fit(generation, self.training_data(generation, real_train))
            self.sample(generation, block, model, real_train)

    def fit(self, iteration: int, training_data: data.Data | data.Pool) -> Any:
        """The model of iteration t, trained or read back; the first one through the shared folder."""
        own = self.checkpoint(iteration, self.iteration_dir(iteration), self.lease)
        seed = seeds.derive(self.chain.seed, "iteration", iteration, "fit")
        self.tell(iteration, "fitting")
        with memory.told(self.chain.config, "fit"):
            if iteration > 1:
                return self.section.fit(training_data, seed, own)
            with self.shared_lease(iteration) as lease:
                shared = self.checkpoint(iteration, self.shared_fit / "fit", lease)
                if shared.newest() is None and own.newest() is not None:  # the shared folder was cleared: use our copy
                    return self.section.fit(training_data, seed, own)
                files.remove_leftovers(self.shared_fit)
                model = self.section.fit(training_data, seed, shared)
                if newest := shared.newest():
                    files.copy_folder(newest, own.folder / newest.name, self.lease.check)
        return model

    def shared_lease(self, iteration: int) -> Lease:
        def waiting(owner: str) -> None:
            self.tell(iteration, f"waiting for the first fit by {owner}")

        return Lease(self.shared_fit, wait=True, waiting=waiting)

    def checkpoint(self, iteration: int, folder: Path, lease: Lease) -> Checkpoint:
        def report(step: int, steps: int, figures: dict) -> None:
            self.tell(iteration, "fitting", step, steps, figures)

        return Checkpoint(folder, every_s=self.checkpoint_s, guard=lease.check, report=report)

    def sample(self, iteration: int, block: int, model: Any, real_train: data.Data) -> None:
        """Sample one block of generation t to disk; the first one through the shared folder."""
        final = self.block_dir(iteration, block)
        self.tell(iteration, "sampling")
        if (iteration, block) != (1, 0):
            self.write_block(final, iteration, block, model, real_train, self.lease)
            return
        with self.shared_lease(iteration) as lease:
            if problem := files.damage(self.shared_block):
                if self.shared_block.exists():
                    files.warn(f"{problem}; sampled again")
                files.remove_folder(self.shared_block)
                self.write_block(self.shared_block, iteration, block, model, real_train, lease)
            files.remove_folder(self.pieces_dir(self.shared_block))
        files.copy_folder(self.shared_block, final, self.lease.check)

    def pieces_dir(self, block_dir: Path) -> Path:
        return block_dir.with_name(f"pieces-of-{block_dir.name}")

    def write_block(self, final: Path, iteration: int, block: int, model: Any, real_train: data.Data, lease: Lease) -> None:
        size = len(real_train)
        seed = seeds.derive(self.chain.seed, "iteration", iteration, "sample", block)
        pieces = Pieces(self.pieces_dir(final), every_s=self.checkpoint_s, guard=lease.check)
        keeps = {"kept": pieces} if "kept" in inspect.signature(self.section.sample).parameters else {}
        try:
            with memory.told(self.chain.config, "sample"):
                items = self.section.sample(model, size, seed, **keeps)
        except KeyboardInterrupt:
            pieces.save()
            raise
        if not data.same_kind(items, real_train):
            found, wanted = data.describe(items), data.describe(real_train)
            raise RunError(f"sample: returned {found}; the real data are a {wanted}")
        if len(items) != size:
            raise RunError(f"sample: returned {len(items)} items; asked for {size}")
        lease.check()
        with files.new_folder(final, lease.check) as folder:
            data.save(items, folder)
        pieces.remove()

    def measure(
        self, iteration: int, model: Any, real_train: data.Data, real_test: data.Data, items: int, started: float
    ) -> None:
        """Evaluate the model of iteration t on real held-out data, and keep a few samples to look at."""
        folder = self.iteration_dir(iteration)
        self.tell(iteration, "evaluating")
        with memory.told(self.chain.config, "evaluate"):
            metrics = self.section.evaluate(model, real_test)
        diverged = None
        if self.chain.config.diverged == "record":
            diverged = self.checkpoint(iteration, folder, self.lease).diverged()
        metrics = checked(metrics, diverged)
        if hasattr(self.section, "preview"):
            block = self.block_dir(iteration, 0)
            if block.is_dir():
                shown = data.load(block)
            else:
                seed = seeds.derive(self.chain.seed, "iteration", iteration, "sample", 0)
                shown = self.section.sample(model, min(PREVIEW_ITEMS, len(real_train)), seed)
            self.lease.check()
            preview = folder / "preview"
            preview.mkdir(parents=True, exist_ok=True)
            self.section.preview(shown, preview)
        self.lease.check()
        result = {"metrics": metrics, "training_items": items, "seconds": time.monotonic() - started}
        folder.mkdir(parents=True, exist_ok=True)
        files.write_checked(record_path(self.run_dir, iteration), result)


def check_methods(section: Section) -> None:
    for name in ("real_data", "fit", "sample", "evaluate"):
        if not callable(getattr(section, name, None)):
            raise RunError(f"{type(section).__name__}: has no method {name}; a section has real_data, fit, "
                                "sample and evaluate")  # fmt: skip
