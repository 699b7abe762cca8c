"""Least squares when a part of every training set is real, and the rest synthetic.

As in the linear chapter x ~ N(0, I_d), y = x.w* + e, e ~ N(0, sigma2), and the test error is
E |w_t - w*|^2.  Iteration 1 fits real data alone.  Every later iteration fits r sets of real labels
and s sets labelled by the last fit, each of T rows.  The real labels come from a pool of R sets:
R = r means always the same ones (*fixed*), R = infinity new ones each time (*fresh*).  A fit that
gives its real labels the total weight u (r / (r + s) without weighting) carries over the part
q = 1 - u of the last error.  With base = sigma2 d / (T - d - 1), the error of one set of labels,

    e_t = P + f_t,   f_t = q f_{t-1} + u delta_t + q eta_t,
    E |P|^2 = base/R,   E |delta|^2 = base (1/r - 1/R),   E |eta|^2 = base/s:

the mean noise P of the pool stays, what a draw from it and the synthetic labels add is a geometric
series.  As t -> infinity the error tends, in units of base, to

    1/R + (u^2 (1/r - 1/R) + q^2/s) / (1 - q^2)
    fresh, without weights   (1/r) (r + s) / (r + 2 s)        from 1/r down to 1/(2 r) as s grows
    fixed, without weights   (1/r) (1 + s / (r + 2 s))        from 1/r up to 3/(2 r)

so the number r decides, and the share a = r / (r + s) only a factor below 2.  With r + s = 1 these
are 1/(a (2 - a)) and (3 - 2 a)/(a (2 - a)).  With fresh labels the best weight solves
u^2/r = (1 - u)/s and its error is u/r; for r = s it is 1/phi, the inverse golden ratio.
A *bias* b of every fit grows as b (1 + q + ... + q^(t-1)) instead, to b/u: there the share decides.

Exact where all labels have the same T rows x, a limit of large T/d for other rows.  For new rows
:func:`carry_over` makes the fresh case exact: q becomes the matrix M = (X'X)^-1 X_s'X_s, and
E |M e|^2 = c |e|^2.  The same c gives the error of one fit to real rows and rows from a wrong
model, whose floor no amount of data lowers.

Sources.  Derived here.  The weight is that of He et al. 2025 (2502.18049),
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
from ..errors import check_integer, require


def _iterations(t: ArrayLike) -> np.ndarray:
    require("t", t, "iterations >= 1", bool(np.all(np.asarray(t) >= 1)))
    return np.asarray(t, float)


def _weight(r: float, s: float, weight: float | None = None) -> float:
    """The total weight u of the real labels."""
    require("r", r, "a number >= 0 (sets of real labels)", 0 <= r < math.inf)
    require("s", s, "a number > 0 (sets of synthetic labels)", 0 < s < math.inf)
    require("weight", weight, "a number from 0 to 1", weight is None or 0 <= weight <= 1)
    u = r / (r + s) if weight is None else weight
    require("weight", weight, "0 without real labels", r > 0 or u == 0)
    return u


def growth(
    t: ArrayLike, r: float, s: float, pool: float = math.inf, weight: float | None = None
) -> np.ndarray:
    """Test error of iteration t in units of base; the shape is that of ``t``.

    Parameters
    ----------
    t : iterations >= 1; infinity gives the limit, which is finite for r > 0.
    r, s : sets of real and of synthetic labels in every training set but the first; r = 0 is
        Theorem 1 of the paper (replace).
    pool : R, the sets that the r real ones are drawn from; r for the same ones each time.
    weight : u, the total weight of the real labels in a fit; r / (r + s) unless given.

    Raises InputError naming the field that is wrong.
    """
    t, u = _iterations(t), _weight(r, s, weight)
    require("pool", pool, f"a number >= r = {r}", pool >= r)
    q, kept = 1 - u, (0.0 if u == 0 else 1 / pool)  # kept: E |P|^2, in units of base
    start = 1 / (r + s) - kept  # iteration 1 fits r + s sets, from the pool if it can
    noise = (u**2 * (1 / r - kept) if u else 0.0) + q**2 / s
    left = q ** (t - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        series = (1 - left**2) / (1 - q**2) if u else t - 1
        return kept + 2 * left * min(start, 0) + left**2 * abs(start) + noise * series


def best_weight(r: float, s: float) -> float:
    """The weight u of fresh real labels with the smallest limit of :func:`growth`, which is u/r."""
    _weight(r, s)
    ratio = r / s
    return (math.sqrt(ratio**2 + 4 * ratio) - ratio) / 2


def bias_growth(t: ArrayLike, share: float) -> np.ndarray:
    """Total bias after t fits, in units of one fit's: 1 + q + ... + q^(t-1), q = 1 - share."""
    require("share", share, "a number from 0 to 1", 0 <= share <= 1)
    t = _iterations(t)
    return (1 - (1 - share) ** t) / share if share else t


def accumulated(t: ArrayLike, share: float) -> np.ndarray:
    """Error of iteration t in units of the first fit's, if fresh real data accumulate too.

    Every iteration adds one set of labels, a share of them real, to all earlier ones:
    e_t = (1 - a/t) e_{t-1} + eta_t/t.  It falls as t^-min(1, 2a); a = 0 is the paper's Theorem 2.
    """
    require("share", share, "a number from 0 to 1", 0 <= share <= 1)
    t = _iterations(t)
    require("t", t.tolist(), "finite iterations", bool(np.all(np.isfinite(t))))
    errors = [1.0]
    for k in range(2, int(t.max()) + 1):
        errors.append((1 - share / k) ** 2 * errors[-1] + 1 / k**2)
    return np.array(errors)[t.astype(int) - 1]


def carry_over(real: int, synthetic: int, d: int) -> float:
    """c of E |M e|^2 = c |e|^2: what a fit keeps of a squared error in the synthetic labels.

    Exact for Gaussian rows; -> (synthetic / T)^2 as T/d grows, T = real + synthetic.  X'X = S is
    Wishart, independent of the matrix beta U in M = S^-1/2 U S^1/2, and E U Q U = alpha Q +
    beta tr(Q) I with beta = E U_12^2.  U_11 is a beta variable and det of a 2 x 2 corner a
    product of two; E tr S tr S^-1 = d (T d - 2)/(T - d - 1) follows from the scale of S.
    InputError unless real and synthetic are integers >= d and T >= d + 2.
    """
    for field, value in (("real", real), ("synthetic", synthetic)):
        require(field, value, f"an integer >= d = {d}", isinstance(value, int) and value >= d >= 1)
    T, m = real + synthetic, synthetic
    require("real", real, f"real + synthetic >= d + 2 = {d + 2}", d + 2 <= T)
    square, corner = m * (m + 2) / (T * (T + 2)), m * (m - 1) / (T * (T - 1))
    beta = (square - corner) / 3
    return square - beta + beta * (T * d - 2) / (T - d - 1)


def fresh_error(t: ArrayLike, real: int, synthetic: int, d: int) -> np.ndarray:
    """Test error of iteration t with new rows of both kinds each time: exact, for sigma2 = 1."""
    c, base = carry_over(real, synthetic, d), d / (real + synthetic - d - 1)
    left = c ** (_iterations(t) - 1)
    return base * (left + (1 - left) / (1 - c))


@dataclass(frozen=True)
class Mixing:
    """Chains of fits to r sets of real and s sets of synthetic labels."""

    r: int = 1
    s: int = 1
    pool: int | None = None  # sets that the real ones are drawn from; None: new ones each time
    weight: float | None = None
    accumulate: bool = False  # keep every set; then r + s sets are added at each iteration
    new_rows: bool = False  # new rows x for every set (r T and s T rows); pool None or r
    d: int = 4
    T: int = 24
    iterations: int = 20
    repeats: int = 1000

    def __post_init__(self) -> None:
        for field, low in (("r", 0), ("s", 1), ("d", 1), ("iterations", 1), ("repeats", 2)):
            check_integer(field, getattr(self, field), low)
        _weight(self.r, self.s, self.weight)
        require("T", self.T, f"an integer >= d + 2 = {self.d + 2}", self.d + 2 <= self.T)
        pool = self.r if self.pool is None else self.pool
        require("pool", pool, f"an integer >= r = {self.r}", pool >= self.r)
        require("pool", pool, "r with new rows", not self.new_rows or pool == self.r)
        plain = (self.pool, self.weight, self.new_rows) == (None, None, False)
        allowed = "False with a pool, a weight or new rows"
        require("accumulate", self.accumulate, allowed, plain or not self.accumulate)


def simulate(config: Mixing, seed: int) -> np.ndarray:
    """Test errors of all chains at once, shape (repeats, iterations), in units of sigma2.

    Least squares is equivariant, so w* = 0 without loss of generality, and labels are deviations
    from x.w*.
    """
    rng = seeds.generator(seed, "mixing", repr(config))
    return (_new_rows if config.new_rows else _same_rows)(config, rng)


def _same_rows(config: Mixing, rng: np.random.Generator) -> np.ndarray:
    """One matrix X for all sets of labels: a fit depends on their mean alone."""
    X = rng.standard_normal((config.repeats, config.T, config.d))
    inverse = np.linalg.pinv(X)
    r, s, u = config.r, config.s, _weight(config.r, config.s, config.weight)

    def labels(sets: int) -> np.ndarray:
        return rng.standard_normal((sets, config.repeats, config.T, 1))

    real = labels(max(r + s, config.pool or 0))  # the pool comes first
    mean = real[: r + s].mean(axis=0)
    w = inverse @ mean
    errors = [np.sum(w**2, axis=(1, 2))]
    for t in range(2, config.iterations + 1):
        drawn = labels(r) if config.pool is None else _draw(real[: config.pool], r, rng)
        added = (1 - u) * (X @ w + labels(s).mean(axis=0))
        added += u * drawn.mean(axis=0) if r else 0.0
        mean = mean + (added - mean) / t if config.accumulate else added
        w = inverse @ mean
        errors.append(np.sum(w**2, axis=(1, 2)))
    return np.stack(errors, axis=1)


def _draw(pool: np.ndarray, r: int, rng: np.random.Generator) -> np.ndarray:
    """r of the sets of a pool (sets, repeats, ...), drawn anew for every repeat."""
    order = rng.random(pool.shape[:2]).argsort(axis=0)[:r]
    return pool[order, np.arange(pool.shape[1])]


def _new_rows(config: Mixing, rng: np.random.Generator) -> np.ndarray:
    """New rows x for every set; a fit depends on a set through X'X and X'e alone."""

    def rows(sets: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.standard_normal((config.repeats, sets * config.T, config.d))
        e = rng.standard_normal((config.repeats, sets * config.T, 1))
        return X.swapaxes(1, 2) @ X, X.swapaxes(1, 2) @ e

    u = _weight(config.r, config.s, config.weight)
    of_real, of_synthetic = u / max(config.r, 1), (1 - u) / config.s  # weight of one set
    real, more = rows(config.r), rows(config.s)
    w = np.linalg.solve(real[0] + more[0], real[1] + more[1])
    errors = [np.sum(w**2, axis=(1, 2))]
    for _ in range(config.iterations - 1):
        real = rows(config.r) if config.pool is None else real
        gram, moment = rows(config.s)
        moment = of_real * real[1] + of_synthetic * (moment + gram @ w)
        w = np.linalg.solve(of_real * real[0] + of_synthetic * gram, moment)
        errors.append(np.sum(w**2, axis=(1, 2)))
    return np.stack(errors, axis=1)
