"""Gaussian and discrete distributions, fitted by maximum likelihood to their own samples.

Both fits copy two moments of the training set: the mean, and the covariance with divisor n.  (For
a discrete distribution the items are one-hot vectors; the trace of their covariance is the
heterozygosity 1 - sum p^2.)  The derivation below uses nothing else, so it holds for both, in any
dimension.

Let t blocks of n items have mean M and covariance V, and let n new items come from a model with
that mean and covariance.  Their own covariance is V (1 - 1/n) on average, and their mean varies
by V/n:

    replace           E V_t = (1 - 1/n) V_{t-1}
    replace_multiple  E V_t = (1 - 1/(n t)) V_{t-1}               (n t new items)
    accumulate        E V_t = (1 - 1/(n t^2)) V_{t-1}

The last is (t - 1)/t V + V (1 - 1/n)/t + (t - 1)/t^2 V/n.  Hence under accumulate

    E V_t = prod_{k<=t} (1 - 1/(n k^2)) V_0  ->  sin(pi/sqrt n)/(pi/sqrt n) V_0,

and E |M_t - M_0|^2 = tr V_0 - E tr V_t in every regime: the mean gains the error that the variance
loses.  ``replace`` falls to 0 geometrically and ``replace_multiple`` as t^(-1/n).  The product of
``accumulate_subsample`` comes from :func:`moments`.  Shumailov et al. (2024) study replace, and
Kazdan et al. (2024) replace, accumulate and the subsample; the formulas are derived here.

The typical variance under replace falls faster than its mean: log det V is a random walk with the
drift of :func:`log_drift`.  Suresh et al. (2024) find the standard deviation gone after about n
fits, and that a word is forgotten in a time proportional to its count, as in :func:`lost`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .. import regimes
from ..errors import InputError, check_integer
from . import chains


class Moments(NamedTuple):
    """Error of the mean |mu_t - mu_0|^2/d, and variance tr V_t/d; in units of the real variance."""

    mean_error: np.ndarray
    variance: np.ndarray


def retained(regime: str, n: int, iterations: int) -> np.ndarray:
    """E V_t / V_0 for t = 1..N at maximum likelihood: Gaussian variance, or heterozygosity."""
    check_integer("n", n, 2)
    t = np.arange(1.0, iterations + 1)
    if regimes.check(regime) == "accumulate_subsample":
        return moments(regime, n, iterations).variance
    power = {"replace": 0, "replace_multiple": 1, "accumulate": 2}[regime]
    return np.cumprod(1 - 1 / (n * t**power))


def accumulate_limit(n: int) -> float:
    """Limit of :func:`retained` under accumulate, sin(pi/sqrt n)/(pi/sqrt n): Euler's product."""
    check_integer("n", n, 2)
    return float(np.sinc(1 / np.sqrt(n)))


def moments(regime: str, n: int, iterations: int, *, unbiased: bool = False) -> Moments:
    """Expected moments of fits t = 1..N for any regime, by recursion.

    ``unbiased`` divides by (number of items - 1).  Then replace keeps E V_t = V_0 while the error
    of the mean is t/n and V_t -> 0 almost surely; accumulate gives
    prod_{2<=k<=t} (1 - 1/(k (k n - 1))).

    For ``accumulate_subsample`` n of the t n items are drawn without replacement: the variance of
    their mean around the pool's is V (t - 1)/(t n - 1), and their unbiased variance is the pool's.
    """
    check_integer("n", n, 2)
    regimes.check(regime)
    keeps = regime in chains.ACCUMULATING
    fits = []
    V = 1 - 1 / n  # covariance of the training set (divisor: number of items)
    P = 1 / n  # error of its mean
    for t in range(1, iterations + 1):
        pool = n * (1 if regime == "replace" else t)
        subsample = regime == "accumulate_subsample"
        shift = V * (t - 1) / (pool - 1) if subsample else 0.0
        size = n if subsample else pool
        s = V * pool / (pool - 1) * (1 if unbiased else 1 - 1 / size)
        fits.append((P + shift, s))
        if keeps:
            P += (s / n + shift) / (t + 1) ** 2
            V = t / (t + 1) * V + s * (1 - 1 / n) / (t + 1) + t / (t + 1) ** 2 * (s / n + shift)
        else:
            new = n * (t + 1) if regime == "replace_multiple" else n
            V, P = s * (1 - 1 / new), P + s / new
    return Moments(*np.array(fits).T)


def log_drift(n: int, d: int = 1, *, unbiased: bool = False) -> tuple[float, float]:
    """Mean and variance of one step of log det V under replace, n > d.

    n V_t given V_{t-1} is Wishart with n - 1 degrees of freedom, whose determinant is a product
    of independent chi-squares (Bartlett).  The mean is sum_j psi((n - j)/2) + log(2/n) and the
    variance sum_j psi'((n - j)/2).
    """
    check_integer("n", n, 2)
    if not 1 <= d < n:
        raise InputError("d", d, f"an integer from 1 to n - 1 = {n - 1}")
    half = (n - np.arange(1, d + 1)) / 2
    drift = special.digamma(half) + np.log(2 / (n - unbiased))
    return float(drift.sum()), float(special.polygamma(1, half).sum())


def fixation_time(p: ArrayLike, n: int) -> float:
    """Mean number of fits until one state is left under replace: -2 n sum (1 - p_i) log(1 - p_i).

    This is the large-n limit (a Wright-Fisher population of n copies).  Looking back from a late
    fit, a copies have a - 1 distinct ancestors after 2 n/(a (a - 1)) fits.  All states agree unless
    the ancestors differ, with probability 1 - sum p_i^a; the sum over a is the formula.
    """
    rest = 1 - np.asarray(p, float)
    return float(-2 * n * special.xlogy(rest, rest).sum())


def lost(regime: str, q: ArrayLike, n: int, iterations: int) -> np.ndarray:
    """Probability that a state of probability q is missing from the data for good, (..., N).

    Regimes that keep the data lose it only if it is not among the n real items: (1 - q)^n, at every
    t.  Under replace its copies branch: exp(-n q (1 - f_{t-1})), f_{t+1} = exp(f_t - 1), f_0 = 0,
    exact as n grows with n q fixed and about exp(-2 n q/t) later.  InputError for replace_multiple,
    for which no such form is known.
    """
    check_integer("n", n, 2)
    regimes.check(regime)
    q = np.asarray(q, float)[..., None]
    if regime == "replace_multiple":
        raise InputError("regime", regime, "replace, accumulate or accumulate_subsample")
    if regime != "replace":
        return np.broadcast_to((1 - q) ** n, (*q.shape[:-1], iterations)).copy()
    f = np.zeros(iterations)
    for t in range(1, iterations):
        f[t] = np.exp(f[t - 1] - 1)
    return np.exp(-n * q * (1 - f))


def simulate(
    regime: str,
    n: int,
    d: int,
    iterations: int,
    repeats: int,
    rng: np.random.Generator,
    *,
    unbiased: bool = False,
) -> tuple[Moments, np.ndarray]:
    """Chains of d-dimensional Gaussian fits, (R, N) each: moments, and log det V.

    The real distribution is N(0, I).  Only the mean and the scatter of a block are drawn, from
    their exact distributions (normal, and Wishart by Bartlett's factor); a subsample needs the
    items.  Replace carries the factor of V instead of V, and stays exact until V underflows.
    """
    check_integer("n", n, 2)
    if regimes.check(regime) == "accumulate_subsample":
        return _subsample(n, d, iterations, repeats, rng, unbiased)
    L, mu = np.broadcast_to(np.eye(d), (repeats, d, d)), np.zeros((repeats, d))
    V, M, out = np.zeros((repeats, d, d)), np.zeros((repeats, d)), []
    for t in range(1, iterations + 1):
        new = n * t if regime == "replace_multiple" else n
        factor = L @ _bartlett(repeats, new - 1, d, rng) / np.sqrt(new)  # of the block's covariance
        mean = mu + (L @ rng.standard_normal((repeats, d, 1)))[..., 0] / np.sqrt(new)
        if regime == "accumulate":
            shift = mean - M
            outer = shift[:, :, None] * shift[:, None, :]
            V = (t - 1) / t * V + factor @ factor.swapaxes(1, 2) / t + (t - 1) / t**2 * outer
            M = M + shift / t
            factor, mean = np.linalg.cholesky(V), M
        size = n if regime == "replace" else n * t
        L, mu = factor * np.sqrt(size / (size - unbiased)), mean
        diagonal = np.diagonal(L, axis1=1, axis2=2)
        log_det = 2 * np.log(np.abs(diagonal)).sum(axis=1)
        out.append((np.square(mu).mean(axis=1), np.square(L).sum(axis=(1, 2)) / d, log_det))
    errors, variances, log_dets = np.array(out).transpose(1, 2, 0)
    return Moments(errors, variances), log_dets


def _bartlett(R: int, degrees: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Lower triangular factors of Wishart matrices, (R, d, d)."""
    A = np.tril(rng.standard_normal((R, d, d)), -1)
    A[:, range(d), range(d)] = np.sqrt(rng.chisquare(degrees - np.arange(d), (R, d)))
    return A


def _subsample(
    n: int, d: int, iterations: int, repeats: int, rng: np.random.Generator, unbiased: bool
) -> tuple[Moments, np.ndarray]:
    """:func:`simulate` for ``accumulate_subsample``, item by item."""

    def statistic(items: np.ndarray) -> np.ndarray:  # x and the entries of x x'
        outer = items[..., :, None] * items[..., None, :]
        return np.concatenate([items, outer.reshape(*items.shape[:2], d * d)], axis=2)

    def fit(mean: np.ndarray, t: int) -> np.ndarray:
        mu = mean[:, :d]
        V = mean[:, d:].reshape(-1, d, d) - mu[:, :, None] * mu[:, None, :]
        return np.concatenate([mu, (V * n / (n - unbiased)).reshape(-1, d * d)], axis=1)

    def sample(fitted: np.ndarray, train: np.ndarray, size: int, t: int) -> np.ndarray:
        L = np.linalg.cholesky(fitted[:, d:].reshape(-1, d, d))
        return fitted[:, None, :d] + rng.standard_normal((repeats, size, d)) @ L.swapaxes(1, 2)

    real = rng.standard_normal((repeats, n, d))
    fits = chains.simulate(real, statistic, fit, sample, "accumulate_subsample", iterations, rng)
    V = fits[..., d:].reshape(repeats, iterations, d, d)
    means, traces = np.square(fits[..., :d]).mean(axis=-1), np.trace(V, axis1=2, axis2=3) / d
    return Moments(means, traces), np.linalg.slogdet(V)[1]


def simulate_discrete(
    regime: str, p: ArrayLike, n: int, iterations: int, repeats: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Chains of multinomial fits of p: heterozygosity, and number of states seen, (R, N) each."""
    check_integer("n", n, 2)
    regimes.check(regime)
    keeps = regime in chains.ACCUMULATING
    fitted = np.broadcast_to(np.asarray(p, float), (repeats, len(np.atleast_1d(p))))
    counts, out = np.zeros(fitted.shape, np.int64), []
    for t in range(1, iterations + 1):
        block = rng.multinomial(n * t if regime == "replace_multiple" else n, fitted)
        counts = counts + block if keeps else block
        picked = counts
        if regime == "accumulate_subsample":
            picked = np.stack([rng.multivariate_hypergeometric(row, n) for row in counts])
        fitted = picked / picked.sum(axis=1, keepdims=True)
        out.append((1 - np.square(fitted).sum(axis=1), np.count_nonzero(counts, axis=1)))
    heterozygosity, states = np.array(out).transpose(1, 2, 0)
    return heterozygosity, states
