"""What the theory chapters share: their results, points on lines of theory, z-scores."""

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

    Fits of one chain share its history, so each cell (case, regime, seed) gives one fit, in turn.
    """
    rows = frame[frame["metric"] == "z"]
    cells = rows.groupby(["variant", "regime", "seed"])
    groups = [cell.sort_values("iteration") for _, cell in cells]
    chosen = pd.concat(
        [cell.iloc[[(3 * number) % len(cell)]] for number, cell in enumerate(groups)]
    )
    chosen = chosen.sort_values("value")
    quantiles = stats.norm.ppf((np.arange(len(chosen)) + 0.5) / len(chosen))
    for regime in figures.LABELS:
        of_regime = (chosen["regime"] == regime).to_numpy()
        style = {"color": figures.COLOURS[regime], "label": figures.LABELS[regime], "markersize": 4}
        ax.plot(quantiles[of_regime], chosen["value"][of_regime], figures.MARKS[regime], **style)
    ends = np.array([-3.0, 3.0])
    ax.plot(ends, ends, color=figures.REPORTED, linewidth=1)
    ax.set(xlabel="quantile of N(0, 1)", ylabel="(simulation - formula) / standard error")
    return chosen


def z_text(chosen: pd.DataFrame) -> str:
    """What chance would give, and what the z-scores are, in a sentence."""
    z = chosen["value"].to_numpy()
    p = stats.kstest(z, "norm").pvalue
    return (
        f"Of {len(z)} independent cells, {np.mean(np.abs(z) <= 1.96):.0%} have a z-score within "
        f"±1.96, where chance gives 95%; the largest is {np.abs(z).max():.1f} "
        f"(Kolmogorov-Smirnov test against N(0, 1): p = {p:.2f})."
    )


def agreement(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """A row a closed form: its settings, |simulation/formula - 1| over seeds, and the z-scores.

    ``names`` are the values of ``column`` (regime, or the start of a variant) with their labels.
    The z-scores of one chain are correlated, so each setting and seed gives one of them, in turn.
    """
    rows = {}
    for name, label in names.items():
        own = frame[frame[column].str.split(",").str[0] == name]
        final = own[own["iteration"] == own["iteration"].max()]
        error = final[final["metric"] == "formula_error"].groupby("seed")["value"].mean() * 100
        z = own[own["metric"] == "z"].groupby(["regime", "variant", "seed"])["value"]
        chains = [values.tolist() for _, values in z]
        chosen = pd.Series([chain[(3 * i) % len(chain)] for i, chain in enumerate(chains)])
        rows[label] = {
            "settings": own.groupby(["regime", "variant"]).ngroups,
            "|simulation / formula - 1| (%)": estimate(error).text(2),
            "|z| < 1.96": f"{(chosen.abs() < 1.96).mean():.0%} of {len(chosen)}",
            "largest |z|": f"{chosen.abs().max():.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
