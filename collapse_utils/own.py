"""A reader's own generative model through the whole experiment: all regimes, several seeds, plot,
table and verdicts.

    class Mixture:
        def real_data(self): ...  # train and test, two arrays whose first axis counts items
        def fit(self, training_data, seed, checkpoint): ...
        def sample(self, model, size, seed): ...
        def evaluate(self, model, real_test): ...  # {metric name: number}

    frame = own.experiment(Mixture(), "runs/mixture", iterations=10, seeds=range(5))
    own.verdicts(frame, "negative_log_likelihood")

The chains run one after another in this process, in run directories from which a stopped experiment
goes on.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from . import regimes as all_regimes
from . import seeds
from .chain import Chain, Section, check_methods, checked_sample, run_chain
from .data import Data, is_array
from .durable.checkpoints import Checkpoint, at_once
from .durable.metrics import checked, frame_of
from .errors import InputError, RunError
from .evidence import claims
from .evidence.verdicts import Verdict
from .loading import Adapted, OwnConfig, identity
from .sweeps.live import tqdm

TRIAL_ITEMS = 64  # how many items are sampled twice to see whether a model keeps to its seed
CHECKS = ("exact", "close")
ADVICE = {"exact": ' (on a GPU: check="close")', "close": ""}


def experiment(
    section: Section,
    out: str | Path,
    *,
    iterations: int = 5,
    seeds: Iterable[int] = range(3),
    regimes: Sequence[str] = all_regimes.REGIMES,
    name: str = "own",
    check: str | bool = "exact",
) -> pd.DataFrame:
    """Run one chain for each regime and seed, and return their metrics as one tidy frame.

    Parameters
    ----------
    section : an object with the four methods (see ``chain.py``).
    out : folder of the run directories, ``<out>/<regime>/seed-<seed>``; finished chains there are
        read, not repeated.
    iterations : model fits of every chain.
    check : "exact", "close" or False: whether and how strictly two equal fits are compared first,
        see :func:`trial`.

    Returns
    -------
    Rows with section, preset, data, variant, regime, seed, iteration, metric, value.

    Raises
    ------
    InputError : an unknown regime, a seed that is not an integer >= 0, or a folder in which another
        model was run; the same class with other code is another model.
    RunError : the section broke its contract; the message names the method, or what differed
        between two equal runs.
    """
    seed_list = list(seeds)
    chains = [
        Chain(name, regime, seed, OwnConfig(iterations=iterations, model=identity(section)))
        for regime in regimes
        for seed in seed_list
    ]
    if check:
        trial(section, "exact" if check is True else check)
    folders = []
    with tqdm(total=len(chains), desc="chains", unit="chain") as bar:
        for chain in chains:
            folders.append(Path(out) / chain.regime / f"seed-{chain.seed}")
            run_chain(Adapted(section), chain, folders[-1], shared=Path(out) / ".shared")
            bar.update()
    return frame_of(folders)


def trial(section: Section, check: str = "exact", tolerance: float = 1e-3) -> None:
    """Fit and sample twice with one seed, before hours are spent, and compare.

    Parameters
    ----------
    check : "exact" (equal bits, as on a CPU) or "close" (samples and metrics within ``tolerance``,
        relative to the largest value: a GPU may add in another order).

    Raises
    ------
    InputError : ``check`` is neither, or the data are of a kind that the chain cannot keep.
    RunError : a method broke its contract; the message names it.
    """
    if check not in CHECKS:
        raise InputError("check", check, f"one of {', '.join(CHECKS)}, or False")
    check_methods(section)
    section = Adapted(section) if not isinstance(section, Adapted) else section
    train, test = section.real_data()
    size, seed = min(TRIAL_ITEMS, len(train)), seeds.derive(0, "trial")
    with tempfile.TemporaryDirectory() as scratch:
        models = [
            section.fit(train, seed, Checkpoint(Path(scratch) / str(number))) for number in (1, 2)
        ]
        samples = [
            _sampled(section, model, size, seed, train)
            for model in (models[0], models[0], models[1])
        ]
        # finite numbers, first of all
        measured = [checked(section.evaluate(model, test), None) for model in models]
    margin = 0.0 if check == "exact" else tolerance
    if not _alike(samples[0], samples[1], margin):
        raise RunError(
            "sample: two calls with one model and one seed returned different items; "
            "draw every random number from the seed"
        )
    if not _alike(samples[0], samples[2], margin):
        raise RunError(
            "fit: two fits with one seed gave different models; draw every random number from the "
            "seed" + ADVICE[check]
        )
    if not _alike(
        np.array(list(measured[0].values())), np.array(list(measured[1].values())), margin
    ):
        raise RunError(
            f"evaluate: two equal models measured {measured[0]!r} and {measured[1]!r}; "
            f"draw every random number from a fixed seed{ADVICE[check]}"
        )


def _sampled(section: Adapted, model: object, size: int, seed: int, like: Data) -> Data:
    items = section.sample(
        model, size, seed, *((at_once,) if getattr(section, "resumable_sampling", False) else ())
    )
    return checked_sample(items, like, size)


def _alike(first: object, second: object, tolerance: float) -> bool:
    if not is_array(first):
        return first[:] == second[:]  # Arrow data: columns by name
    first, second = np.asarray(first), np.asarray(second)
    if tolerance == 0 or first.dtype.kind != "f":
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    return bool(
        np.allclose(
            first, second, rtol=0, atol=tolerance * np.nanmax(np.abs(first)), equal_nan=True
        )
    )


def verdicts(frame: pd.DataFrame, metric: str) -> list[Verdict]:
    """The claims of the book on ``metric`` (lower is better), paired by seed; ``not run`` where a
    regime is missing.
    """
    return [
        claims.judge(dataclasses.replace(claim, metric=metric), frame)
        for claim in claims.of("own_model")
    ]
