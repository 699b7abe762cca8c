"""What the theory chapters commit: simulations beside their closed forms, cell by cell.

    python -m collapse_utils.theory.cells --out results/theory

writes, for every chapter, from one seed and to the last digit the same each time,

    <chapter>/cells.csv        formula, cell, iteration, mean, low, high, theory, z, repeats
    <chapter>/provenance.json  the seed, versions, machine, time, memory

A cell is one setting of one formula and has random numbers of its own.  Its iterations are not
independent of each other, so one iteration of each cell goes into a test of the z.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .. import seeds
from ..durable import files, provenance
from ..errors import InputError
from . import mixing, sharpening

COLUMNS = ("formula", "cell", "iteration", "mean", "low", "high", "theory", "z", "repeats")
SEED = 0
Row = dict[str, object]


def cell(formula: str, name: str, values: np.ndarray, theory: np.ndarray) -> list[Row]:
    """A row an iteration: the mean of ``values`` (repeats, iterations), its interval and its z."""
    mean, margin = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
    margin = np.where(margin < 1e-12, 0.0, margin)  # the same value in every repeat
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(margin > 0, (mean - theory) / margin, np.nan)
    low, high = mean - 1.96 * margin, mean + 1.96 * margin
    columns = zip(mean, low, high, theory, z, strict=True)
    return [
        dict(zip(COLUMNS, (formula, name, t, *numbers, len(values)), strict=True))
        for t, numbers in enumerate(columns, start=1)
    ]


def independent(rows: Sequence[Row]) -> list[Row]:
    """One row of every cell, at an iteration that depends on the cell's place; none without a z."""
    by_cell: dict[tuple, list[Row]] = {}
    for row in rows:
        if np.isfinite(float(row["z"])):
            by_cell.setdefault((row["formula"], row["cell"]), []).append(row)
    return [group[(7 * i + 3) % len(group)] for i, group in enumerate(by_cell.values())]


# Chapter: what real data are worth

SHARES = ((1, 9), (1, 4), (1, 2), (1, 1), (2, 1), (4, 1))  # sets of real and synthetic labels


def mixing_rows(seed: int, repeats: int) -> Iterator[Row]:
    """Fresh, fixed, pooled and weighted real data, new rows, and real data that accumulate."""
    t = np.arange(1, 21)

    def simulated(**fields: object) -> tuple[np.ndarray, float]:
        config = mixing.Mixing(iterations=len(t), repeats=repeats, **fields)
        return mixing.simulate(config, seed), config.d / (config.T - config.d - 1)

    for r, s in SHARES:
        values, base = simulated(r=r, s=s)
        yield from cell("fresh", f"r={r} s={s}", values, base * mixing.growth(t, r, s))
        values, _ = simulated(r=r, s=s, pool=r)
        yield from cell("fixed", f"r={r} s={s}", values, base * mixing.growth(t, r, s, pool=r))
        values, _ = simulated(r=r, s=s, pool=3 * r)
        yield from cell("pool", f"r={r} s={s}", values, base * mixing.growth(t, r, s, pool=3 * r))
        u = mixing.best_weight(r, s)
        values, _ = simulated(r=r, s=s, weight=u)
        yield from cell("weighted", f"r={r} s={s}", values, base * mixing.growth(t, r, s, weight=u))
        values, _ = simulated(r=r, s=s, d=3, T=12, new_rows=True)
        expected = mixing.fresh_error(t, 12 * r, 12 * s, 3)
        yield from cell("new rows", f"r={r} s={s}", values, expected)
        values, _ = simulated(r=r, s=s, accumulate=True)
        expected = base / (r + s) * mixing.accumulated(t, r / (r + s))
        yield from cell("accumulated", f"r={r} s={s}", values, expected)


# Chapter: what the loss cannot see

TAUS = (0.3, 0.5, 0.7, 0.9)
REGIMES = (("accumulate", None), ("share", 0.1), ("share", 0.5))


def sharpening_rows(seed: int, repeats: int) -> Iterator[Row]:
    """Depths and words of the learner that keeps components, and the rise of its loss."""
    t = np.arange(1, 11)
    for tau in TAUS:
        for regime, share in REGIMES:
            name = f"tau={tau} {regime}" + (f"={share}" if share else "")
            config = sharpening.Stories(tau=tau, regime=regime, share=share, repeats=repeats)
            result = sharpening.simulate(config, seed)
            w = [sharpening.depths(int(k), regime, share) for k in t]
            mean_depth = result["depths"] @ np.arange(len(t))
            yield from cell("depth", name, mean_depth, np.array([x @ np.arange(len(x)) for x in w]))
            p = sharpening.zipf(config.words)
            first = result["words"][:, :, 0] / (config.stories * config.length)
            words = [sharpening.sampled_words(p, tau, int(k), regime, share)[0] for k in t]
            yield from cell("words", name, first, np.array(words))
            real = np.array([x[0] for x in w])  # share of real stories in the training set
            rise = result["loss"] - result["loss"][:, :1]
            yield from cell("bound", name, rise, -np.log(real))


CHAPTERS: dict[str, tuple[Callable[[int, int], Iterator[Row]], int]] = {
    "mixing": (mixing_rows, 10_000),
    "sharpening": (sharpening_rows, 1000),
}


def write(out: Path, chapter: str, seed: int = SEED, repeats: int | None = None) -> list[Row]:
    """Simulate the cells of a chapter into ``out / chapter``; InputError for an unknown one."""
    if chapter not in CHAPTERS:
        raise InputError("chapter", chapter, "one of " + ", ".join(CHAPTERS))
    simulate, usual = CHAPTERS[chapter]
    repeats = usual if repeats is None else repeats
    started = time.monotonic()
    rows = list(simulate(seeds.derive(seed, "theory", chapter), repeats))
    folder = out / chapter
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cells.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([_text(row[column]) for column in COLUMNS] for row in rows)
    chain = {"section": "theory", "preset": chapter, "variant": "", "regime": "all", "seed": seed}
    cost = provenance.collect(1, wall_s=time.monotonic() - started)
    record = {**chain, "repeats": repeats, "provenance": cost}
    files.write_json(folder / "provenance.json", [record])
    return rows


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def main() -> None:
    """Write the cells of the chapters that are named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m collapse_utils.theory.cells")
    parser.add_argument("chapter", nargs="*", default=list(CHAPTERS), help="default: all")
    parser.add_argument("--out", type=Path, default=Path("results/theory"))
    options = parser.parse_args()
    for chapter in options.chapter:
        rows = write(options.out, chapter)
        z = np.array([float(row["z"]) for row in independent(rows) if row["formula"] != "bound"])
        print(f"{options.out / chapter}: {len(z)} independent z, largest {np.abs(z).max():.2f}")


if __name__ == "__main__":
    main()
