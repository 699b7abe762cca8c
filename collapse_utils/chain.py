"""The model-fitting chain: the one loop that every section runs.

Iteration t = 1..N fits a freshly initialised model, measures it on real held-out data, and samples a synthetic
generation; the regime chooses what iteration t + 1 trains on.  A section gives the loop four methods:

    real_data()                  -> (train, test), two data sets of one kind (see ``data.py``)
    fit(data, seed, checkpoint)  -> a model, freshly initialised and trained on ``data``
    sample(model, size, seed)    -> ``size`` synthetic items of the same kind as ``train``
    evaluate(model, real_test)   -> {metric name: value}

and may give two more: ``preview(data, folder)`` writes a few samples for people to look at, and ``notes()`` returns what
the provenance should say of the data (a JSON-able dict).

The first fit depends on the seed and not on the regime, and the first block that it samples does not either: both are
made once in a folder that chains of one experiment share, also between processes, and linked into each run directory.
"""

from __future__ import annotations

import contextlib
import math
import numbers
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import __version__, data, provenance, regimes, runs, seeds
from .checkpoints import Checkpoint
from .errors import RunError
from .presets import Config

COLUMNS = ("section", "preset", "regime", "seed", "iteration", "metric", "value")
PREVIEW_ITEMS = 32  # how many items the last model samples, which no model trains on, to be looked at


class Section(Protocol):
    """What a generative model brings to the chain."""

    def real_data(self) -> tuple[data.Data, data.Data]: ...

    def fit(self, training_data: Any, seed: int, checkpoint: Checkpoint) -> Any: ...

    def sample(self, model: Any, size: int, seed: int) -> data.Data: ...

    def evaluate(self, model: Any, real_test: data.Data) -> dict[str, float]: ...


@dataclass(frozen=True)
class Chain:
    """Which chain to run: one section, regime and seed."""

    section: str  # name of the section, as it appears in the results
    regime: str  # one of regimes.REGIMES
    seed: int  # of the whole chain
    config: Config = field(default_factory=Config)  # the section's resolved preset
    preset: str = "own"  # name of the preset, as it appears in the results
    variant: str = ""  # overrides of the preset, "field=value,..."
    source: str = "own"  # name of the data source

    def __post_init__(self) -> None:
        regimes.check(self.regime)
        seeds.sequence(self.seed)


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
    checkpoint_s : seconds of work that a fit may lose.

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
        runs.check_run(run_dir, description)
        return read_metrics(run_dir)
    with runs.writing(run_dir, description) as lease:
        shared_dir = Path(shared) if shared is not None else run_dir.parent / ".shared"
        state = _State(section, chain, run_dir, shared_dir, lease, description, report, checkpoint_s)
        rows = state.run(real_train, real_test)
        record = provenance.collect(chain.config.threads, wall_s=state.wall_s())
        if hasattr(section, "notes"):
            record["notes"] = section.notes()
        runs.write_json(run_dir / "DONE", record)
    return rows


def describe_run(chain: Chain, real_train: data.Data, real_test: data.Data) -> dict:
    """What makes this run this run: the content of ``config.json``."""
    description = {
        "section": chain.section,
        "preset": chain.preset,
        "variant": chain.variant,
        "regime": chain.regime,
        "seed": chain.seed,
        "config": asdict(chain.config),
        "data": {
            "source": chain.source,
            "train_items": len(real_train),
            "test_items": len(real_test),
            "train": data.checksum(real_train),
            "test": data.checksum(real_test),
        },
        "package_version": __version__,
    }
    return {**description, "fingerprint": runs.fingerprint(description)}


def read_metrics(run_dir: Path) -> list[dict]:
    """The rows of the iterations that ``run_dir`` has finished, in order."""
    description = runs.read_json(run_dir / "config.json")
    first = {name: description[name] for name in ("section", "preset", "regime", "seed")}
    rows = []
    for path in sorted(run_dir.glob("iteration-*/metrics.json")):
        iteration = int(path.parent.name.split("-")[1])
        for metric, value in runs.read_json(path)["metrics"].items():
            rows.append({**first, "iteration": iteration, "metric": metric, "value": value})
    return rows


def write_metrics(rows: Iterable[dict], path: Path) -> None:
    """Write tidy rows as CSV; ``repr`` keeps every bit of a float."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(str(row[column]) for column in COLUMNS[:-1]) + f",{row['value']!r}" for row in rows]
    runs.write_text(path, "\n".join(lines) + "\n")


class _State:
    """One run in progress: where its files are and how far it has come."""

    def __init__(
        self,
        section: Section,
        chain: Chain,
        run_dir: Path,
        shared: Path,
        lease: runs.Lease,
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
        first_fit = f"{chain.section}-seed{chain.seed}-{runs.fingerprint(parts)}"
        self.shared_fit = shared / first_fit
        self.shared_block = shared / first_fit / f"block-{runs.fingerprint(sampling)}"
        self._report, self._reported = report, 0.0
        self._seconds = {"before": sum(self._read_seconds()), "start": time.monotonic()}

    # Progress and time

    def _read_seconds(self) -> list[float]:
        return [runs.read_json(path)["seconds"] for path in self.run_dir.glob("iteration-*/metrics.json")]

    def wall_s(self) -> float:
        """Seconds of work in this run so far, those of earlier processes on finished iterations included."""
        return self._seconds["before"] + time.monotonic() - self._seconds["start"]

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
        with contextlib.suppress(OSError):  # a full disk must not stop a run for the sake of its progress bar
            runs.write_json(self.run_dir / "progress.json", state, durable=False)
        self._report(state)

    # Places

    def iteration_dir(self, iteration: int) -> Path:
        return self.run_dir / f"iteration-{iteration:02d}"

    def block_dir(self, generation: int, block: int) -> Path:
        return self.run_dir / f"generation-{generation:02d}" / f"block-{block:02d}"

    # The loop

    def run(self, real_train: data.Data, real_test: data.Data) -> list[dict]:
        last = self.chain.config.iterations
        for iteration in range(1, last + 1):
            blocks = regimes.blocks_sampled(self.chain.regime, iteration) if iteration < last else 0
            measured = (self.iteration_dir(iteration) / "metrics.json").exists()
            sampled = all(self.block_dir(iteration, block).is_dir() for block in range(blocks))
            if measured and sampled:
                continue
            started = time.monotonic()
            training_data = self.training_data(iteration, real_train)
            model = self.fit(iteration, training_data)
            for block in range(blocks):
                if not self.block_dir(iteration, block).is_dir():
                    self.sample(iteration, block, model, real_train)
            if not measured:
                self.measure(iteration, model, real_train, real_test, len(training_data), started)
            write_metrics(read_metrics(self.run_dir), self.run_dir / "metrics.csv")
        rows = read_metrics(self.run_dir)
        write_metrics(rows, self.run_dir / "metrics.csv")  # a kill may have come between the last two files
        self.tell(last, "done")
        return rows

    def training_data(self, iteration: int, real_train: data.Data) -> data.Data | data.Pool:
        """What iteration t trains on, referring to the blocks on disk."""
        regime = self.chain.regime
        blocks = []
        for generation, block in regimes.trains_on(regime, iteration):
            folder = self.block_dir(generation, block)
            if generation > 0 and (problem := runs.damage(folder)):
                raise RunError(f"{problem}; remove {folder.parent} and what follows it to sample it again")
            blocks.append(real_train if generation == 0 else data.load(folder))
        wanted = regimes.training_size(regime, iteration) * len(real_train)
        available = sum(map(len, blocks))
        if wanted == available:
            return data.join(blocks)
        rng = seeds.generator(self.chain.seed, "iteration", iteration, "subsample")
        return data.join(blocks, np.sort(rng.choice(available, wanted, replace=False)))

    def fit(self, iteration: int, training_data: data.Data | data.Pool) -> Any:
        """The model of iteration t, trained or read back; the first one through the shared folder."""
        own = self.iteration_dir(iteration)
        seed = seeds.derive(self.chain.seed, "iteration", iteration, "fit")
        self.tell(iteration, "fitting")
        if iteration > 1:
            return self.section.fit(training_data, seed, self.checkpoint(iteration, own, self.lease))
        with self.shared_lease(iteration) as lease:
            if not self.shared_fit_done() and any(own.glob("state-*")):  # the shared folder was cleared: use our copy
                return self.section.fit(training_data, seed, self.checkpoint(iteration, own, self.lease))
            checkpoint = self.checkpoint(iteration, self.shared_fit / "fit", lease)
            model = self.section.fit(training_data, seed, checkpoint)
            if newest := checkpoint.newest():
                runs.copy_folder(newest, own / newest.name)
        return model

    def shared_fit_done(self) -> bool:
        return any((self.shared_fit / "fit").glob("state-*"))

    def shared_lease(self, iteration: int) -> runs.Lease:
        def waiting(owner: str) -> None:
            self.tell(iteration, f"waiting for the first fit by {owner}")

        return runs.Lease(self.shared_fit, wait=True, waiting=waiting)

    def checkpoint(self, iteration: int, folder: Path, lease: runs.Lease) -> Checkpoint:
        def report(step: int, steps: int, figures: dict) -> None:
            self.tell(iteration, "fitting", step, steps, figures)

        return Checkpoint(folder, every_s=self.checkpoint_s, guard=lease.check, report=report)

    def sample(self, iteration: int, block: int, model: Any, real_train: data.Data) -> None:
        """Sample one block of generation t to disk; the first one through the shared folder."""
        final = self.block_dir(iteration, block)
        self.tell(iteration, "sampling")
        if (iteration, block) != (1, 0):
            self.lease.check()
            self.write_block(final, iteration, block, model, real_train)
            return
        with self.shared_lease(iteration):
            if runs.damage(self.shared_block) is not None:
                runs.remove_folder(self.shared_block)
                self.write_block(self.shared_block, iteration, block, model, real_train)
        runs.copy_folder(self.shared_block, final)

    def write_block(self, final: Path, iteration: int, block: int, model: Any, real_train: data.Data) -> None:
        size = len(real_train)
        seed = seeds.derive(self.chain.seed, "iteration", iteration, "sample", block)
        items = self.section.sample(model, size, seed)
        if not data.same_kind(items, real_train):
            found, wanted = data.describe(items), data.describe(real_train)
            raise RunError(f"sample: returned {found}; the real data are a {wanted}")
        if len(items) != size:
            raise RunError(f"sample: returned {len(items)} items; asked for {size}")
        with runs.new_folder(final) as folder:
            data.save(items, folder)

    def measure(
        self, iteration: int, model: Any, real_train: data.Data, real_test: data.Data, items: int, started: float
    ) -> None:
        """Evaluate the model of iteration t on real held-out data, and keep a few samples to look at."""
        self.tell(iteration, "evaluating")
        metrics = _check_metrics(self.section.evaluate(model, real_test))
        if hasattr(self.section, "preview"):
            block = self.block_dir(iteration, 0)
            if block.is_dir():
                shown = data.load(block)
            else:
                seed = seeds.derive(self.chain.seed, "iteration", iteration, "sample", 0)
                shown = self.section.sample(model, min(PREVIEW_ITEMS, len(real_train)), seed)
            preview = self.iteration_dir(iteration) / "preview"
            preview.mkdir(parents=True, exist_ok=True)
            self.section.preview(shown, preview)
        self.lease.check()
        result = {"metrics": metrics, "training_items": items, "seconds": time.monotonic() - started}
        self.iteration_dir(iteration).mkdir(parents=True, exist_ok=True)
        runs.write_json(self.iteration_dir(iteration) / "metrics.json", result)


def check_methods(section: Section) -> None:
    for name in ("real_data", "fit", "sample", "evaluate"):
        if not callable(getattr(section, name, None)):
            raise RunError(f"{type(section).__name__}: has no method {name}; a section has real_data, fit, "
                                "sample and evaluate")  # fmt: skip


def _check_metrics(metrics: Any) -> dict[str, float]:
    if not isinstance(metrics, dict) or not metrics:
        raise RunError(f"evaluate: returned {metrics!r}; expected {{metric name: value}}")
    for name, value in metrics.items():
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            raise RunError(f"evaluate: metric {name!r} is {value!r}; expected a number")
        if not math.isfinite(value):
            raise RunError(f"evaluate: metric {name!r} is {value}; expected a finite number")
    return {str(name): float(value) for name, value in metrics.items()}
