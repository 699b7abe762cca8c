"""What the chapter on bias shows: faces beside a linear VAE, growth of a bias, laws of growth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .. import sections
from ..durable.metrics import KEY
from ..evidence import results
from ..evidence.statistics import by_iteration, by_seed, summary
from ..theory import bias, published
from . import figures
from .long_chains import FACES as LONG
from .theory import line, points

EQUAL_STEPS = {"replace": "", "accumulate": "protocol=steps"}  # variants trained for as many steps
FACES = {  # results of the faces -> their name, and the variant of each regime
    "cpu-celeba_89x109": ("CelebA", EQUAL_STEPS),
    "cpu-orl": ("ORL", EQUAL_STEPS),
    "smoke-orl": ("ORL, 50 fits", {"replace": LONG, "accumulate": LONG}),
}
VARIETY = "sample_variance_ratio"
FADING = "accumulate, bias that falls as data grow"
LAWS = ("t", "H_t = Σ 1/i", "Σ 1/i²")


def face_spectrum(preset: str, data: str) -> pd.DataFrame:
    """Eigenvalues of the covariance of real training faces, as shares of the total variance.

    The unit is that of the metric ``sample_variance_ratio``, the test faces' total variance; the
    100 largest are given.
    """
    faces, _ = sections.make("images", preset=preset, regime="replace", seed=0, data=data)
    train, test = (np.asarray(part).reshape(len(part), -1) / 255 for part in faces.real_data())
    singular = np.linalg.svd(train - train.mean(axis=0), compute_uv=False)
    shares = np.square(singular[:100]) / len(train) / test.var(axis=0).sum()
    return pd.DataFrame({"rank": np.arange(1, len(shares) + 1), "eigenvalue": shares})


def predicted_variety(
    spectrum: pd.DataFrame, first: float, regime: str, iterations: int
) -> np.ndarray:
    """Variance share of the samples of a linear VAE whose first fit keeps ``first``, t = 1..N."""
    eigenvalues = spectrum["eigenvalue"].to_numpy()
    noise = bias.vae_noise(eigenvalues, first)
    return bias.vae_eigenvalue(eigenvalues, noise, regime, iterations).sum(axis=0)


def measured(name: str, root: Path) -> dict[str, pd.DataFrame]:
    """Variance share of samples of faces at equal steps, by regime: a row a seed, a column a fit.

    Regimes that the results ``name`` do not hold are left out.
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


def face_errors(name: str, root: Path, spectrum: pd.DataFrame) -> pd.DataFrame:
    """Tidy rows of the distance |measured - predicted| of the faces' variance share.

    Each seed is calibrated on its own first fit; ``prediction_error`` averages over the later fits
    so far.
    """
    rows = []
    for regime, table in measured(name, root).items():
        for seed, values in table.iterrows():
            predicted = predicted_variety(spectrum, values.iloc[0], regime, len(values))
            errors = np.abs(values.to_numpy() - predicted)[1:]
            average = np.cumsum(errors) / np.arange(1, len(errors) + 1)
            for t, value in zip(values.index[1:], average, strict=True):
                rows.append((regime, seed, t, "prediction_error", float(f"{value:.6g}")))
    preset, _, data = name.partition("-")
    frame = pd.DataFrame(rows, columns=["regime", "seed", "iteration", "metric", "value"])
    frame = frame.assign(section="bias", preset=preset, data=data, variant="")
    return frame[[*KEY, "value"]]


def faces(axes: Sequence[Axes], root: Path) -> None:
    """Variance share of the samples of faces, on the lines of a linear VAE; a panel a data set."""
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
    """The numbers that the chapter's sentences hold: measured and predicted variance shares."""
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
        own = ("own_model", "own-own", variant, "negative_log_likelihood")
        curves.append((own, f"own model, log-likelihood, {fits} fits"))
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
        noise = published.NOISE
        line(axes[1], regime, bias.vae_eigenvalue(published.EIGENVALUE, noise, regime, 1000))
        points(axes[1], frame, "vae", regime)
        line(axes[2], regime, bias.shrinkage(published.SHRINKAGE, regime, 1000))
        points(axes[2], frame, "shrinkage", regime)
    if "accumulate" in names:
        shrinking = 1 + bias.bias(published.KERNEL * t**-0.4, "accumulate")
        line(axes[0], "accumulate", shrinking, FADING, linestyle="--")
        points(axes[0], frame, "kernel-shrinking", "accumulate", mfc="white")
        constant = bias.fixed_penalty(1 / published.SHRINKAGE - 1, "accumulate", 1000)
        line(axes[2], "accumulate", constant, FADING, linestyle="--")
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
