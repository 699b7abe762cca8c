"""The whole linear grid against one ``numpy.linalg.lstsq`` fit per repeat and iteration.

    python benchmarks/linear_speed.py

Grid: d = 32, T in {100, 316, 1000}, five sigma2, four regimes, n = 1..50, 500 repeats: 1.5 million
fits.  (The published grid has more repeats; times are proportional to them.)

Plain side: :func:`plain_errors`, one lstsq a fit.  Twice: on all the rows of the training set, as
the regime says ("all rows"), and for the regimes whose blocks share their rows on T rows with the
mean of the labels ("averaged"), the leanest that one lstsq a fit can be.  It is measured on a few
repeats of every (T, regime), on given draws, and extrapolated: its time is proportional to the
number of repeats and does not depend on sigma2.

Fast side: ``simulation.simulate`` for all repeats, its random numbers included.  Twice: with draws
of their own for every sigma2, and with the five sigma2 from one set of draws, which is exact
because sigma2 only scales the noise.

Core against core, and two cores against two: there the fast side has two threads of its own, and
BLAS has two in the plain one.  The sides alternate, medians of five.  Equality is checked on the
plain side's draws at every sigma2.  The shares say which part of the fast side's time on one core
its matrix products would take at the rate of large ones, and which part its random numbers take.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from collapse_utils import regimes, seeds
from collapse_utils.linear import simulation
from collapse_utils.linear.config import Linear, covariance_factor
from collapse_utils.linear.draws import Draws, block_list, draw
from collapse_utils.linear.grid import ITERATIONS, SIGMA2_VALUES, T_VALUES, D
from collapse_utils.regimes import REGIMES
from collapse_utils.training.threads import use_threads

OUT = Path(__file__).parent / "results" / "linear_speed.json"


REPEATS = 500
SIDES = ("all_rows", "averaged", "fast")
CORES = ("", "_two_cores")


def plain_errors(config: Linear, regime: str, draws: Draws, *, average: bool = False) -> np.ndarray:
    """Test error of every fit, one ``numpy.linalg.lstsq`` for each; shape (R, iterations).

    ``average``: where the blocks of a training set share their rows, fit the mean of their labels
    on T rows instead of all labels on n T rows.  The fit is the same.  For x ``same`` and regimes
    that train on whole blocks.
    """
    R = len(draws.w_star)
    blocks, L = block_list(regime, config.iterations), covariance_factor(config)
    result = np.empty((R, config.iterations))
    for r in range(R):
        w = [draws.w_star[r]]  # w[g] labels generation g
        y: dict[regimes.Block, np.ndarray] = {}
        x = {block: draws.x[r, b if draws.x.shape[1] > 1 else 0] for b, block in enumerate(blocks)}
        for n in range(1, config.iterations + 1):
            used = regimes.trains_on(regime, n)
            for b, block in enumerate(blocks):
                if block.generation == n - 1:
                    y[block] = x[block] @ w[n - 1] + np.sqrt(config.sigma2) * draws.noise[r, b]
            if average:
                X, Y = x[used[0]], np.mean([y[block] for block in used], axis=0)
            else:
                X = np.concatenate([x[block] for block in used])
                Y = np.concatenate([y[block] for block in used])
            if draws.picks is not None:
                X, Y = X[draws.picks[n - 1][r]], Y[draws.picks[n - 1][r]]
            w.append(np.linalg.lstsq(X, Y, rcond=None)[0])
            result[r, n - 1] = np.sum((L.T @ (w[n] - w[0])) ** 2)
    return result


def seconds(function, *arguments, **options):
    started = time.perf_counter()
    result = function(*arguments, **options)
    return time.perf_counter() - started, result


def measure(T: int, regime: str, rounds: int, repeats: int, plain_repeats: int) -> dict:
    """Medians for one (T, regime) at sigma2 = 1 in seconds; largest relative difference."""
    config = Linear(d=D, T=T, iterations=ITERATIONS, repeats=repeats)
    times: dict[str, list[float]] = {side + cores: [] for cores in CORES for side in SIDES}
    difference = 0.0
    two = dataclasses.replace(config, threads=2)
    for turn in range(rounds):
        draws = draw(config, regime, seeds.generator(turn, "benchmark", T, regime), plain_repeats)
        spent, plain = seconds(plain_errors, config, regime, draws)
        times["all_rows"].append(spent * repeats / plain_repeats)
        if regime != "accumulate_subsample":
            spent, plain_averaged = seconds(plain_errors, config, regime, draws, average=True)
            difference = max(difference, np.max(np.abs(plain_averaged / plain - 1)))
        times["averaged"].append(spent * repeats / plain_repeats)
        times["fast"].append(seconds(simulation.simulate, config, regime, turn)[0])
        times["fast_two_cores"].append(seconds(simulation.simulate, two, regime, turn)[0])
        with threadpool_limits(2):
            for side, average in (("all_rows", False), ("averaged", True)):
                average = average and regime != "accumulate_subsample"
                spent, _ = seconds(plain_errors, config, regime, draws, average=average)
                times[side + "_two_cores"].append(spent * repeats / plain_repeats)
        for sigma2 in SIGMA2_VALUES:
            scaled = dataclasses.replace(config, sigma2=sigma2)
            expected = (
                plain
                if sigma2 == 1
                else plain_errors(
                    scaled,
                    regime,
                    draws,
                    average=regime in ("replace", "accumulate", "replace_multiple"),
                )
            )
            difference = max(
                difference,
                np.max(np.abs(simulation.errors(scaled, regime, draws) / expected - 1)),
                np.max(np.abs(sigma2 * simulation.errors(config, regime, draws) / expected - 1)),
            )
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {"T": T, "regime": regime, **medians, "relative_difference": float(difference)}


def limits(spent: float, repeats: int) -> dict[str, float]:
    """Shares of ``spent``, the seconds of the fast side on one core for one sigma2.

    Counted are the products of the subsampled fits, which take most of the time: the Gram matrices
    of all iterations, and what makes labels and moments.
    """
    rng, a = np.random.default_rng(0), np.ones((1024, 1024))
    a @ a
    product_s = min(seconds(np.matmul, a, a)[0] for _ in range(9)) / (2 * 1024**3)
    number_s = min(seconds(rng.standard_normal, 2**20)[0] for _ in range(9)) / 2**20
    N = ITERATIONS
    operations = sum(N * T * (D * (D + 1) + 4 * D) for T in T_VALUES) * repeats
    numbers = sum(T * (D + N) for T in T_VALUES) * repeats
    return {
        "limit_gflops_float64": 1e-9 / product_s,
        "share_of_product_rate": operations * product_s / spent,
        "share_of_random_numbers": numbers * number_s / spent,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the linear grid.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--plain-repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    use_threads(1)
    simulation.simulate(Linear(iterations=2, repeats=8), "replace", 0)  # first-call costs
    rows = []
    print(
        f"{'T':>5} {'regime':21} {'all rows':>10} {'averaged':>10} {'fast':>8}   seconds for "
        f"{arguments.repeats} repeats"
    )
    for T in T_VALUES:
        for regime in REGIMES:
            row = measure(T, regime, arguments.rounds, arguments.repeats, arguments.plain_repeats)
            rows.append(row)
            print(
                f"{T:>5} {regime:21} {row['all_rows']:>10.1f} {row['averaged']:>10.1f} "
                f"{row['fast']:>8.3f}",
                flush=True,
            )
    levels = len(SIGMA2_VALUES)
    names = [side + cores for cores in CORES for side in SIDES]
    total = {name: levels * sum(row[name] for row in rows) for name in names}
    total["fast_shared_draws"] = total["fast"] / levels
    shared = total["fast_shared_draws"]
    ratios = {
        "all_rows / fast, one set of draws for all sigma2": total["all_rows"] / shared,
        "all_rows / fast, own draws for each sigma2": total["all_rows"] / total["fast"],
        "averaged / fast, one set of draws for all sigma2": total["averaged"] / shared,
        "averaged / fast, own draws for each sigma2": total["averaged"] / total["fast"],
        **{
            f"{side} / fast, own draws for each sigma2, two cores": total[f"{side}_two_cores"]
            / total["fast_two_cores"]
            for side in SIDES[:2]
        },
    }
    result = {
        "grid": {
            "d": D,
            "T": T_VALUES,
            "sigma2": SIGMA2_VALUES,
            "iterations": ITERATIONS,
            "repeats": arguments.repeats,
        },
        "method": f"sides alternate, medians of {arguments.rounds}; plain sides "
        f"measured on {arguments.plain_repeats} repeat(s) of every (T, regime) and "
        "extrapolated, drawing not counted; fast side measured whole, drawing counted; grid = "
        "five times the sum over (T, regime)",
        "seconds_for_the_grid": total,
        "ratios": ratios,
        "limits": limits(total["fast"] / levels, arguments.repeats),
        "largest_relative_difference": max(row["relative_difference"] for row in rows),
        "cells": rows,
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(_rounded(result), indent=2) + "\n", encoding="utf-8")
    for name, value in total.items():
        print(f"{name:20} {value:>10.1f} s for the grid")
    for name, value in ratios.items():
        print(f"{value:>8.0f}  {name}")
    print(
        "largest relative difference for the same draws: "
        f"{result['largest_relative_difference']:.1e}"
    )


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
