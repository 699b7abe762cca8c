"""The figures and numbers of the chapter on families: risks, collapse, logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes

from ..theory import families, published
from ..theory.bias import variance
from . import figures
from .theory import line, means, points, table

MARKS = {
    "normal": "o",
    "Poisson": "s",
    "Bernoulli": "^",
    "exponential": "D",
    "geometric": "v",
    "uniform": "x",
}
TITLES = {
    "breast-cancer": "breast cancer, 10 features",
    "diabetes": "diabetes",
    "wine": "wine",
    "breast-cancer-30": "breast cancer, 30 features",
}


def risks(ax: Axes, frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Risk in units of the first fit's: every family but the uniform on the curve of its regime."""
    for regime in (name for name in names if name in ("replace", "accumulate")):
        colour, last = figures.COLOURS[regime], 1000 if regime == "accumulate" else 20
        line(ax, regime, variance(regime, last))
        for family, mark in MARKS.items():
            risk = means(frame, family, regime).loc[:last]
            style = {"color": colour, "markersize": 5, "linestyle": "none", "mfc": "none"}
            ax.plot(risk.index, risk / risk.iloc[0], mark, **style)
    for family, mark in MARKS.items():
        ax.plot([], [], mark, color=figures.REPORTED, mfc="none", label=family)
    ax.axhline(np.pi**2 / 6, color=figures.REPORTED, linewidth=1, linestyle=":")
    ax.set(xscale="log", yscale="log", xlabel="iteration $t$", ylabel="risk / first fit")
    ax.set(title="natural families and the uniform, $n$ = 100")


def collapse(ax: Axes, frame: pd.DataFrame) -> None:
    """The share of chains that have collapsed under accumulate, in our family."""
    line(ax, "accumulate", families.collapse_probability(published.COLLAPSE_C, 100, 100))
    points(ax, frame, "collapsing", "accumulate")
    ax.set(xscale="log", xlabel="iteration $t$", ylabel="share of chains collapsed", ylim=(0, 1))
    ax.set(title="a family that collapses while accumulating")


def logistic(axes: Sequence[Axes], frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Test log-loss of logistic regression; a panel for each real table."""
    for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
        for regime in names:
            shown = table(frame, name, regime, "log_loss")
            if len(shown):
                figures.curve(ax, shown, regime)
        ax.set(xscale="log", yscale="log", xlabel="iteration $t$", title=title)
        ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 4)))
        ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(ticker.NullFormatter())
    axes[0].set_ylabel("test log-loss (nats)")


def logistic_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Test log-loss at the first and the final fit.  The divergence of the final fit from the first
    on the training rows, and its expansion.
    """
    rows = {}
    for name, title in TITLES.items():
        for regime in ("accumulate", "replace"):
            loss, excess, formula = (
                means(frame, name, regime, metric)
                for metric in ("log_loss", "excess", "excess_formula")
            )
            last = int(loss.index[-1])
            rows[title, figures.LABELS[regime]] = {
                "log-loss, fit 1": f"{loss.loc[1]:.3f}",
                f"fit {last}": f"{loss.loc[last]:.3f}",
                "divergence from fit 1": f"{excess.loc[last]:.4f}",
                "expansion": f"{formula.loc[last]:.4f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def numbers(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers in the chapter's sentences."""
    growths = []
    for family in ("Poisson", "Bernoulli", "exponential", "geometric"):
        risk = means(frame, family, "accumulate")
        growths.append(risk.iloc[-1] / risk.iloc[0])
    collapsed = means(frame, "collapsing", "accumulate")
    loss = {
        (name, regime): means(frame, name, regime, "log_loss")
        for name in ("diabetes", "breast-cancer-30")
        for regime in ("accumulate", "replace")
    }
    return {
        "lowest": min(growths),
        "highest": max(growths),
        "collapsed_2": collapsed.loc[2],
        "collapsed_100": collapsed.loc[100],
        "diabetes_first": loss["diabetes", "replace"].iloc[0],
        "diabetes_accumulate": loss["diabetes", "accumulate"].iloc[-1],
        "diabetes_replace": loss["diabetes", "replace"].iloc[-1],
        "separable_first": loss["breast-cancer-30", "replace"].iloc[0],
        "separable_accumulate": loss["breast-cancer-30", "accumulate"].iloc[-1],
        "separable_replace": loss["breast-cancer-30", "replace"].iloc[-1],
    }
