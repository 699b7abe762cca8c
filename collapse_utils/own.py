"""The whole experiment with a reader's own model: all regimes, several seeds, and a report.

    class Mixture:
        def real_data(self): ...  # train and test, two arrays whose first axis counts items
        def fit(self, training_data, seed, checkpoint): ...
        def sample(self, model, size, seed): ...
        def evaluate(self, model, real_test): ...  # {metric name: number}

    frame = own.experiment(Mixture(), "runs/mixture", iterations=10, seeds=range(5))
    own.report(frame)

The chains run one after another in this process, in run directories, so a stopped experiment can
resume.  ``collapse sweep my_model.py:Mixture`` runs them in parallel.

A long ``fit`` should save its state and resume.  In a torch loop these lines do it::

    net, adam, first = ...
    if state := checkpoint.start():  # the newest intact state; None at the start
        first, *saved = torch.load(state / "fit.pt", weights_only=True)
        for part, values in zip((net, adam), saved, strict=True):
            part.load_state_dict(values)
    for step in range(first, steps):
        ...  # one step; its batch depends on the seed and the step alone
        if checkpoint.due() or step + 1 == steps:
            with checkpoint.saving(step + 1) as folder:
                torch.save((step + 1, net.state_dict(), adam.state_dict()), folder / "fit.pt")

``collapse new my_model.py --template torch`` writes a complete file that does this.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from . import regimes as all_regimes
from . import seeds
from .chain import Chain, Section, check_methods, checked_sample, run_chain
from .data import Data, is_array
from .durable.checkpoints import Checkpoint, at_once
from .durable.files import read_json
from .durable.metrics import checked, frame_of
from .durable.run_dir import check_names
from .errors import InputError, RunError, named_values
from .loading import Adapted, OwnConfig, construct, identity, is_own
from .pages.report import report as report
from .sweeps.jobs import Job
from .sweeps.live import Live

TRIAL_ITEMS = 64  # sampled twice, to check that they depend only on the seed
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
    tolerance: float = 1e-3,
    diverged: str = "stop",
) -> pd.DataFrame:
    """Run one chain for each regime and seed, and return their metrics as one tidy frame.

    Parameters
    ----------
    section : an object with the four methods (see ``chain.py``).
    out : folder of the run directories, ``<out>/<regime>/seed-<seed>``; finished chains there are
        read, not repeated.
    iterations : number of model fits of every chain.
    check : how strictly two equal fits are compared before the first chain, see :func:`trial`:
        "exact" on a CPU; "close", within ``tolerance``, on a GPU, which may add numbers in another
        order each time; False if two more fits take too long.  Nothing is compared if a chain was
        started before.
    diverged : at a metric that is not finite, "stop" the chain with an error, or "record" it as
        that iteration's outcome and continue.

    Returns
    -------
    Rows with section, preset, data, variant, regime, seed, iteration, metric, value.

    Raises
    ------
    InputError : a class instead of an object, an unknown regime, a seed that is not an integer
        >= 0, or a folder in which another model was run; the same class with other code is another
        model.
    RunError : a method returned a bad value, or two equal runs differed; the message names it.
    """
    if isinstance(section, type):
        allowed = f"an object of the class, as {section.__name__}()"
        raise InputError("section", section.__name__, allowed)
    check_names(name, "")
    seed_list = list(seeds)
    config = OwnConfig(iterations=iterations, model=identity(section), diverged=diverged)
    chains = [Chain(name, regime, seed, config) for regime in regimes for seed in seed_list]
    folders = [Path(out) / chain.regime / f"seed-{chain.seed}" for chain in chains]
    if check and not any((folder / "config.json").exists() for folder in folders):
        trial(section, "exact" if check is True else check, tolerance, diverged)
    rows = [
        _Row(f"{chain.section} {chain.regime} seed {chain.seed}", chain.regime) for chain in chains
    ]
    live = Live(rows, quiet=False)
    try:
        for row, chain, folder in zip(rows, chains, folders, strict=True):
            live.started(row)
            show = functools.partial(live.update, row)
            shared = Path(out) / ".shared"
            run_chain(Adapted(section), chain, folder, shared=shared, report=show)
            live.ended(row, failed=False)
    finally:
        live.close()
    return frame_of(folders)


class _Row(NamedTuple):
    """A chain as it is shown while it runs."""

    label: str
    regime: str


def check_before_sweep(jobs: Sequence[Job], check: str = "exact") -> None:
    """Check a sweep of own models before it starts: no folder may hold another model, and each
    model of which no chain was started must pass a :func:`trial`.

    Raises
    ------
    InputError : another model, or an earlier version of the file, was run in a job's folder.
    RunError : a model did not pass, see :func:`trial`.
    """
    models: dict[tuple[str, tuple[str, ...], str], list[Path]] = {}
    for job in jobs:
        if is_own(job.section):
            diverged = named_values("--set", job.assignments).get("diverged", "stop")
            models.setdefault((job.section, job.arguments, diverged), []).append(job.run_dir)
    for (spec, arguments, diverged), folders in models.items():
        section = construct(spec, arguments)
        started = [folder for folder in folders if (folder / "config.json").exists()]
        for folder in started:
            stored = read_json(folder / "config.json")["config"].get("model")
            if stored != (model := identity(section)):
                raise InputError(
                    "model", model, f"{stored}, with which {folder} was begun; or another --out"
                )
        if check != "off" and not started:
            trial(section, check, diverged=diverged)


def trial(
    section: Section, check: str = "exact", tolerance: float = 1e-3, diverged: str = "stop"
) -> None:
    """Fit and sample twice with one seed: every metric must be finite, and the two must be equal.

    Parameters
    ----------
    check : "exact" (equal bits, as on a CPU) or "close" (samples and metrics within ``tolerance``,
        relative to the largest value: a GPU may add in another order).
    diverged : "record" lets a metric that is not finite pass, as in :func:`experiment`.

    Raises
    ------
    InputError : ``check`` is neither, or the data are of a kind that the chain cannot keep.
    RunError : a method returned a bad value, or two equal calls differed; the message names it.
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
            _sample(section, model, size, seed, train)
            for model in (models[0], models[0], models[1])
        ]
        recorded = False if diverged == "record" else None
        measured = [checked(section.evaluate(model, test), recorded) for model in models]
    margin = 0.0 if check == "exact" else tolerance
    if not _equal(samples[0], samples[1], margin):
        raise RunError(
            "sample: two calls with one model and one seed returned different items; "
            "draw every random number from the seed"
        )
    if not _equal(samples[0], samples[2], margin):
        raise RunError(
            "fit: two fits with one seed gave different models; draw every random number from the "
            "seed" + ADVICE[check]
        )
    values = [np.array(list(metrics.values())) for metrics in measured]
    if not _equal(values[0], values[1], margin):
        raise RunError(
            f"evaluate: two equal models measured {measured[0]!r} and {measured[1]!r}; "
            f"draw every random number from a fixed seed{ADVICE[check]}"
        )


def _sample(section: Adapted, model: object, size: int, seed: int, like: Data) -> Data:
    pieces = (at_once,) if getattr(section, "resumable_sampling", False) else ()
    return checked_sample(section.sample(model, size, seed, *pieces), like, size)


def _equal(first: object, second: object, tolerance: float) -> bool:
    if not is_array(first):
        return first[:] == second[:]  # Arrow data: columns by name
    first, second = np.asarray(first), np.asarray(second)
    if tolerance == 0 or first.dtype.kind != "f":
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    margin = tolerance * np.nanmax(np.abs(first))
    return bool(np.allclose(first, second, rtol=0, atol=margin, equal_nan=True))
