"""What the theorems say: the expected test error of the n-th fit, for each regime.

x ~ N(0, S), y = x.w* + e, e ~ N(0, sigma2), T rows, d features.  Iteration n fits least squares;
the next generation relabels the SAME rows with that fit and fresh noise.  The test error is E
(x.(w_n - w*))^2 = E |w_n - w*|_S^2, the expected squared error minus sigma2.  Least squares is
equivariant, so in this norm nothing depends on S.

    base                  sigma2 d / (T - d - 1)         the first fit, on real data
    replace               base n                         Theorem 1 (Dohmatob et al. 2024)
    accumulate            base sum 1/i^2 <= base pi^2/6  Theorem 2
    replace_multiple      base sum 1/i                   Appendix E, the "halfway" case
    accumulate_subsample  base (3 sum 1/i^2 - 2)         derived here, exact as T/d grows

The last line is below base (pi^2/2 - 2) = 2.93 base.  A subsample repeats some rows and misses
others, so at a finite T/d its fit is worse than that; :func:`subsample_growth` gives the growth for
d and T by a recursion.

Derivation for the subsample.  Let zeta_n be what the fit of iteration n adds to the mean of the
fits whose labels it trains on: w_n - w* = zeta_n + a_n, where a_n = (1/n) sum_{i<n} (w_i - w*) =
sum_{k<n} zeta_k / (k + 1).  An item of any of the n sets is picked with probability 1/n,
independently at each iteration, so the fits of iterations k < n share 1/n of their noise.  In units
of base, E zeta_k.zeta_n = 1/n, and E zeta_n.a_n = (H_n - 1)/n.  As T/d grows E |zeta_n|^2 -> 1, and
the sum telescopes to 3 sum 1/i^2 - 2.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .. import regimes
from ..errors import InputError

ACCUMULATE_BOUND = math.pi**2 / 6  # of accumulate, in units of base
TOO_FEW_ROWS = (
    "the expected error of least squares is infinite when T is d or d + 1, and its fit not unique "
    "below d"
)


def check_rows(d: int, T: int) -> None:
    """Raise an InputError that names T unless T >= d + 2."""
    if d + 2 > T:
        raise InputError("T", T, f"an integer >= d + 2 = {d + 2} ({TOO_FEW_ROWS})")


def _checked(name: str, values: ArrayLike, *, lowest: int | None = None) -> np.ndarray:
    """``values`` as an array: integers >= ``lowest``, or without it finite numbers >= 0."""
    array = np.asarray(values)
    numeric = array.dtype.kind in "iuf" and np.all(np.isfinite(array))
    if lowest is None:
        if not numeric or np.any(array < 0):
            raise InputError(name, values, "a number >= 0")
        return array.astype(float)
    if not numeric or np.any(array != np.floor(array)) or np.any(array < lowest):
        raise InputError(name, values, f"an integer >= {lowest}")
    return array.astype(np.int64)


def base(d: ArrayLike, T: ArrayLike, sigma2: ArrayLike) -> np.ndarray | float:
    """Test error of the first fit: sigma2 d / (T - d - 1).  Exact; arguments broadcast.

    Raises InputError for T < d + 2 (field ``T``), d < 1, a negative or non-finite sigma2.
    """
    d_ = _checked("d", d, lowest=1)
    T_ = _checked("T", T, lowest=1)
    sigma2_ = _checked("sigma2", sigma2)
    for features, rows in np.nditer([d_, T_]):
        check_rows(int(features), int(rows))
    return (sigma2_ * d_ / (T_ - d_ - 1))[()]


def harmonic(n: ArrayLike, power: int = 1) -> np.ndarray:
    """sum_{i=1..n} 1 / i^power, element by element."""
    n_ = _checked("n", n, lowest=1)
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_.max() + 1) ** power)])[n_]


def growth(regime: str, n: ArrayLike) -> np.ndarray:
    """Test error of iteration n / :func:`base`; for ``accumulate_subsample`` as T/d grows."""
    regimes.check(regime)
    n_ = _checked("n", n, lowest=1)
    if regime == "replace":
        return n_.astype(float)
    if regime == "replace_multiple":
        return harmonic(n_)
    return harmonic(n_, 2) if regime == "accumulate" else 3 * harmonic(n_, 2) - 2


def _multiplicities(n: int, T: int) -> tuple[np.ndarray, np.ndarray]:
    """How often one row is picked when T of n T items are: (values, probabilities)."""
    if n == 1:
        return np.ones(1), np.ones(1)
    # about Poisson(1): beyond 80 the probability is 0 in double precision
    m = np.arange(min(n, T, 80) + 1.0)
    ratio = (n - m[:-1]) * (T - m[:-1]) / (m[1:] * (n * T - n - T + m[1:]))
    weight = np.concatenate([[1.0], np.cumprod(ratio)])
    return m, weight / weight.sum()


@lru_cache(maxsize=64)
def _subsample_table(n_max: int, d: int, T: int) -> tuple[float, ...]:
    """Growth of accumulate_subsample for n = 1..n_max: see :func:`subsample_growth`."""
    # The limit has d/T here; (d + 1)/T makes the first fit exact at any size.
    gamma = (d + 1) / T
    growths: list[float] = []
    H = a = total = 0.0  # harmonic number, E|a_n|^2, sum of growths so far
    for n in range(1, n_max + 1):
        H += 1 / n
        m, p = _multiplicities(n, T)
        # fewer different rows than features do not determine the fit
        if 1 - p[m == 0].sum() <= gamma:
            return (*growths, *[math.inf] * (n_max - n + 1))
        low, high = 0.0, 1.0
        # alpha = E[m / (1 + m gamma/alpha)], the weight of a row after its own leverage
        for _ in range(60):
            alpha = (low + high) / 2
            low, high = (alpha, high) if np.sum(p * m / (alpha + m * gamma)) > 1 else (low, alpha)
        leverage = (1 + m * gamma / alpha) ** 2
        kappa, lam = np.sum(p * m / leverage), np.sum(p * m * (m - 1) / leverage)
        zeta = 1.0
        if n > 1:
            # omega: variance of a row's labels around their mean over the n sets.
            omega = 1 - 1 / n + gamma * (total / n - a - 2 * (H - 1) / n)
            zeta = (
                (1 - gamma)
                / (alpha * kappa)
                * ((kappa + lam) / n + omega * (kappa - lam / (n - 1)))
            )
        growths.append(zeta + a + 2 * (H - 1) / n)
        total += growths[-1]
        a += 2 * (H - 1) / (n * (n + 1)) + zeta / (n + 1) ** 2
    return tuple(float(value) for value in growths)


def subsample_growth(n: ArrayLike, d: int, T: int) -> np.ndarray:
    """Test error of accumulate_subsample / :func:`base` for d features and T rows (derived here).

    Exact as d and T grow with d/T fixed (leave-one-out expansion of the whole chain of fits); at a
    finite size an approximation, which the tests compare with simulation.  The recursion, with
    gamma = (d + 1)/T and m the number of times a row is picked at iteration n (hypergeometric: T of
    n T items, n of them from this row):

        alpha = E[m / l],  kappa = E[m / l^2],  lambda = E[m (m - 1) / l^2],  l = 1 + m gamma/alpha
        omega = 1 - 1/n + gamma (mean_{i<n} E_i - A_n - 2 (H_n - 1)/n),  where E_0 = 0
        Z_n = (1 - gamma)/(alpha kappa) ((kappa + lambda)/n + omega (kappa - lambda/(n - 1)))
        E_n = Z_n + A_n + 2 (H_n - 1)/n
        A_{n+1} = A_n + 2 (H_n - 1)/(n (n + 1)) + Z_n/(n + 1)^2,  with Z_1 = 1 and A_1 = 0

    ``inf`` where the T picks hold, on average, at most d + 1 different rows.  (Strictly the
    expectation is infinite for any T with T/n <= d + 1, because such a subsample is possible; at
    the paper's sizes it is too rare to occur.)
    """
    n_ = _checked("n", n, lowest=1)
    check_rows(int(_checked("d", d, lowest=1)), int(_checked("T", T, lowest=1)))
    return np.array(_subsample_table(int(n_.max()), int(d), int(T)))[n_ - 1]


def test_error(
    regime: str, n: ArrayLike, d: ArrayLike, T: ArrayLike, sigma2: ArrayLike
) -> np.ndarray | float:
    """Expected test error of iteration n; n, d, T and sigma2 broadcast.

    Exact for replace, accumulate and replace_multiple; for accumulate_subsample by
    :func:`subsample_growth`. Raises InputError as :func:`base` does, for n < 1, and for an unknown
    regime.
    """
    regimes.check(regime)
    first, n_ = base(d, T, sigma2), _checked("n", n, lowest=1)
    if regime != "accumulate_subsample":
        return (first * growth(regime, n_))[()]
    n_, d_, T_ = np.broadcast_arrays(n_, d, T)
    ratio = np.empty(n_.shape)
    for size in {
        (int(features), int(rows)) for features, rows in zip(d_.flat, T_.flat, strict=True)
    }:
        cells = (size[0] == d_) & (size[1] == T_)
        ratio[cells] = subsample_growth(n_[cells], *size)
    return (first * ratio)[()]


def fresh_test_error(
    regime: str, n: ArrayLike, d: int, T: int, sigma2: float
) -> np.ndarray | float:
    """:func:`test_error` with FRESH rows x in every generation; ``nan`` without a closed form.

    replace is unchanged.  replace_multiple fits n T different rows at iteration n, which gives
    sum_k sigma2 d / (k T - d - 1).  For the accumulating regimes no closed form is known;
    accumulate is below Theorem 2, most of all at small T.
    """
    regimes.check(regime)
    first, n_ = base(d, T, sigma2), _checked("n", n, lowest=1)
    if regime == "replace":
        return (first * n_)[()]
    if regime == "replace_multiple":
        return np.cumsum(sigma2 * d / (np.arange(1, n_.max() + 1) * T - d - 1.0))[n_ - 1][()]
    return np.where(n_ == 1, first, np.nan)[()]


# pytest must not collect these functions, which the paper names test errors
test_error.__test__ = fresh_test_error.__test__ = False
