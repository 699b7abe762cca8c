"""What two theory chapters show: simulations beside their closed forms, as rows of an experiment.

    results/<chapter>/cpu-simulation/metrics.csv, provenance.json

A row is a metric of one fit.  The *regime* is the closed form that is checked, the *variant* its
setting, and a seed an independent simulation of many chains.  ``value`` is their mean, ``formula``
the closed form, ``z`` their distance in standard errors.

    python -m collapse_utils.theory.cells mixing sharpening
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
from . import mixing, sharpening

Rows = Iterator[dict]
SEEDS = 5
PRESET, SOURCE = "cpu", "simulation"


def _rows(regime: str, variant: str, values: np.ndarray, formula: np.ndarray, step: int) -> Rows:
    """Every ``step``-th iteration of chains (repeats, iterations) beside their formula."""
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    for t in range(1, len(formula) + 1, step):
        at = {"regime": regime, "variant": variant, "iteration": t}
        yield {**at, "metric": "value", "value": mean[t - 1]}
        yield {**at, "metric": "formula", "value": formula[t - 1]}
        if error[t - 1] > 1e-12:
            z = (mean[t - 1] - formula[t - 1]) / error[t - 1]
            yield {**at, "metric": "z", "value": z}


# Chapter: what real data are worth

SETS = ((1, 9), (1, 4), (1, 2), (1, 1), (2, 1), (4, 1))  # sets of real and of synthetic labels


def mixing_rows(seed: int, repeats: int) -> Rows:
    """Real data that are fresh, fixed, from a pool, weighted, with new rows, and accumulated."""
    t = np.arange(1, 20)

    def chains(name: str, formula: np.ndarray, **fields: object) -> Rows:
        config = mixing.Mixing(r=r, s=s, iterations=len(t), repeats=repeats, **fields)
        yield from _rows(name, f"r={r},s={s}", mixing.simulate(config, seed), formula, 6)

    base = mixing.Mixing.d / (mixing.Mixing.T - mixing.Mixing.d - 1)
    for r, s in SETS:
        u, share = mixing.best_weight(r, s), r / (r + s)
        yield from chains("fresh", base * mixing.growth(t, r, s))
        yield from chains("fixed", base * mixing.growth(t, r, s, pool=r), pool=r)
        yield from chains("pool", base * mixing.growth(t, r, s, pool=3 * r), pool=3 * r)
        yield from chains("weighted", base * mixing.growth(t, r, s, weight=u), weight=u)
        accumulated = base / (r + s) * mixing.accumulated(t, share)
        yield from chains("accumulated", accumulated, accumulate=True)
        new_rows = mixing.fresh_error(t, 12 * r, 12 * s, 3)
        yield from chains("new-rows", new_rows, d=3, T=12, new_rows=True)


# Chapter: what the loss cannot see

TAUS = (0.3, 0.5, 0.7, 0.9)
REGIMES = (("accumulate", None), ("share", 0.1), ("share", 0.5))


def sharpening_rows(seed: int, repeats: int) -> Rows:
    """Depths and words of the learner that keeps components, and the bound on its loss."""
    t_all = range(1, 11)
    for tau in TAUS:
        for regime, share in REGIMES:
            kind = regime if share is None else f"{regime}={share}"
            fields = {"iterations": len(t_all), "stories": 100, "repeats": repeats}
            config = sharpening.Stories(tau=tau, regime=regime, share=share, **fields)
            found = sharpening.simulate(config, seed)
            variant, p = f"tau={tau},{kind}", sharpening.zipf(config.words)
            weights = [sharpening.depths(t, regime, share) for t in t_all]
            depth = np.array([w @ np.arange(len(w)) for w in weights])
            yield from _rows("depth", variant, found["depths"] @ np.arange(len(depth)), depth, 3)
            words = [sharpening.sampled_words(p, tau, t, regime, share)[0] for t in t_all]
            first = found["words"][..., 0] / found["words"].sum(axis=2)
            yield from _rows("words", variant, first, np.array(words), 3)
            rise = found["loss"] - found["loss"][:, :1]
            bound = -np.log([w[0] for w in weights])
            yield from _rows("bound", variant, rise, bound, 3)


CHAPTERS: dict[str, tuple[Callable[[int, int], Rows], int]] = {
    "mixing": (mixing_rows, 4000),
    "sharpening": (sharpening_rows, 400),
}


def simulate(chapter: str, seed: int, repeats: int | None = None) -> pd.DataFrame:
    """One seed of a chapter as a tidy frame; InputError for an unknown chapter."""
    if chapter not in CHAPTERS:
        raise InputError("chapter", chapter, "one of " + ", ".join(CHAPTERS))
    rows_of, usual = CHAPTERS[chapter]
    rows = pd.DataFrame(rows_of(seed, usual if repeats is None else repeats))
    rows = rows.assign(section=chapter, preset=PRESET, data=SOURCE, seed=seed)
    return rows[[*KEY, "value"]]


def write(chapter: str, out: Path, seeds: int = SEEDS) -> Path:
    """Simulate seeds 0, 1, ... of a chapter into ``out``; returns its folder."""
    frames, records = [], []
    for seed in range(seeds):
        begun = time.monotonic()
        frames.append(simulate(chapter, seed))
        run = provenance.collect(1, wall_s=time.monotonic() - begun)
        chain = {"section": chapter, "preset": PRESET, "variant": "", "regime": "", "seed": seed}
        config = {"repeats": CHAPTERS[chapter][1]}
        record = {**chain, "config": config, "data": {"source": SOURCE}}
        records.append({**record, "package_version": __version__, "provenance": run})
    folder = out / chapter / f"{PRESET}-{SOURCE}"
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
