"""The figures, tables and numbers of the chapter on bias: faces, a linear VAE, laws of growth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..evidence import results
from ..evidence.statistics import by_iteration, by_seed, summary
from ..theory import bias, published
from . import figures
from .long_chains import FACES as LONG
from .theory import line, points

EQUAL_STEPS = {"replace": "", "accumulate": "protocol=steps"}  # variants trained for as many steps
FACES = {  # results of the image section -> their title, and the variant of each regime
    "cpu-celeba_89x109": ("CelebA", EQUAL_STEPS),
    "cpu-orl": ("ORL", EQUAL_STEPS),
    "smoke-orl": ("ORL, 50 fits", {"replace": LONG, "accumulate": LONG}),
}
VARIETY = "sample_variance_ratio"
SHRINKING = "accumulate, bias that falls as data grow"
LAWS = ("t", "Hₜ = Σ 1/i", "Σ 1/i²")


def predicted_variety(
    spectrum: pd.DataFrame, first: float, regime: str, iterations: int
) -> np.ndarray:
    """Variance share of the samples of a linear VAE whose first fit keeps ``first``, t = 1..N."""
    eigenvalues = spectrum["eigenvalue"].to_numpy()
    noise = bias.vae_noise(eigenvalues, first)
    return bias.vae_eigenvalue(eigenvalues, noise, regime, iterations).sum(axis=0)


def measured(name: str, root: Path) -> dict[str, pd.DataFrame]:
    """Variance share of samples of faces at equal steps, by regime.

    Each table has a row for each seed and a column for each fit.  Regimes that are not in the
    results ``name`` are left out.
    """
    frame, variants = results.named("images", name, root), FACES[name][1]
    tables = {}
    for regime, variant in variants.items():
        table = by_seed(frame, VARIETY, regime=regime, variant=variant)
        if table.size:
            tables[regime] = table
    return tables


def spectrum_of(name: str, root: Path) -> pd.DataFrame:
    """The committed spectrum of the real faces of these results."""
    return results.read_csv(root / "bias" / name / "spectrum.csv")


def available(root: Path) -> list[str]:
    """The names of ``FACES`` with chains and a spectrum."""
    names = [name for name in FACES if (root / "bias" / name / "spectrum.csv").is_file()]
    return [name for name in names if measured(name, root)]


def faces(axes: Sequence[Axes], root: Path) -> None:
    """Variance share of samples of faces, and lines of a linear VAE; a panel for each data set."""
    for ax, name in zip(axes, available(root), strict=True):
        spectrum = spectrum_of(name, root)
        for regime, table in measured(name, root).items():
            first, fits = table.iloc[:, 0].mean(), table.shape[1]
            predicted = predicted_variety(spectrum, first, regime, fits)
            line(ax, regime, predicted, f"{figures.LABELS[regime]}, predicted from fit 1")
            shown = summary(table)
            figures.curve(ax, shown, regime, linestyle="none", markersize=4 if fits > 10 else 6)
        ax.set(xlabel="iteration $t$", title=FACES[name][0], ylim=(0, None))
        ax.set_xticks(range(1, fits + 1) if fits <= 10 else [1, *range(10, fits + 1, 10)])
    axes[0].set_ylabel("variance of samples / real")


def numbers(root: Path) -> dict[str, float]:
    """The numbers in the chapter's sentences: measured and predicted variance shares."""
    values = {}
    for name in available(root):
        title, spectrum = FACES[name][0], spectrum_of(name, root)
        for regime, table in measured(name, root).items():
            means = table.mean()
            predicted = predicted_variety(spectrum, means.iloc[0], regime, len(means))
            values |= {
                f"{title}_first": means.iloc[0],
                f"{title}_{regime}": means.iloc[-1],
                f"{title}_{regime}_predicted": predicted[-1],
                f"{title}_{regime}_10": means.iloc[9],
                f"{title}_{regime}_10_predicted": predicted[9],
            }
    return values


def law_table(root: Path) -> pd.DataFrame:
    """R^2 of the mean curve under accumulate on three laws of growth."""
    names = {"cpu-celeba_89x109": "CelebA", "cpu-orl": "ORL"}
    metrics = {VARIETY: "variance", "frechet_distance": "Fréchet distance"}
    curves = [
        (("images", name, "protocol=steps", metric), f"{title}, {words}")
        for metric, words in metrics.items()
        for name, title in names.items()
    ]
    for variant, fits in (("", 10), ("bandwidth=0.5", 200)):
        curve = ("own_model", "own-own", variant, "negative_log_likelihood")
        curves.append((curve, f"own model, log-likelihood, {fits} fits"))
    rows = {}
    for (section, name, variant, metric), label in curves:
        frame = results.named(section, name, root)
        mean = by_iteration(frame, metric, regime="accumulate", variant=variant)["mean"]
        i = np.arange(1.0, len(mean) + 1)
        laws = (i, np.cumsum(1 / i), np.cumsum(1 / i**2))
        squares = [np.corrcoef(values, mean)[0, 1] ** 2 for values in laws]
        rows[label] = {law: f"{square:.2f}" for law, square in zip(LAWS, squares, strict=True)}
    return pd.DataFrame.from_dict(rows, orient="index")


def growth(axes: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Kernel, linear VAE and shrinkage to t = 1,000: simulated points on the lines of theory."""
    t = np.arange(1.0, 1001)
    for regime in names:
        fixed = 1 + bias.bias(published.KERNEL * np.ones_like(t), regime)
        line(axes[0], regime, fixed)
        points(axes[0], frame, "kernel", regime)
        vae = bias.vae_eigenvalue(published.EIGENVALUE, published.NOISE, regime, 1000)
        line(axes[1], regime, vae)
        points(axes[1], frame, "vae", regime)
        line(axes[2], regime, bias.shrinkage(published.SHRINKAGE, regime, 1000))
        points(axes[2], frame, "shrinkage", regime)
    if "accumulate" in names:
        shrinking = 1 + bias.bias(published.KERNEL * t**-0.4, "accumulate")
        line(axes[0], "accumulate", shrinking, SHRINKING, linestyle="--")
        points(axes[0], frame, "kernel-shrinking", "accumulate", mfc="white")
        constant = bias.fixed_penalty(1 / published.SHRINKAGE - 1, "accumulate", 1000)
        line(axes[2], "accumulate", constant, SHRINKING, linestyle="--")
        points(axes[2], frame, "fixed-penalty", "accumulate", mfc="white")
    for ax, title in zip(axes, ("fixed kernel", "linear VAE", "shrinkage"), strict=True):
        ax.set(xscale="log", xlabel="iteration $t$", title=title)
    axes[0].set(yscale="log", ylabel="variance / real")
    axes[1].set_ylabel("eigenvalue")
    axes[2].set_ylabel("signal / real")


def noise_and_bias(names: Sequence[str]) -> pd.DataFrame:
    """Total bias and variance after some fits, in units of what one fit adds."""
    shown = (1, 10, 100, 1000)
    rows = {}
    for regime in names:
        growths = bias.growth(regime, 1000), bias.variance(regime, 1000)
        for kind, values in zip(("bias", "variance"), growths, strict=True):
            row = {f"t = {t:,}": f"{values[t - 1]:,.2f}" for t in shown}
            rows[figures.LABELS[regime], kind] = row
    return pd.DataFrame.from_dict(rows, orient="index")
