"""What two theory chapters show: simulations beside their closed forms, as rows of an experiment.

    results/<chapter>/cpu-simulation/metrics.csv, provenance.json

A *regime* is the closed form that is checked, a *variant* its setting, and a seed an independent
simulation of many chains.  ``value`` is their mean, ``formula_error`` is |value/formula - 1|,
averaged over the fits so far, and ``z`` the distance to the formula in standard errors.

    python -m collapse_utils.theory.cells
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from .. import __version__
from ..durable import provenance
from ..durable.files import write_json, write_text
from ..durable.metrics import KEY
from ..errors import InputError
from ..presets import NAMES
from . import mixing, sharpening

SOURCE = "simulation"
SEEDS = 5
TIMES = (1, 2, 5, 10, 20)
REPEATS = {"smoke": 40, "cpu": 200}  # colab and paper are cpu
# Variant, regime, chains (R, N), and the formula (N,) if there is one.
Case = tuple[str, str, np.ndarray, np.ndarray | None]
Rows = Iterator[dict]


def _rows(variant: str, regime: str, simulated: np.ndarray, formula: np.ndarray | None) -> Rows:
    spread = simulated.std(axis=0, ddof=1) / np.sqrt(len(simulated))
    errors = []
    for t in (t for t in TIMES if t <= simulated.shape[1]):
        at = {"variant": variant, "regime": regime, "iteration": t}
        mean = simulated[:, t - 1].mean()
        yield {**at, "metric": "value", "value": mean}
        if formula is None:
            continue
        expected = formula[t - 1]
        errors.append(abs(mean / expected - 1) if expected else abs(mean))
        yield {**at, "metric": "formula_error", "value": np.mean(errors)}
        if spread[t - 1] > 1e-12:
            yield {**at, "metric": "z", "value": (mean - expected) / spread[t - 1]}


# Chapter: what real data are worth

SETS = ((1, 9), (1, 4), (1, 1), (4, 1))  # sets of real and of synthetic labels


def mixing_formula(regime: str, r: int, s: int, t: np.ndarray) -> np.ndarray:
    """The closed form of a regime of this chapter, in units of the first fit's error."""
    if regime == "accumulated":
        return mixing.accumulated(t, r / (r + s))
    if regime == "new-rows":
        return mixing.fresh_error(t, 12 * r, 12 * s, 3) / mixing.fresh_error(1, 12 * r, 12 * s, 3)
    fields = {
        "fresh": {},
        "fixed": {"pool": r},
        "pool": {"pool": 3 * r},
        "weighted": {"weight": mixing.best_weight(r, s)},
    }[regime]
    return mixing.growth(t, r, s, **fields) * (r + s)


FORMS = ("fresh", "fixed", "pool", "weighted", "accumulated", "new-rows")


def mixing_cases(repeats: int, seed: int) -> Iterator[Case]:
    """Real data that are fresh, fixed, from a pool, weighted, accumulated, and with new rows."""
    t = np.arange(1, 21)
    for r, s in SETS:
        own = {
            "fixed": {"pool": r},
            "pool": {"pool": 3 * r},
            "weighted": {"weight": mixing.best_weight(r, s)},
            "accumulated": {"accumulate": True},
            "new-rows": {"d": 3, "T": 12, "new_rows": True},
        }
        for regime in FORMS:
            fields = own.get(regime, {})
            config = mixing.Mixing(r, s, iterations=len(t), repeats=50 * repeats, **fields)
            errors = mixing.simulate(config, seed)
            rows = config.T * (r + s) if config.new_rows else config.T
            base = config.d / (rows - config.d - 1) / (1 if config.new_rows else r + s)
            yield f"r={r},s={s}", regime, errors / base, mixing_formula(regime, r, s, t)


# Chapter: what the loss cannot see

TAUS = (0.3, 0.9)
SHARES = {"accumulate": None, "fixed_real=0.1": 0.1, "fixed_real=0.5": 0.5}


def sharpening_cases(repeats: int, seed: int) -> Iterator[Case]:
    """Depths and words of the learner that keeps components, and the rise of its loss."""
    t_all = range(1, 21)
    for tau in TAUS:
        for name, share in SHARES.items():
            regime = "accumulate" if share is None else "share"
            fields = {"regime": regime, "share": share, "repeats": 2 * repeats}
            config = sharpening.Stories(tau=tau, iterations=len(t_all), **fields)
            found, p = sharpening.simulate(config, seed), sharpening.zipf(config.words)
            weights = [sharpening.depths(t, regime, share) for t in t_all]
            depth = np.array([w @ np.arange(len(w)) for w in weights])
            yield f"depth,tau={tau}", name, found["depths"] @ np.arange(len(depth)), depth
            words = [sharpening.sampled_words(p, tau, t, regime, share)[0] for t in t_all]
            first = found["words"][..., 0] / found["words"].sum(axis=2)
            yield f"words,tau={tau}", name, first, np.array(words)
            yield f"rise,tau={tau}", name, found["loss"] - found["loss"][:, :1], None


CHAPTERS: dict[str, Callable[[int, int], Iterator[Case]]] = {
    "mixing": mixing_cases,
    "sharpening": sharpening_cases,
}


def simulate(chapter: str, preset: str, seed: int) -> pd.DataFrame:
    """The rows of one seed of a chapter; InputError for an unknown chapter or preset."""
    if chapter not in CHAPTERS:
        raise InputError("chapter", chapter, "one of " + ", ".join(CHAPTERS))
    if preset not in NAMES:
        raise InputError("preset", preset, "one of " + ", ".join(NAMES))
    cases = CHAPTERS[chapter](REPEATS.get(preset, REPEATS["cpu"]), seed)
    rows = pd.DataFrame([row for case in cases for row in _rows(*case)])
    rows = rows.assign(section=chapter, preset=preset, data=SOURCE, seed=seed)
    return rows[[*KEY, "value"]]


def write(chapter: str, out: Path, preset: str = "cpu", seeds: int = SEEDS) -> Path:
    """Simulate seeds 0, 1, ... of a chapter into ``out``; returns its folder."""
    frames, records = [], []
    for seed in range(seeds):
        begun = time.monotonic()
        frames.append(simulate(chapter, preset, seed))
        run = provenance.collect(1, wall_s=time.monotonic() - begun)
        chain = {"section": chapter, "preset": preset, "variant": "", "regime": "", "seed": seed}
        config = {"repeats": REPEATS[preset]}
        record = {**chain, "config": config, "data": {"source": SOURCE}}
        records.append({**record, "package_version": __version__, "provenance": run})
    folder = out / chapter / f"{preset}-{SOURCE}"
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.concat(frames).sort_values(KEY, kind="stable")
    frame["value"] = [float(f"{value:.6g}") for value in frame["value"]]
    write_text(folder / "metrics.csv", frame.to_csv(index=False, lineterminator="\n"))
    write_json(folder / "provenance.json", records)
    return folder


def main() -> None:
    """Write the chapters that are named, or both."""
    parser = argparse.ArgumentParser(prog="python -m collapse_utils.theory.cells")
    parser.add_argument("chapter", nargs="*", default=list(CHAPTERS), help="default: all")
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    for chapter in options.chapter:
        print(write(chapter, options.out))


if __name__ == "__main__":
    main()
