"""The simulations that the theory chapters show, as tidy rows like those of every experiment.

    results/<chapter>/<preset>-simulation/metrics.csv    one value of one metric of one fit
                                         /provenance.json

A *variant* is the case of a chapter, and a seed an independent simulation of many chains.  The
metric ``value`` is their mean, ``formula_error`` its relative distance to the closed form, averaged
over the fits up to this one, and ``z`` the distance in standard errors, where the mean is close to
normal.

    python -m collapse_utils.theory --out results
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import __version__, seeds
from ..durable import provenance
from ..durable.files import write_json, write_text
from ..durable.metrics import KEY
from ..errors import one_of
from ..presets import NAMES
from ..regimes import REGIMES
from . import bias, chains, families, gaussian, logistic, mixing, sharpening

SOURCE = "simulation"
TIMES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SMALLEST = 0.2  # no relative errors once a curve has fallen below this share of its first value
Rows = Iterator[dict]


@dataclass(frozen=True)
class Size:
    """How much a preset simulates; a chain whose cost grows with t^2 ends at ``short``."""

    repeats: int
    long: int  # the last fit of replace and accumulate
    short: int  # the last fit of the other regimes

    def fits(self, regime: str) -> int:
        return self.long if regime in ("replace", "accumulate") else self.short


SIZES = {"smoke": Size(40, 100, 30), "cpu": Size(200, 1000, 100)}  # colab and paper are cpu


def size(preset: str) -> Size:
    """The size of a preset; InputError for an unknown one."""
    return SIZES.get(one_of("preset", preset, NAMES), SIZES["cpu"])


def _rows(
    variant: str, regime: str, simulated: np.ndarray, formula: np.ndarray, z: bool = True
) -> Rows:
    """Tidy rows of chains (R, N) beside their formula (N,)."""
    mean = simulated.mean(axis=0)
    standard_error = simulated.std(axis=0, ddof=1) / np.sqrt(len(simulated))
    compared = np.abs(formula) > SMALLEST * np.abs(formula[0])
    errors = []
    for t in (t for t in TIMES if t <= len(mean)):
        row = {"variant": variant, "regime": regime, "iteration": t}
        yield {**row, "metric": "value", "value": float(mean[t - 1])}
        if compared[t - 1]:
            errors.append(abs(mean[t - 1] / formula[t - 1] - 1))
            yield {**row, "metric": "formula_error", "value": float(np.mean(errors))}
            if z and standard_error[t - 1] > 1e-12 * abs(mean[t - 1]):  # else nothing is random
                distance = (mean[t - 1] - formula[t - 1]) / standard_error[t - 1]
                yield {**row, "metric": "z", "value": float(distance)}


KERNEL, SHRINKAGE = 0.25, 0.9  # squared bandwidth; rho
EIGENVALUE, NOISE = 5.0, 1.0  # of the linear VAE: under accumulate the direction dies at fit 83


def bias_rows(size: Size, seed: int) -> Rows:
    """Kernel density estimates (n = 100), a linear VAE (n = 1,000) and shrinkage (n = 100)."""
    for regime in REGIMES:
        R, N = size.repeats, size.fits(regime)
        t = np.arange(1.0, N + 1)
        rng = {
            case: seeds.generator(seed, "bias", case, regime)
            for case in ("kernel", "kernel-shrinking", "shrinkage", "fixed-penalty", "vae")
        }
        for case, decay in (("kernel", 0.0), ("kernel-shrinking", 0.4)):
            squares = KERNEL * t**-decay
            values = bias.simulate_kernel(squares, 100, R, regime, rng[case])
            yield from _rows(case, regime, values, 1 + bias.bias(squares, regime))
        values = bias.simulate_shrinkage(np.full(N, SHRINKAGE), 100, R, regime, rng["shrinkage"])
        yield from _rows("shrinkage", regime, values, bias.shrinkage(SHRINKAGE, regime, N))
        penalty = 1 / SHRINKAGE - 1  # in units of the real set: the same first fit
        sizes = t if regime in ("accumulate", "replace_multiple") else np.ones(N)
        rhos = sizes / (sizes + penalty)
        values = bias.simulate_shrinkage(rhos, 100, R, regime, rng["fixed-penalty"])
        expected = bias.fixed_penalty(penalty, regime, N)
        yield from _rows("fixed-penalty", regime, values, expected)
        N = min(N, 100)
        values = bias.simulate_vae([EIGENVALUE], NOISE, 1000, R, regime, N, rng["vae"])
        expected = bias.vae_eigenvalue(EIGENVALUE, NOISE, regime, N)
        yield from _rows("vae", regime, values[..., 0], expected)


def gaussian_rows(size: Size, seed: int) -> Rows:
    """A grid of dimensions and sizes, and discrete distributions."""
    for d in (1, 3, 10):
        for n in (n for n in (10, 32, 100, 316, 1000) if n > d + 1):
            for regime in REGIMES:
                subsample = regime == "accumulate_subsample"
                if subsample and (d > 1 or n > 100):
                    continue  # drawn item by item
                case, N = f"n={n},d={d}", size.fits(regime)
                rng = seeds.generator(seed, "gaussian", case, regime)
                repeats = size.repeats * (5 if d > 1 or subsample else 40)
                simulated, log_dets = gaussian.simulate(regime, n, d, N, repeats, rng)
                if regime == "replace":  # a few chains dominate the mean of V
                    drift, _ = gaussian.log_drift(n, d)
                    yield from _rows(case, regime, log_dets / d, drift / d * np.arange(1.0, N + 1))
                else:
                    yield from _rows(
                        case, regime, simulated.variance, gaussian.retained(regime, n, N)
                    )
    yield from _discrete_rows(size, seed)


WORDS = 1 / np.arange(1.0, 1001)
WORDS /= WORDS.sum()  # Zipf's law over 1,000 words; a corpus has 1,000 words as well


def _discrete_rows(size: Size, seed: int) -> Rows:
    even = np.full(10, 0.1)
    for regime in REGIMES:
        N, R = size.fits(regime), size.repeats
        rng = seeds.generator(seed, "gaussian", "states", regime)
        kept, _ = gaussian.simulate_discrete(regime, even, 100, N, R, rng)
        yield from _rows("states", regime, kept, 0.9 * gaussian.retained(regime, 100, N))
        if regime in ("replace", "accumulate"):
            _, words = gaussian.simulate_discrete(regime, WORDS, 1000, N, R // 4, rng)
            expected = np.sum(1 - gaussian.lost(regime, WORDS, 1000, N), axis=0)
            yield from _rows("words", regime, words.astype(float), expected)


COLLAPSE_C, COLLAPSE_Q = 0.5, 0.9  # c and q of the collapsing family


def families_rows(size: Size, seed: int) -> Rows:
    """Natural families and the uniform (n = 100), the collapsing family, logistic regression."""
    for regime in chains.WHOLE_BLOCKS:
        N = size.fits(regime)
        for name, family in families.FAMILIES.items():
            rng = seeds.generator(seed, "families", name, regime)
            fits = min(N, 30) if regime == "replace" else N  # later, few chains dominate the mean
            risks = families.simulate_mean(name, 100, regime, fits, 50 * size.repeats, rng)
            expected = families.mean_risk(family.v2, 100, regime, fits)
            yield from _rows(name, regime, 100 * risks, 100 * expected, z=False)
        rng, fits = seeds.generator(seed, "families", "uniform", regime), min(N, 100)
        theta = families.simulate_uniform(100, regime, fits, 50 * size.repeats, rng)
        expected = families.uniform_risk(100, regime, fits)
        risks = (theta - 1) ** 2 / expected[0]
        yield from _rows("uniform", regime, risks, expected / expected[0], z=False)
    rng, fits = seeds.generator(seed, "families", "collapsing", "accumulate"), min(size.long, 100)
    repeats = 10 * size.repeats
    distance = families.simulate_collapse(COLLAPSE_C, COLLAPSE_Q, 100, fits, repeats, rng)
    collapsed = (distance == COLLAPSE_Q).astype(float)
    expected = families.collapse_probability(COLLAPSE_C, 100, fits)
    expected[0] = 0.0  # exactly: no code has been seen
    yield from _rows("collapsing", "accumulate", collapsed, expected, z=False)
    yield from _logistic_rows(size, seed)


def _logistic_rows(size: Size, seed: int) -> Rows:
    for name in TABLES:
        X, y, X_test, y_test = load_table(name)
        for regime in chains.WHOLE_BLOCKS:
            rng = seeds.generator(seed, "families", name, regime)
            N = min(size.short, 30)
            theta = logistic.chain(X, y, regime, N, size.repeats // 10, rng)
            loss = logistic.log_loss(theta, X_test, y_test).mean(axis=0)
            curves = {
                "log_loss": loss,
                "rise": loss / loss[0],
                "excess": logistic.excess(theta, X).mean(axis=0),
                "excess_formula": logistic.expected_rise(X.shape[1], len(y), regime, N),
            }
            for t in (t for t in TIMES if t <= N):
                row = {"variant": name, "regime": regime, "iteration": t}
                for metric, values in curves.items():
                    yield {**row, "metric": metric, "value": float(values[t - 1])}


def _split(data: object, y: np.ndarray, columns: slice | list[int]) -> tuple[np.ndarray, ...]:
    """Standardised rows with an intercept: three quarters for training, the rest for testing."""
    order = seeds.generator(0, "logistic", "split").permutation(len(y))
    X, y, m = data.data[order][:, columns], y[order], 3 * len(y) // 4
    X = (X - X[:m].mean(axis=0)) / X[:m].std(axis=0)
    X = np.column_stack([np.ones(len(y)), X])
    return X[:m], y[:m], X[m:], y[m:]


def load_table(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A table that scikit-learn ships: training rows and labels, test rows and labels."""
    from sklearn import datasets

    if name == "diabetes":
        data = datasets.load_diabetes()
        return _split(data, (data.target > np.median(data.target)).astype(int), slice(None))
    if name == "wine":
        data = datasets.load_wine()
        return _split(data, (data.target == 1).astype(int), [1, 2, 3, 4])
    data = datasets.load_breast_cancer()
    return _split(data, data.target, slice(10) if name == "breast-cancer" else slice(None))


TABLES = ("breast-cancer", "diabetes", "wine", "breast-cancer-30")  # the last is separable

SETS = ((1, 9), (1, 4), (1, 1), (4, 1))  # sets of real and of synthetic labels
FORMS = ("fresh", "fixed", "pool", "weighted", "accumulated", "new-rows")


def _mixing_fields(form: str, r: int, s: int) -> dict:
    """The arguments that the closed form and the chains of ``form`` share."""
    if form == "weighted":
        return {"weight": mixing.best_weight(r, s)}
    return {"fixed": {"pool": r}, "pool": {"pool": 3 * r}}.get(form, {})


def mixing_formula(form: str, r: int, s: int, t: np.ndarray) -> np.ndarray:
    """The closed form called ``form``, in units of the first fit's error."""
    if form == "accumulated":
        return mixing.accumulated(t, r / (r + s))
    if form == "new-rows":
        return mixing.fresh_error(t, 12 * r, 12 * s, 3) / mixing.fresh_error(1, 12 * r, 12 * s, 3)
    return mixing.growth(t, r, s, **_mixing_fields(form, r, s)) * (r + s)


def mixing_rows(size: Size, seed: int) -> Rows:
    """Least squares with a part of real data in every training set; a regime is a closed form."""
    t = np.arange(1, 21)
    common = {"iterations": len(t), "repeats": 50 * size.repeats}
    by_form = {"accumulated": {"accumulate": True}, "new-rows": {"d": 3, "T": 12, "new_rows": True}}
    for r, s in SETS:
        for form in FORMS:
            fields = _mixing_fields(form, r, s) | by_form.get(form, {})
            config = mixing.Mixing(r, s, **common, **fields)
            rows = config.T * (r + s) if config.new_rows else config.T
            base = config.d / (rows - config.d - 1) / (1 if config.new_rows else r + s)
            errors = mixing.simulate(config, seed) / base
            yield from _rows(f"r={r},s={s}", form, errors, mixing_formula(form, r, s, t))


TEMPERATURES = (0.3, 0.9)
SHARES = {"accumulate": None, "fixed_real=0.1": 0.1, "fixed_real=0.5": 0.5}


def sharpening_rows(size: Size, seed: int) -> Rows:
    """Stories sampled from stories: their depth, their words, and the rise of the loss."""
    fits = range(1, 21)
    for tau in TEMPERATURES:
        for name, share in SHARES.items():
            regime = "accumulate" if share is None else "share"
            config = sharpening.Stories(
                tau=tau, iterations=len(fits), regime=regime, share=share, repeats=2 * size.repeats
            )
            simulated, p = sharpening.simulate(config, seed), sharpening.zipf(config.words)
            weights = [sharpening.depths(t, regime, share) for t in fits]
            depth = np.array([w @ np.arange(len(w)) for w in weights])
            mean_depths = simulated["depths"] @ np.arange(len(depth))
            yield from _rows(f"depth,tau={tau}", name, mean_depths, depth)
            words = [sharpening.sampled_words(p, tau, t, regime, share)[0] for t in fits]
            first = simulated["words"][..., 0] / simulated["words"].sum(axis=2)
            yield from _rows(f"words,tau={tau}", name, first, np.array(words))
            rise = simulated["loss"] - simulated["loss"][:, :1]
            yield from _rows(f"rise,tau={tau}", name, rise, np.zeros(len(fits)))


CHAPTERS: dict[str, Callable[[Size, int], Rows]] = {
    "bias": bias_rows,
    "gaussian": gaussian_rows,
    "families": families_rows,
    "mixing": mixing_rows,
    "sharpening": sharpening_rows,
}


def simulate(chapter: str, preset: str, seed: int) -> pd.DataFrame:
    """The rows of one seed of a chapter, as the tidy frame of an experiment."""
    rows = pd.DataFrame(CHAPTERS[one_of("chapter", chapter, CHAPTERS)](size(preset), seed))
    rows = rows.assign(section=chapter, preset=preset, data=SOURCE, seed=seed)
    return rows[[*KEY, "value"]]


def write(chapter: str, preset: str, seed_values: Iterable[int], out: Path) -> Path:
    """Simulate and write the table of a chapter with its provenance; returns its folder."""
    frames, records = [], []
    config = {"repeats": size(preset).repeats, "iterations": size(preset).long}
    for seed in seed_values:
        start = time.monotonic()
        frames.append(simulate(chapter, preset, seed))
        run = provenance.collect(1, wall_s=time.monotonic() - start)
        records.append(
            {
                "section": chapter,
                "preset": preset,
                "variant": "",
                "regime": "",
                "seed": seed,
                "config": config,
                "data": {"source": SOURCE},
                "package_version": __version__,
                "provenance": run,
            }
        )
    folder = out / chapter / f"{preset}-{SOURCE}"
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.concat(frames).sort_values(KEY, kind="stable")
    frame["value"] = [float(f"{value:.6g}") for value in frame["value"]]
    write_text(folder / "metrics.csv", frame.to_csv(index=False, lineterminator="\n"))
    write_json(folder / "provenance.json", records)
    return folder
