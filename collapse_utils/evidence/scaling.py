"""How much chains rise, by the size of the model and of the training set, and forecasts of it.

A cell is a pair of P parameters and N real items; its chains are one variant.
``results/scale/predictions.yml`` defines the slopes, the three forms and their forecast; this
module computes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from ..language.config import PRESETS, LanguageConfig
from ..presets import override
from .rows import Rows, part
from .verdicts import Part

PRESET = "scale"
AXES = ("stories", "parameters")  # columns of a table of cells, in the order of the slopes
CENTRE = np.log2([250, 2**19])  # where the intercept is, so that coefficients are readable


def llama_parameters(config: LanguageConfig) -> int:
    """Parameters of an untied Llama: embeddings, attention, gated feed-forward layers and norms."""
    width = config.hidden
    layer = 4 * width**2 + 3 * width * config.ffn + 2 * width
    return 2 * config.vocabulary * width + config.layers * layer + width


def config_of(variant: str, preset: str = PRESET) -> LanguageConfig:
    """The configuration of a variant of a preset of the language models."""
    return override(PRESETS[preset], variant.split(",") if variant else [])


def rises(frame: pd.DataFrame, metric: str, regime: str, preset: str = PRESET) -> pd.DataFrame:
    """One row for each chain: variant, seed, stories, parameters and, of the metric, first (fit 1),
    final, rise (final - first) and later (mean of the later fits - first).

    ``frame`` has tidy results of language models at ``preset``.
    """
    part = frame[(frame["metric"] == metric) & (frame["regime"] == regime)]
    fits = part.pivot(index=["variant", "seed"], columns="iteration", values="value")
    if fits.shape[1] < 2:
        return pd.DataFrame(columns=["variant", "seed", "first", "final", "rise", "later", *AXES])
    first, final = fits.iloc[:, 0], fits.iloc[:, -1]
    later = fits.iloc[:, 1:].mean(axis=1) - first
    columns = {"first": first, "final": final, "rise": final - first, "later": later}
    table = pd.DataFrame(columns).dropna().reset_index()
    configs = [config_of(variant, preset) for variant in table["variant"]]
    table["stories"] = [config.stories for config in configs]
    table["parameters"] = [llama_parameters(config) for config in configs]
    return table


def slopes(table: pd.DataFrame, cells: Sequence[str] = (), column: str = "rise") -> pd.DataFrame:
    """The change of a column of :func:`rises` per doubling of each axis while the other is fixed:
    one row for each seed that has all ``cells``.
    """
    if cells:
        table = table[table["variant"].isin(cells)]
    by_seed = {
        seed: np.linalg.lstsq(design_matrix(own), own[column], rcond=None)[0][1:]
        for seed, own in table.groupby("seed")
        if not cells or len(own) == len(cells)
    }
    return pd.DataFrame.from_dict(by_seed, orient="index", columns=AXES, dtype=float)


def design_matrix(table: pd.DataFrame) -> np.ndarray:
    """(chains, 3): 1, log2 N and log2 P, centred."""
    return np.column_stack([np.ones(len(table)), np.log2(table[list(AXES)]) - CENTRE])


def falls_with(rows: Rows, of: str, over: str, cells: Sequence[str]) -> list[Part]:
    """The rise falls as ``over`` doubles: the slope of each seed that has all ``cells``."""
    return [part(slopes(rises(rows.frame, rows.metric, of), cells)[over], 0.0, -1)]


def arms(of: str, cells: Sequence[str], **_: object) -> list[tuple[str, str]]:
    """The (regime, variant) of the chains that a claim with these options reads."""
    return [(of, variant) for variant in cells]


TESTS: dict[str, Callable[..., list[Part]]] = {"falls_with": falls_with}
EFFECTS = {"falls_with": "slope of the rise of {of} per doubling"}


@dataclass(frozen=True)
class Form:
    """A form fitted to chains: its parameters and their covariance, and its error at edges of the
    grid when it is fitted without them.
    """

    name: str
    values: np.ndarray
    error: float  # s: root-mean-square error at the edges, in the unit of the rise
    unscaled: np.ndarray  # (X'X)^-1, the covariance of the parameters / error^2

    def forecast(self, x: np.ndarray) -> tuple[float, float]:
        """Mean and standard error for one new chain at ``x``, a row of :func:`design_matrix`."""
        slope = _gradient(self.name, self.values, x[None])[0]
        return (
            float(_predict(self.name, self.values, x[None])[0]),
            self.error * math.sqrt(1 + slope @ self.unscaled @ slope),
        )


FORMS = ("line", "power", "floor")


def _predict(name: str, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The rise that a form predicts at the rows ``x`` of :func:`design_matrix`."""
    inner = x @ values[:3]
    if name == "line":
        return inner
    return np.exp(inner) + (values[3] if name == "floor" else 0.0)


def _gradient(name: str, values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Derivatives of :func:`_predict` with respect to the parameters: (rows, parameters)."""
    if name == "line":
        return x
    gradient = np.exp(x @ values[:3])[:, None] * x
    return np.column_stack([gradient, np.ones(len(x))]) if name == "floor" else gradient


def _least_squares(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The parameters of a form; those of ``power`` minimise the error of the logarithm."""
    if name == "line":
        return np.linalg.lstsq(x, y, rcond=None)[0]
    positive = y > 0  # a chain that does not rise has no logarithm
    power = np.linalg.lstsq(x[positive], np.log(y[positive]), rcond=None)[0]
    if name == "power":
        return power
    free = np.full(3, np.inf)
    return optimize.least_squares(
        lambda values: _predict(name, values, x) - y,
        [*power, 0.1 * max(float(np.median(y)), 1e-3)],
        jac=lambda values: _gradient(name, values, x),
        bounds=([*-free, 0.0], [*free, np.inf]),
        x_scale="jac",
    ).x


def edge_errors(table: pd.DataFrame, axis: str, name: str) -> np.ndarray:
    """Forecast - rise of the chains at the largest value of an axis, for a form that is fitted
    without them.
    """
    x, y = design_matrix(table), table["rise"].to_numpy(float)
    edge = (table[axis] == table[axis].max()).to_numpy()
    return _predict(name, _least_squares(name, x[~edge], y[~edge]), x[edge]) - y[edge]


def fit(table: pd.DataFrame) -> list[Form]:
    """The three forms, fitted to the chains of :func:`rises`."""
    x, y = design_matrix(table), table["rise"].to_numpy(float)
    forms = []
    for name in FORMS:
        errors = np.concatenate([edge_errors(table, axis, name) for axis in AXES])
        values = _least_squares(name, x, y)
        gradient = _gradient(name, values, x[y > 0] if name == "power" else x)
        unscaled = np.linalg.pinv(gradient.T @ gradient)
        forms.append(Form(name, values, float(np.sqrt(np.mean(np.square(errors)))), unscaled))
    return forms


@dataclass(frozen=True)
class Forecast:
    """The forecast for one new chain, with a 95% interval, in the unit of the rise."""

    mean: float
    low: float
    high: float


def forecast(forms: Sequence[Form], stories: float, parameters: float) -> Forecast:
    """The mixture of the forms' normal distributions at a cell, weighted by 1/error^2."""
    x = np.array([1.0, *(np.log2([stories, parameters]) - CENTRE)])
    weights = np.array([form.error**-2 for form in forms])
    weights /= weights.sum()
    means, errors = np.array([form.forecast(x) for form in forms]).T

    def quantile(level: float) -> float:
        reach = 10 * errors.max()
        return float(
            optimize.brentq(
                lambda y: weights @ stats.norm.cdf((y - means) / errors) - level,
                means.min() - reach,
                means.max() + reach,
            )
        )

    return Forecast(float(weights @ means), quantile(0.025), quantile(0.975))
