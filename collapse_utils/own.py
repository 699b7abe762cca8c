"""A reader's own generative model through the whole experiment: all regimes, several seeds, plot, table and verdicts.

    class Mixture:
        def real_data(self): ...                          # train and test, two arrays whose first axis counts items
        def fit(self, training_data, seed, checkpoint): ...
        def sample(self, model, size, seed): ...
        def evaluate(self, model, real_test): ...         # {metric name: number}

    frame = own.experiment(Mixture(), "runs/mixture", iterations=10, seeds=range(5))
    own.verdicts(frame, "negative_log_likelihood")

The chains run one after another in this process, in run directories from which a stopped experiment goes on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from . import regimes as all_regimes
from . import seeds
from .chain import Chain, Section, check_methods, run_chain
from .data import is_array
from .durable.checkpoints import Checkpoint
from .durable.metrics import frame_of
from .errors import RunError
from .evidence import claims
from .evidence.verdicts import Verdict
from .presets import Config, setting
from .sweeps.live import tqdm

TRIAL_ITEMS = 64  # how many items are sampled twice to see whether a model keeps to its seed


@dataclass(frozen=True)
class OwnConfig(Config):
    """What tells one experiment from another: a changed model must not be taken for one that was run before."""

    model: str = setting("", "the section's class, with a digest of its source and its plain attributes")


def identity(section: object) -> str:
    """The class of a section with a digest of its source code and of its numbers, texts and tuples of them."""
    kind = type(section)
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt: there is no source to read
        source = kind.__qualname__
    plain = {name: value for name, value in vars(section).items() if isinstance(value, (int, float, str, bool, tuple))}
    return f"{kind.__name__}-{hashlib.sha256(f'{source}{sorted(plain.items())}'.encode()).hexdigest()[:12]}"


def experiment(
    section: Section,
    out: str | Path,
    *,
    iterations: int = 5,
    seeds: Iterable[int] = range(3),
    regimes: Sequence[str] = all_regimes.REGIMES,
    name: str = "own",
    check: bool = True,
) -> pd.DataFrame:
    """Run one chain for each regime and seed, and return their metrics as one tidy frame.

    Parameters
    ----------
    section : an object with the four methods (see ``chain.py``).
    out : folder of the run directories, ``<out>/<regime>/seed-<seed>``; finished chains there are read, not repeated.
    iterations : model fits of every chain.
    check : first fit and sample twice with one seed, and compare.

    Returns
    -------
    Rows with section, preset, data, variant, regime, seed, iteration, metric, value.

    Raises
    ------
    InputError : an unknown regime, a seed that is not an integer >= 0, or a folder in which another model was run; the
        same class with other code is another model.
    RunError : the section broke its contract; the message names the method, or what differed between two equal runs.
    """
    seed_list = list(seeds)
    chains = [
        Chain(name, regime, seed, OwnConfig(iterations=iterations, model=identity(section)))
        for regime in regimes
        for seed in seed_list
    ]
    if check:
        keeps_to_its_seed(section)
    folders = []
    with tqdm(total=len(chains), desc="chains", unit="chain") as bar:
        for chain in chains:
            folders.append(Path(out) / chain.regime / f"seed-{chain.seed}")
            run_chain(section, chain, folders[-1], shared=Path(out) / ".shared")
            bar.update()
    return frame_of(folders)


def keeps_to_its_seed(section: Section) -> None:
    """RunError if two fits with one seed, or two samples from one model, differ: such a chain could not be repeated."""
    check_methods(section)
    train, test = section.real_data()
    size, seed = min(TRIAL_ITEMS, len(train)), seeds.derive(0, "trial")
    with tempfile.TemporaryDirectory() as scratch:
        models = [section.fit(train, seed, Checkpoint(Path(scratch) / str(number))) for number in (1, 2)]
    samples = [section.sample(model, size, seed) for model in (models[0], models[0], models[1])]
    if not _equal(samples[0], samples[1]):
        raise RunError("sample: two calls with one model and one seed returned different items; "
                       "draw every random number from the seed")  # fmt: skip
    if not _equal(samples[0], samples[2]):
        raise RunError("fit: two fits with one seed gave different models; draw every random number from the seed")
    measured = [section.evaluate(model, test) for model in models]
    if measured[0] != measured[1]:
        raise RunError(f"evaluate: two equal models measured {measured[0]!r} and {measured[1]!r}; "
                       "draw every random number from a fixed seed")  # fmt: skip


def _equal(first: object, second: object) -> bool:
    if is_array(first) and is_array(second):
        return np.array_equal(np.asarray(first), np.asarray(second), equal_nan=first.dtype.kind == "f")
    return first[:] == second[:]  # Arrow data: columns by name


def verdicts(frame: pd.DataFrame, metric: str) -> list[Verdict]:
    """The claims of the book on ``metric`` (lower is better), paired by seed; ``not run`` where a regime is missing."""
    return [claims.judge(dataclasses.replace(claim, metric=metric), frame) for claim in claims.of("own_model")]
