"""What the theory chapters share: their results, points and lines of theory, z-scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from ..evidence import results
from ..evidence.statistics import by_iteration, estimate
from ..theory import published
from . import figures, notebook
from .notebook import Opened


def open_chapter(
    chapter: str,
    *,
    preset: str,
    seeds: Sequence[int],
    regimes: Sequence[str],
    recompute: bool,
    results_dir: str = "",
) -> Opened:
    """The committed results of a chapter and, with ``recompute``, its simulations at a preset."""
    notebook.check_parameters(preset, seeds, regimes, recompute, shares=False)
    root = results.root(results_dir)
    committed = {
        folder.name: results.named(chapter, folder.name, root)
        for folder in sorted((root / chapter).iterdir())
        if (folder / "metrics.csv").is_file()
    }
    reference = f"cpu-{published.SOURCE}"
    ordered = {reference: committed.pop(reference), **committed}
    run, run_name = None, ""
    if recompute:
        run = pd.concat([published.simulate(chapter, preset, seed) for seed in seeds])
        run_name = f"{preset}-{published.SOURCE}"
    return Opened(chapter, ordered, run, run_name, list(regimes), root)


def table(frame: pd.DataFrame, variant: str, regime: str, metric: str = "value") -> pd.DataFrame:
    """Mean and interval over seeds of a simulated case, by iteration."""
    return by_iteration(frame, metric, variant=variant, regime=regime)


def means(frame: pd.DataFrame, variant: str, regime: str, metric: str = "value") -> pd.Series:
    """Mean over seeds of a simulated case, by iteration."""
    return table(frame, variant, regime, metric).set_index("iteration")["mean"]


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
        style["yerr"] = figures.yerr(shown)
    ax.errorbar(shown["iteration"], shown["mean"], **style)


def line(ax: Axes, regime: str, values: np.ndarray, label: str = "", **style: object) -> None:
    """A closed form for t = 1..N in the colour of its regime."""
    style = {
        "color": figures.COLOURS[regime],
        "label": label or figures.LABELS[regime],
        "linewidth": 1.5,
        **style,
    }
    ax.plot(np.arange(1, len(values) + 1), values, **style)


def _independent_z(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows of one z-score for each cell, which ``keys`` define.

    The fits of a chain share its history, so their z-scores are correlated.  Which fit is taken
    varies from cell to cell.
    """
    cells = frame[frame["metric"] == "z"].sort_values("iteration", kind="stable").groupby(keys)
    return pd.concat([cell.iloc[[(3 * i) % len(cell)]] for i, (_, cell) in enumerate(cells)])


def z_scores(ax: Axes, frame: pd.DataFrame) -> pd.DataFrame:
    """Draw sorted independent z-scores against quantiles of N(0, 1); returns their rows."""
    chosen = _independent_z(frame, ["variant", "regime", "seed"]).sort_values("value")
    quantiles = stats.norm.ppf((np.arange(len(chosen)) + 0.5) / len(chosen))
    for regime in figures.LABELS:
        own = (chosen["regime"] == regime).to_numpy()
        style = {"color": figures.COLOURS[regime], "label": figures.LABELS[regime], "markersize": 4}
        ax.plot(quantiles[own], chosen["value"][own], figures.MARKS[regime], **style)
    ends = np.array([-3.0, 3.0])
    ax.plot(ends, ends, color=figures.REPORTED, linewidth=1)
    ax.set(xlabel="quantile of N(0, 1)", ylabel="(simulation - formula) / standard error")
    return chosen


def z_text(chosen: pd.DataFrame) -> str:
    """A sentence that compares the z-scores with what chance gives."""
    z = chosen["value"].to_numpy()
    p = stats.kstest(z, "norm").pvalue
    return (
        f"Of {len(z)} independent cells, {np.mean(np.abs(z) <= 1.96):.0%} have a z-score within "
        f"±1.96, where chance gives 95%; the largest is {np.abs(z).max():.1f} "
        f"(Kolmogorov-Smirnov test against N(0, 1): p = {p:.2f})."
    )


def agreement(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """A row for each closed form: its settings, |simulation/formula - 1| over seeds, and z-scores.

    ``names`` are the values of ``column`` (regime, or the start of a variant) with their labels.
    """
    rows = {}
    for name, label in names.items():
        own = frame[frame[column].str.split(",").str[0] == name]
        final = own[own["iteration"] == own["iteration"].max()]
        error = final[final["metric"] == "formula_error"].groupby("seed")["value"].mean() * 100
        z = _independent_z(own, ["regime", "variant", "seed"])["value"].abs()
        rows[label] = {
            "settings": own.groupby(["regime", "variant"]).ngroups,
            "|simulation / formula - 1| (%)": estimate(error).text(2),
            "|z| < 1.96": f"{(z < 1.96).mean():.0%} of {len(z)}",
            "largest |z|": f"{z.max():.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
