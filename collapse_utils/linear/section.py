"""Linear regression as a section: the general chain of model fits reproduces the theorems.

One chain runs ``repeats`` independent regressions side by side.  An item is row j of all of them:
an array (R, d + 1) that holds (x_j, y_j) of every repeat.  A data set is thus a float64 array
(T, R, d + 1).  The rows x come from the chain's seed; ``sample`` relabels them with the fit and
fresh noise.  Under accumulate_subsample the chain picks items, so all repeats share their picks.
Their rows and noise are independent, and the expected error is the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import seeds
from ..data import Pool
from ..errors import data_error
from ..sources import Source
from .config import DEFAULT_SOURCE, Linear, covariance_factor

TITLE = "Linear regression (section 3)"
HEADLINE = "test_error"
SOURCES = {
    "gaussian": Source(
        title="Gaussian x with the covariance and noise of the configuration, drawn from the "
        "chain's seed",
        licence="none is needed",
        citation="Gerstgrasser et al., Is Model Collapse Inevitable?, 2024, section 3",
        revision="the version of this package",
        address="",
    )
}


def make(
    config: Linear, *, data: str | Path = DEFAULT_SOURCE, seed: int, cache: Path | None = None
) -> LinearSection:
    """The section for one chain; nothing is read or downloaded."""
    if str(data) != DEFAULT_SOURCE:
        raise data_error(data, f"{DEFAULT_SOURCE} (this section draws its data from the seed)")
    return LinearSection(config, seed)


class LinearSection:
    """The four methods of the chain.  A model is the array of fits w, shape (R, d)."""

    def __init__(self, config: Linear, seed: int):
        self.config = config
        self._factor = covariance_factor(config)
        self._seed = seed
        self._x: np.ndarray | None = None

    def _rows(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return rng.standard_normal((size, self.config.repeats, self.config.d)) @ self._factor.T

    def _label(self, x: np.ndarray, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(x, x.w + noise), shape (rows, R, d + 1)."""
        y = np.einsum("trd,rd->tr", x, w) + np.sqrt(self.config.sigma2) * rng.standard_normal(
            x.shape[:2]
        )
        return np.concatenate([x, y[..., None]], axis=2)

    def real_data(self) -> tuple[np.ndarray, np.ndarray]:
        """(T, R, d + 1) rows of real data, and w*, (R, d): the test error needs no test rows."""
        rng = seeds.generator(self._seed, "linear", "real")
        w_star = rng.standard_normal((self.config.repeats, self.config.d))
        w_star *= self.config.signal / np.linalg.norm(w_star, axis=1, keepdims=True)
        self._x = self._rows(rng, self.config.T)
        return self._label(self._x, w_star, rng), w_star

    def fit(self, data: np.ndarray | Pool, seed: int, checkpoint: object = None) -> np.ndarray:
        """Least squares of every repeat, shape (R, d); nothing about it is random."""
        R, d = self.config.repeats, self.config.d
        # the Gram matrix of (x, y) holds X'X, X'y and y'y; read a slice of items at a time
        gram = np.zeros((R, d + 1, d + 1))
        step = max(1, 4_000_000 // (R * (d + 1)))
        for start in range(0, len(data), step):
            items = data[start : start + step]
            gram += items.transpose(1, 2, 0) @ items.transpose(1, 0, 2)
        s, V = np.linalg.eigh(gram[:, :d, :d])
        singular = s[:, 0] <= 1e-9 * s[:, -1]  # too few different rows; lstsq handles these
        s[singular] = 1.0
        moment = V.swapaxes(1, 2) @ gram[:, :d, d:]
        w = (V @ (moment / s[..., None]))[..., 0]
        for r in np.flatnonzero(singular):
            rows = np.asarray(data)[:, r]
            w[r] = np.linalg.lstsq(rows[:, :d], rows[:, d], rcond=None)[0]
        return w

    def sample(self, model: np.ndarray, size: int, seed: int) -> np.ndarray:
        """``size`` rows labelled by the fit with fresh noise: the real x again, or fresh x."""
        rng = seeds.generator(seed, "linear", "sample")
        if self.config.x == "fresh":
            return self._label(self._rows(rng, size), model, rng)
        if self._x is None:
            self.real_data()
        return self._label(self._x[:size], model, rng)

    def evaluate(self, model: np.ndarray, real_test: np.ndarray) -> dict[str, float]:
        """Test error |w - w*|_S^2 over repeats: mean, standard deviation, median and maximum."""
        error = np.square((model - real_test) @ self._factor).sum(axis=1)
        return {
            "test_error": float(error.mean()),
            "test_error_sd": float(error.std(ddof=1)),
            "test_error_median": float(np.median(error)),
            "test_error_max": float(error.max()),
        }
