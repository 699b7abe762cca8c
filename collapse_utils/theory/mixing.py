"""What real data are worth: least squares when a part of every training set is real.

The setting is that of the linear chapter: x ~ N(0, I_d), y = x.w* + e, e ~ N(0, sigma2), and the
test error is E |w_t - w*|^2.  Iteration 1 fits real data alone.  Every later iteration fits r T
real rows and s T rows that the last fit labelled; r and s are amounts in units of T rows, and the
share of real rows is a = r / (r + s).  The real rows are *fresh* each time or *fixed*, always the
same ones.  A fit that gives its real rows the total weight u (u = a without weighting) carries
over the part q = 1 - u of the last error and adds noise:

    e_t = q e_{t-1} + u eta_real + q eta_synthetic,   E |eta|^2 = base/r and base/s,

with base = sigma2 d / (T - d - 1).  Fresh noise adds up as a geometric series; fixed noise is the
same vector each time, so that the fits settle around it.  Hence the errors of t -> infinity:

    fresh   base (u^2/r + q^2/s) / (1 - q^2)   without weights base (r + s) / (r (r + 2 s))
    fixed   base (1/r + (q^2/s) / (1 - q^2))   without weights base (1 + s / (r + 2 s)) / r

With r + s = 1 these are base/(a (2 - a)) and base (3 - 2 a)/(a (2 - a)).  With fresh rows the best
u solves u^2/r = (1 - u)/s and its error is base u/r; for r = s it is 1/phi, the inverse golden
ratio, and so is the error.  All of this is exact where the T rows x are the same for every label
(each row then has r real and s synthetic labels), and a limit of large T/d for other rows.

For new rows x at every iteration :func:`carry_over` makes the fresh case exact: with q replaced
by the matrix M = (X'X)^-1 X_s'X_s, E |M e|^2 = c |e|^2.  The same c gives the error of a single
fit to a mixture of real rows and rows from a wrong model, which has a floor that no amount of
data lowers.

Sources.  Derived here.  The weight agrees with He et al. 2025 (2502.18049), whose optimal weight is
(sqrt(k^2 + 4 k) - k)/2 with k = r/s.  The questions: Alemohammad et al. 2024 (fresh and fixed real
data), Bertrand et al. 2024 (share and stability), Dohmatob et al. 2024 (2410.04840, the floor);
their formulas were not available to us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import seeds
from ..errors import InputError

KINDS = ("fresh", "fixed", "accumulate")
PHI = (1 + math.sqrt(5)) / 2


def _check(field: str, value: object, allowed: str, ok: bool) -> None:
    if not ok:
        raise InputError(field, value, allowed)


def _array(field: str, value: ArrayLike, low: float, high: float = math.inf) -> np.ndarray:
    array = np.asarray(value, float)
    allowed = f"a number >= {low:g}" + ("" if math.isinf(high) else f" and <= {high:g}")
    _check(field, value, allowed, bool(np.all((array >= low) & (array <= high))))
    return array


def _amounts(r: float, s: float) -> None:
    _check("r", r, "a number > 0 (real rows, in units of T)", r > 0 and math.isfinite(r))
    _check("s", s, "a number > 0 (synthetic rows, in units of T)", s > 0 and math.isfinite(s))


def growth(kind: str, t: ArrayLike, share: ArrayLike) -> np.ndarray:
    """Test error of iteration t in units of base, for r + s = 1.

    Parameters
    ----------
    kind : ``fresh`` or ``fixed`` real rows, or ``accumulate``: every iteration adds a share of
        fresh real rows to all that came before, and all rows are kept.
    t : iterations >= 1 (infinity is allowed), any shape that broadcasts with ``share``.
    share : share a of real rows in what iteration 2, 3, ... adds; 0 gives Theorem 1 of the paper
        (replace) or, with ``accumulate``, its Theorem 2.

    Raises InputError for an unknown kind, t < 1 and a share outside [0, 1].
    """
    _check("kind", kind, "one of " + ", ".join(KINDS), kind in KINDS)
    t, a = np.broadcast_arrays(_array("t", t, 1), _array("share", share, 0, 1))
    if kind == "accumulate":
        return _accumulated(t, a)
    q = 1 - a
    with np.errstate(divide="ignore", invalid="ignore"):
        left = q ** (2 * (t - 1))  # of the first error, squared
        noise = np.where(a == 0, t - 1, (1 - left) / (1 - q**2))  # sum of q^2k, k < t - 1
        if kind == "fresh":
            return left + noise
        first = 1 / a + 2 * np.sqrt(left) * (1 - 1 / a) + left * (1 / a - 1)
    return np.where(a == 0, 1.0, first) + q * noise


def _accumulated(t: np.ndarray, a: np.ndarray) -> np.ndarray:
    """e_t = (1 - a/t) e_{t-1} + eta_t/t, term by term; decays as t^-min(1, 2a) for a > 0."""
    _check("t", t.tolist(), "finite iterations for accumulate", bool(np.all(np.isfinite(t))))
    values, error = np.empty(t.shape), np.ones(t.shape)
    for k in range(1, int(t.max()) + 1):
        error = np.ones(t.shape) if k == 1 else (1 - a / k) ** 2 * error + 1 / k**2
        values = np.where(t == k, error, values)
    return values


def settled(kind: str, r: float, s: float, weight: float | None = None) -> float:
    """Test error of t -> infinity in units of base, for r T real and s T synthetic rows.

    ``weight`` is u, the total weight of the real rows in the fit; r / (r + s) unless given.
    Raises InputError for a kind other than fresh and fixed, r or s <= 0, u outside (0, 1].
    """
    _check("kind", kind, "fresh or fixed", kind in ("fresh", "fixed"))
    _amounts(r, s)
    u = r / (r + s) if weight is None else weight
    _check("weight", weight, "a number > 0 and <= 1", 0 < u <= 1)
    synthetic, memory = (1 - u) ** 2 / s, u * (2 - u)
    return (u**2 / r + synthetic) / memory if kind == "fresh" else 1 / r + synthetic / memory


def best_weight(r: float, s: float) -> float:
    """The weight u of fresh real rows that makes :func:`settled` smallest; its error is u / r."""
    _amounts(r, s)
    ratio = r / s
    return (math.sqrt(ratio**2 + 4 * ratio) - ratio) / 2


def carry_over(real: int, synthetic: int, d: int) -> float:
    """c of E |M e|^2 = c |e|^2: how much of a squared error in the synthetic labels a fit keeps.

    Exact for Gaussian rows; -> (synthetic / T)^2 as T/d grows, T = real + synthetic.  X'X = S is
    Wishart, independent of the matrix beta U in M = S^-1/2 U S^1/2, and E U Q U = alpha Q +
    beta tr(Q) I with beta = E U_12^2.  U_11 is a beta variable and det of a 2 x 2 corner a
    product of two; E tr S tr S^-1 = d (T d - 2)/(T - d - 1) follows from the scale of S.

    Raises InputError unless real and synthetic are integers >= d and T >= d + 2.
    """
    for field, value in (("real", real), ("synthetic", synthetic)):
        _check(field, value, f"an integer >= d = {d}", isinstance(value, int) and value >= d >= 1)
    T, m = real + synthetic, synthetic
    _check("real", real, f"real + synthetic >= d + 2 = {d + 2}", d + 2 <= T)
    square, corner = m * (m + 2) / (T * (T + 2)), m * (m - 1) / (T * (T - 1))
    beta = (square - corner) / 3
    return square - beta + beta * (T * d - 2) / (T - d - 1)


def fresh_error(t: ArrayLike, real: int, synthetic: int, d: int, sigma2: float = 1.0) -> np.ndarray:
    """Test error of iteration t with new real and new synthetic rows each time: exact."""
    c, base = carry_over(real, synthetic, d), sigma2 * d / (real + synthetic - d - 1)
    left = c ** (_array("t", t, 1) - 1)
    return base * (left + (1 - left) / (1 - c))


def wrong_model_error(
    real: int,
    synthetic: int,
    d: int,
    shift2: float,
    sigma2: float = 1.0,
) -> float:
    """Test error of one fit to real rows and rows labelled by w* + delta, |delta|^2 = ``shift2``.

    Exact.  As the rows grow at a fixed share p of synthetic ones it falls to the floor p^2 shift2.
    """
    return carry_over(real, synthetic, d) * shift2 + sigma2 * d / (real + synthetic - d - 1)


@dataclass(frozen=True)
class Mixing:
    """A chain of fits to real and synthetic rows."""

    kind: str = "fresh"
    r: float = 0.5  # real labels of every row or, for new rows, real rows in units of T
    s: float = 0.5  # synthetic ones; r + s = 1 for accumulate, where they are added each time
    weight: float | None = None  # total weight u of the real rows; r / (r + s) unless given
    rows: str = "same"  # the T rows x: the same for every label, or new ones each time
    d: int = 8
    T: int = 100
    sigma2: float = 1.0
    iterations: int = 20
    repeats: int = 1000

    def __post_init__(self) -> None:
        _check("kind", self.kind, "one of " + ", ".join(KINDS), self.kind in KINDS)
        _amounts(self.r, self.s)
        _check("rows", self.rows, "same or new", self.rows in ("same", "new"))
        _check("T", self.T, f"an integer >= d + 2 = {self.d + 2}", self.d + 2 <= self.T)
        if self.kind == "accumulate":
            _check("weight", self.weight, "None for accumulate", self.weight is None)
            _check("s", self.s, "1 - r for accumulate", math.isclose(self.r + self.s, 1))
            _check("rows", self.rows, "same for accumulate", self.rows == "same")


def simulate(config: Mixing, seed: int) -> np.ndarray:
    """Test errors of ``config.repeats`` chains, shape (repeats, iterations); all repeats at once.

    Least squares is equivariant, so w* = 0 and every label is what it deviates from x.w* by.
    """
    rng = seeds.generator(seed, "mixing", repr(config))
    return (_same_rows if config.rows == "same" else _new_rows)(config, rng)


def _same_rows(config: Mixing, rng: np.random.Generator) -> np.ndarray:
    """Labels of the same rows X, averaged: the mean of k labels has the noise sigma2 / k."""
    shape = (config.repeats, config.T, 1)
    X = rng.standard_normal((config.repeats, config.T, config.d))
    solve = np.linalg.pinv(X)

    def noise(labels: float) -> np.ndarray:
        return math.sqrt(config.sigma2 / labels) * rng.standard_normal(shape)

    r, s = config.r, config.s
    u = r / (r + s) if config.weight is None else config.weight
    real = noise(r)
    mean = (r * real + s * noise(s)) / (r + s)  # of the labels that a fit sees
    w = solve @ mean
    errors = [np.sum(w**2, axis=(1, 2))]
    for t in range(2, config.iterations + 1):
        real = real if config.kind == "fixed" else noise(r)
        added = u * real + (1 - u) * (X @ w + noise(s))
        mean = mean + (added - mean) / t if config.kind == "accumulate" else added
        w = solve @ mean
        errors.append(np.sum(w**2, axis=(1, 2)))
    return np.stack(errors, axis=1)


def _new_rows(config: Mixing, rng: np.random.Generator) -> np.ndarray:
    """Other rows x for every label; a set of rows enters through X'X and X'e alone."""
    d, repeats = config.d, config.repeats
    m_real, m_synthetic = round(config.r * config.T), round(config.s * config.T)

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.standard_normal((repeats, count, d))
        e = math.sqrt(config.sigma2) * rng.standard_normal((repeats, count, 1))
        return X.swapaxes(1, 2) @ X, X.swapaxes(1, 2) @ e

    u = m_real / (m_real + m_synthetic) if config.weight is None else config.weight
    of_real, of_synthetic = u / m_real, (1 - u) / m_synthetic  # weight of one row
    real, rest = rows(m_real), rows(m_synthetic)
    w = np.linalg.solve(real[0] + rest[0], real[1] + rest[1])
    errors = [np.sum(w**2, axis=(1, 2))]
    for _ in range(config.iterations - 1):
        real = real if config.kind == "fixed" else rows(m_real)
        gram, moment = rows(m_synthetic)
        moment = of_real * real[1] + of_synthetic * (moment + gram @ w)
        w = np.linalg.solve(of_real * real[0] + of_synthetic * gram, moment)
        errors.append(np.sum(w**2, axis=(1, 2)))
    return np.stack(errors, axis=1)
