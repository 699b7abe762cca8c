"""Which of your model's errors accumulate, and which average out: one call, from its own chains.

The closed forms are those of :mod:`collapse_utils.theory.bias`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import InputError, check_integer
from .bias import bias, is_bounded, variance
from .chains import ACCUMULATING


@dataclass(frozen=True)
class Diagnosis:
    """The result of :func:`errors_accumulate` for one statistic, in that statistic's units."""

    regime: str
    bias_per_fit: float  # of the first fit
    low: float  # 95% interval of bias_per_fit over seeds
    high: float
    noise_per_fit: float  # standard deviation that the first fit adds
    horizon: int
    bias_at_horizon: float
    noise_at_horizon: float  # standard deviation
    bounded: bool  # whether the bias, if there is one, stays bounded as t grows

    @property
    def biased(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        growing = "stays bounded" if self.bounded else "accumulates"
        noise = "averages out" if self.regime in ACCUMULATING else "accumulates"
        return (
            f"bias {growing if self.biased else 'not distinguishable from zero'}: "
            f"{self.bias_per_fit:.3g} per fit [{self.low:.3g}, {self.high:.3g}], "
            f"{self.bias_at_horizon:.3g} at fit {self.horizon}; "
            f"noise {noise}: standard deviation "
            f"{self.noise_per_fit:.3g} at fit 1, {self.noise_at_horizon:.3g} at fit {self.horizon}"
        )


def errors_accumulate(
    errors: ArrayLike, regime: str, *, horizon: int = 1000, decay: float = 0.0
) -> Diagnosis:
    """Which of a model's errors accumulate and which average out, from its own chains.

    Parameters
    ----------
    errors : (seeds, N), at least two seeds: a statistic that is linear in the data (a mean, a
        share, a second moment) of each fit's samples, minus its value in the real data.
    regime : the regime of these chains.
    horizon : the fit to forecast.
    decay : b_k = b_1 k^-decay; 0 is a bias that is the same at every fit.

    The increments e_t - e_{t-1}, divided by those of the total bias for b_1 = 1, are unbiased
    estimates of b_1.  Each seed gives their weighted mean, whose weights are optimal if increments
    are independent (as they are without subsampling).  The seeds give a t-interval.  The noise
    includes that of the sample on which the statistic is measured.
    """
    e = np.asarray(errors, float)
    if e.ndim != 2 or len(e) < 2 or e.shape[1] < 1 or not np.all(np.isfinite(e)):
        raise InputError(
            "errors", f"shape {e.shape}", "finite numbers, shape (seeds >= 2, fits >= 1)"
        )
    check_integer("horizon", horizon, 1)
    N = e.shape[1]
    k = np.arange(1.0, max(N, horizon) + 1)
    g, v = bias(k**-decay, regime), variance(regime, len(k))
    steps = np.diff(g[:N], prepend=0.0)
    weights = steps**2 / np.diff(v[:N], prepend=0.0)
    b = np.diff(e, axis=1, prepend=0.0) @ (weights / steps) / weights.sum()
    margin = float(stats.t.ppf(0.975, len(b) - 1) * b.std(ddof=1) / np.sqrt(len(b)))
    mean, noise = float(b.mean()), float(np.sqrt(np.mean(e.var(axis=0, ddof=1) / v[:N])))
    return Diagnosis(
        regime=regime,
        bias_per_fit=mean,
        low=mean - margin,
        high=mean + margin,
        noise_per_fit=noise,
        horizon=int(horizon),
        bias_at_horizon=mean * float(g[horizon - 1]),
        noise_at_horizon=noise * float(np.sqrt(v[horizon - 1])),
        bounded=is_bounded(regime, decay),
    )
