"""What the theory chapters show: their results, points on lines of theory, and sentences with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from .. import sections
from ..evidence import results
from ..evidence.statistics import by_iteration, by_seed
from ..theory import bias, published
from . import figures, notebook
from .notebook import Opened

FACES = {"cpu-celeba_89x109": "CelebA", "cpu-orl": "ORL"}  # results of the faces -> their name
EQUAL_STEPS = {
    "replace": "",
    "accumulate": "protocol=steps",
}  # the variants trained for as many steps
VARIETY = "sample_variance_ratio"
LAWS = ("$t$", "$H_t$", r"$\sum 1/i^2$")


def open_chapter(
    chapter: str,
    *,
    preset: str,
    seeds: Sequence[int],
    regimes: Sequence[str],
    recompute: bool,
    results_dir: str = "",
) -> Opened:
    """The committed results of a theory chapter and, with ``recompute``, its simulations at a preset."""
    notebook.check_parameters(preset, seeds, regimes, recompute)
    root = results.root(results_dir)
    name = f"cpu-{published.SOURCE}"
    committed = {
        folder.name: results.named(chapter, folder.name, root)
        for folder in sorted((root / chapter).iterdir())
        if (folder / "metrics.csv").is_file()
    }
    ordered = {name: committed.pop(name), **committed}
    run, run_name = None, ""
    if recompute:
        run = pd.concat([published.simulate(chapter, preset, seed) for seed in seeds])
        run_name = f"{preset}-{published.SOURCE}"
    return Opened(chapter, ordered, run, run_name, list(regimes), root)


def table(frame: pd.DataFrame, variant: str, regime: str, metric: str = "value") -> pd.DataFrame:
    """Mean and interval over seeds of a simulated case, by iteration."""
    return by_iteration(frame, metric, variant=variant, regime=regime)


def points(ax: Axes, frame: pd.DataFrame, variant: str, regime: str, **style: object) -> None:
    """Simulated means with 95% intervals over seeds."""
    shown = table(frame, variant, regime)
    style = {
        "color": figures.COLOURS[regime],
        "fmt": figures.MARKS[regime],
        "markersize": 5,
        **style,
    }
    if (shown["n"] > 1).all():
        style["yerr"] = [shown["mean"] - shown["low"], shown["high"] - shown["mean"]]
    ax.errorbar(shown["iteration"], shown["mean"], **style)


def line(ax: Axes, regime: str, values: np.ndarray, label: str = "", **style: object) -> None:
    """A closed form for t = 1..N in the colour of its regime."""
    t = np.arange(1, len(values) + 1)
    name = label or figures.LABELS[regime]
    ax.plot(
        t, values, **{"color": figures.COLOURS[regime], "label": name, "linewidth": 1.5, **style}
    )


def z_scores(ax: Axes, frame: pd.DataFrame) -> pd.DataFrame:
    """Sorted z-scores against N(0, 1); returns them.

    Fits of one chain share its history, so each cell (case, regime, seed) gives one of its fits, in turn.
    """
    rows = frame[frame["metric"] == "z"]
    groups = [
        cell.sort_values("iteration") for _, cell in rows.groupby(["variant", "regime", "seed"])
    ]
    chosen = pd.concat([cell.iloc[[(3 * place) % len(cell)]] for place, cell in enumerate(groups)])
    chosen = chosen.sort_values("value")
    quantiles = stats.norm.ppf((np.arange(len(chosen)) + 0.5) / len(chosen))
    for regime in figures.LABELS:
        here = (chosen["regime"] == regime).to_numpy()
        style = {"color": figures.COLOURS[regime], "label": figures.LABELS[regime], "markersize": 4}
        ax.plot(quantiles[here], chosen["value"][here], figures.MARKS[regime], **style)
    ends = np.array([-3.0, 3.0])
    ax.plot(ends, ends, color=figures.REPORTED, linewidth=1)
    ax.set(xlabel="quantile of N(0, 1)", ylabel="(simulation - formula) / standard error")
    return chosen


def z_text(chosen: pd.DataFrame) -> str:
    """What chance would give, and what the z-scores are, in a sentence."""
    z = chosen["value"].to_numpy()
    p = stats.kstest(z, "norm").pvalue
    return (
        f"Of {len(z)} independent cells, {np.mean(np.abs(z) <= 1.96):.0%} have a $z$-score within "
        f"$\\pm 1.96$, where chance gives 95%; the largest is {np.abs(z).max():.1f} "
        f"(Kolmogorov-Smirnov test against $N(0, 1)$: $p$ = {p:.2f})."
    )


def face_spectrum(preset: str, data: str = sections.DEFAULT, most: int = 100) -> pd.DataFrame:
    """Eigenvalues of the covariance of real training faces, as shares of the test faces' total variance.

    The unit is that of the metric ``sample_variance_ratio``; the ``most`` largest.
    """
    faces, _ = sections.make("images", preset=preset, regime="replace", seed=0, data=data)
    train, test = (np.asarray(part).reshape(len(part), -1) / 255 for part in faces.real_data())
    singular = np.linalg.svd(train - train.mean(axis=0), compute_uv=False)
    shares = np.square(singular) / len(train) / test.var(axis=0).sum()
    shares = shares[:most]
    return pd.DataFrame({"rank": np.arange(1, len(shares) + 1), "eigenvalue": shares})


def predicted_variety(
    spectrum: pd.DataFrame, first: float, regime: str, iterations: int
) -> np.ndarray:
    """Variance share of the samples of a linear VAE whose first fit keeps ``first`` of it, t = 1..N."""
    eigenvalues = spectrum["eigenvalue"].to_numpy()
    noise = bias.vae_noise(eigenvalues, first)
    return bias.vae_eigenvalue(eigenvalues, noise, regime, iterations).sum(axis=0)


def face_errors(
    frame: pd.DataFrame, spectrum: pd.DataFrame, data: str, preset: str
) -> pd.DataFrame:
    """Tidy rows of the distance |measured - predicted| of the faces' variance share.

    Each seed is calibrated on its own first fit; ``prediction_error`` averages over the later fits so far.
    """
    rows = []
    for regime, variant in EQUAL_STEPS.items():
        measured = by_seed(frame, VARIETY, regime=regime, variant=variant)
        for seed, values in measured.iterrows():
            predicted = predicted_variety(spectrum, values.iloc[0], regime, len(values))
            errors = np.abs(values.to_numpy() - predicted)[1:]
            average = np.cumsum(errors) / np.arange(1, len(errors) + 1)
            for t, value in zip(values.index[1:], average, strict=True):
                rows.append((regime, seed, t, "prediction_error", float(f"{value:.6g}")))
    found = pd.DataFrame(rows, columns=["regime", "seed", "iteration", "metric", "value"])
    found = found.assign(section="bias", preset=preset, data=data, variant="")
    return found[[*published.KEY, "value"]]


def faces(axes: Sequence[Axes], root: Path) -> None:
    """Measured variance share of the samples of faces, on the lines of a linear VAE; a panel a data set."""
    for ax, (name, title) in zip(axes, FACES.items(), strict=True):
        frame = results.named("images", name, root)
        spectrum = results.read_csv(root / "bias" / name / "spectrum.csv")
        for regime, variant in EQUAL_STEPS.items():
            measured = by_iteration(frame, VARIETY, regime=regime, variant=variant)
            first = measured["mean"].iloc[0]
            predicted = predicted_variety(spectrum, first, regime, len(measured))
            line(ax, regime, predicted, f"{figures.LABELS[regime]}, predicted from fit 1")
            figures.curve(ax, measured, regime, linestyle="none")
        ax.set(xlabel="model-fitting iteration $t$", title=title, ylim=(0, None))
        ax.set_xticks(range(1, len(measured) + 1))
    axes[0].set_ylabel("variance of samples / real")


def faces_text(root: Path) -> str:
    """How close the prediction comes at the last fit, in a sentence for each data set."""
    told = []
    for name, title in FACES.items():
        frame = results.named("images", name, root)
        spectrum = results.read_csv(root / "bias" / name / "spectrum.csv")
        ends = []
        for regime, variant in EQUAL_STEPS.items():
            measured = by_iteration(frame, VARIETY, regime=regime, variant=variant)["mean"]
            end = predicted_variety(spectrum, measured.iloc[0], regime, len(measured))[-1]
            ends.append(f"{figures.LABELS[regime]} {measured.iloc[-1]:.2f} (predicted {end:.2f})")
        told.append(
            f"{title}: the first fit keeps {measured.iloc[0]:.2f} of the variance, fit {len(measured)} "
            f"keeps under {' and under '.join(ends)}"
        )
    return "; ".join(told) + "."


def law_table(root: Path) -> pd.DataFrame:
    """R^2 of the mean curve under accumulate on three laws of growth."""
    wanted = [
        *((("images", name, "protocol=steps", VARIETY), f"{title}, variance") for name, title in FACES.items()),
        *((("images", name, "protocol=steps", "frechet_distance"), f"{title}, Fréchet distance")
          for name, title in FACES.items()),
        (("own_model", "own-own", "", "negative_log_likelihood"), "your own model, log-likelihood"),
    ]  # fmt: skip
    rows = {}
    for (section, name, variant, metric), label in wanted:
        frame = results.named(section, name, root)
        mean = by_iteration(frame, metric, regime="accumulate", variant=variant)["mean"]
        i = np.arange(1.0, len(mean) + 1)
        laws = (i, np.cumsum(1 / i), np.cumsum(1 / i**2))
        rows[label] = {
            law: f"{np.corrcoef(values, mean)[0, 1] ** 2:.2f}"
            for law, values in zip(LAWS, laws, strict=True)
        }
    shown = pd.DataFrame.from_dict(rows, orient="index")
    shown.index.name = f"$R^2$ under {figures.LABELS['accumulate']}"
    return shown
