"""The chain of model fits: the one loop that every section runs.

Iteration t = 1..N fits a freshly initialised model, measures it on real held-out data, and samples
a synthetic generation; the regime chooses what iteration t + 1 trains on.  :func:`iterate` defines
this by four functions that call one another.  A *store* (``durable/store.py``) makes each product
once and keeps it, in memory or in a run directory that survives the process.  A product that is
lost or damaged is made again by the function that made it first, bit by bit the same.

A section gives the loop four methods:

    real_data()                  -> (train, test), two data sets of one kind (see ``data.py``)
    fit(data, seed, checkpoint)  -> a model, freshly initialised and trained on ``data``
    sample(model, size, seed)    -> ``size`` synthetic items of the same kind as ``train``
    evaluate(model, real_test)   -> {metric name: value}

and optionally more: ``preview(data, folder)`` writes a few samples for readers, ``notes()`` returns
notes on the run for the provenance (JSON), and ``resumable_sampling = True`` means that ``sample``
also takes :class:`~.durable.checkpoints.Pieces`, with which it resumes and shares its work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from . import data, regimes, seeds, selection
from .durable.checkpoints import Checkpoint, Divide, in_order
from .durable.resume import run_lease
from .durable.run_dir import describe_run
from .durable.store import RunDirectory, Store, finished_rows
from .errors import RunError
from .presets import Config
from .regimes import Block
from .training import memory, threads

PREVIEW_ITEMS = 32  # of the final model, of which no generation is sampled


class Section(Protocol):
    """The methods that the chain needs of a generative model."""

    def real_data(self) -> tuple[data.Data, data.Data]: ...
    def fit(self, training_data: Any, seed: int, checkpoint: Checkpoint) -> Any: ...
    def sample(self, model: Any, size: int, seed: int) -> data.Data: ...
    def evaluate(self, model: Any, real_test: data.Data) -> dict[str, float]: ...


@dataclass(frozen=True)
class Chain:
    """The description of one chain: its section, regime, seed and configuration."""

    section: str  # name of the section, as it appears in the results
    regime: str  # one of regimes.REGIMES
    seed: int  # of the whole chain
    config: Config = field(default_factory=Config)  # the section's resolved preset
    preset: str = "own"  # name of the preset, as it appears in the results
    variant: str = ""  # overrides of the preset, "field=value,..."
    source: str = "own"  # name of the data source

    def __post_init__(self) -> None:
        regimes.check(self.regime, shares=True)
        seeds.sequence(self.seed)
        object.__setattr__(self, "seed", int(self.seed))  # JSON cannot hold NumPy integers


def iterate(
    section: Section, chain: Chain, real_train: data.Data, real_test: data.Data, store: Store
) -> None:
    """Make every model, generation and metric of ``chain``, each through ``store``."""
    n, last = len(real_train), chain.config.iterations
    threads.use_torch_threads(chain.config.threads)

    def seed(t: int, *purpose: str | int) -> int:
        return seeds.derive(chain.seed, "iteration", t, *purpose)

    def training_set(t: int) -> data.Data | data.Pool:
        """The data that iteration t trains on: real data and generations, or a part of them."""
        used = regimes.trains_on(chain.regime, t)
        opened = data.lazy if len(used) > data.MAX_OPEN_FILES else lambda block: block
        blocks = [opened(generation(block)) if block.generation else real_train for block in used]
        return data.join(blocks, selection.rows(chain.regime, t, len(used), n, chain.seed))

    def model(t: int) -> Any:
        """The model of iteration t, freshly initialised and trained."""

        def fit(checkpoint: Checkpoint) -> Any:
            training_data = training_set(t)
            with memory.explained(chain.config, "fit"):
                return section.fit(training_data, seed(t, "fit"), checkpoint)

        return store.model(t, fit)

    def generation(block: Block) -> data.Data:
        """n items that the model of iteration ``block.generation`` samples."""
        t, number = block

        def sample(fitted: Any, pieces: Any) -> data.Data:
            resume = (pieces,) if getattr(section, "resumable_sampling", False) else ()
            with memory.explained(chain.config, "sample"):
                items = section.sample(fitted, n, seed(t, "sample", number), *resume)
            return checked_sample(items, real_train, n)

        return store.block(block, lambda: model(t), sample)

    def measure(t: int) -> None:
        """Evaluate the model of iteration t on real held-out data, and save a few samples."""

        def evaluate() -> dict[str, float]:
            fitted = model(t)
            with memory.explained(chain.config, "evaluate"):
                return section.evaluate(fitted, real_test)

        def preview(folder: Path) -> None:
            if store.has(Block(t, 0)):
                section.preview(generation(Block(t, 0)), folder)
            else:
                few, sample_seed = min(PREVIEW_ITEMS, n), seed(t, "sample", 0)
                section.preview(section.sample(model(t), few, sample_seed), folder)

        store.metrics(t, evaluate, preview if hasattr(section, "preview") else None)

    for t in range(1, last + 1):
        for number in range(regimes.blocks_sampled(chain.regime, t) if t < last else 0):
            if not store.has(Block(t, number)):
                generation(Block(t, number))
        measure(t)


def checked_sample(items: Any, real_train: data.Data, size: int) -> data.Data:
    """The ``items``; RunError if they are not ``size`` items of the same kind as the real data."""
    if not data.same_kind(items, real_train):
        kinds = data.describe(items), data.describe(real_train)
        raise RunError(f"sample: returned {kinds[0]}; the real data are a {kinds[1]}")
    if len(items) != size:
        raise RunError(f"sample: returned {len(items)} items; asked for {size}")
    return items


def check_methods(section: Section) -> None:
    """RunError that names the first of the four methods that ``section`` lacks."""
    for name in ("real_data", "fit", "sample", "evaluate"):
        if not callable(getattr(section, name, None)):
            problem = f"{type(section).__name__}: has no method {name}"
            raise RunError(f"{problem}; a section has real_data, fit, sample and evaluate")


def run_chain(
    section: Section,
    chain: Chain,
    run_dir: str | Path,
    *,
    shared: str | Path | None = None,
    report: Callable[[dict], None] = lambda state: None,
    checkpoint_s: float = 60.0,
    allow_changed_code: bool = False,
    divide: Divide = in_order,
) -> list[dict]:
    """Run or resume ``chain`` in ``run_dir`` to its end, and return its metrics.

    Parameters
    ----------
    section : an object with the four methods.
    run_dir : a new folder, or one in which the same chain was started.
    shared : folder of first fits and first generations; default: ``.shared`` beside ``run_dir``.
    report : called at most twice a second with the state of the run (iteration, phase, step, ...).
    checkpoint_s : seconds of work that a fit, or a resumable sampler, may lose.
    allow_changed_code : resume a run of other code or libraries; the provenance records it.
    divide : makes the pieces of a generation of a resumable sampler; by default, this process.

    Returns
    -------
    Rows with the keys ``durable.metrics.COLUMNS``; the same as ``metrics.csv``.

    Raises
    ------
    InputError : ``run_dir`` holds another run, or one of other code, or cannot be written.
    RunError : another process is writing there, or a method of the section returned a bad value.
    """
    check_methods(section)
    run_dir = Path(run_dir)
    real_train, real_test = section.real_data()
    description = describe_run(chain, real_train, real_test)
    if (rows := finished_rows(run_dir, description)) is not None:
        return rows
    with run_lease(run_dir, description, allow_changed_code) as lease:
        settings = chain.config, report, checkpoint_s, divide
        store = RunDirectory(run_dir, shared, lease, description, *settings)
        iterate(section, chain, real_train, real_test, store)
        return store.finish(section.notes() if hasattr(section, "notes") else None)
