"""Which errors of a chain of fits accumulate, and which average out.

Let theta_t be the estimate by fit t of a linear statistic of the data (a mean, a second moment, the
share of a word), and theta_0 its true value.  Every fit adds two errors to the mean of its training
set:

    theta_t = A_t + b_t + noise,   A_t the mean of the thetas that generated the training set.

b_t is the *bias* of fit t: the same for every seed.  The noise has mean zero and, for n items,
variance v.  Solving the recursion A_{t+1} = A_t + (b_t + noise)/(t + 1) for accumulate, and
A_{t+1} = theta_t for replace, gives

    regime               E theta_t - theta_0            b_k = b    variance / v
    replace              sum_{k<=t} b_k                 b t        t
    replace_multiple     the same                       b t        sum_{i<=t} 1/i
    accumulate           b_t + sum_{k<t} b_k/(k + 1)    b H_t      sum_{i<=t} 1/i^2
    accumulate_subsample the same                       b H_t      3 sum_{i<=t} 1/i^2 - 2 (*)

(*) as n grows; derived in :mod:`collapse_utils.linear.theory`.

Accumulating bounds the noise (pi^2/6 v).  It bounds the bias if and only if sum b_k/k converges:
a constant bias grows without bound, as log t.  Theorem 2 of Gerstgrasser et al. (2024) is the row
of accumulate with b = 0.  The recursion for the bias and its three cases below are ours.

Three cases.  (i) A Gaussian kernel density estimate adds its squared bandwidth to the variance:
b_k = h_k^2.  (ii) A linear VAE is probabilistic PCA (Lucas et al. 2019): along an eigenvector
with eigenvalue a its decoder has variance a - sigma^2, where sigma^2 is the observation noise, so
samples that are decoder means lose sigma^2 per fit until the direction is dead.  (iii) A fit that
shrinks its target by rho has b_t = -(1 - rho) A_t.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .. import regimes
from ..errors import InputError
from . import chains
from .chains import ACCUMULATING


def bias(per_fit: ArrayLike, regime: str) -> np.ndarray:
    """E theta_t - theta_0 for t = 1..N, given b_1..b_N; shape (..., N)."""
    regimes.check(regime)
    b = np.asarray(per_fit, float)
    if b.ndim == 0 or not np.all(np.isfinite(b)):
        raise InputError("per_fit", per_fit, "finite numbers b_1..b_N, one for each fit")
    if regime not in ACCUMULATING:
        return np.cumsum(b, axis=-1)
    past = np.cumsum(b / np.arange(2, b.shape[-1] + 2), axis=-1)
    return b + np.concatenate([np.zeros_like(past[..., :1]), past[..., :-1]], axis=-1)


def growth(regime: str, iterations: int) -> np.ndarray:
    """Bias after t = 1..N fits in units of a constant bias per fit: t, or H_t if data are kept."""
    return bias(np.ones(iterations), regime)


def variance(regime: str, iterations: int) -> np.ndarray:
    """Variance after t = 1..N fits in units of the first fit's; accumulate_subsample as n grows."""
    regimes.check(regime)
    i = np.arange(1.0, iterations + 1)
    if regime == "replace":
        return i
    if regime == "replace_multiple":
        return np.cumsum(1 / i)
    squares = np.cumsum(1 / i**2)
    return squares if regime == "accumulate" else 3 * squares - 2


def is_bounded(regime: str, decay: float) -> bool:
    """Whether the total bias stays bounded if b_k falls as k^-decay."""
    return decay > (0 if regimes.check(regime) in ACCUMULATING else 1)


def accumulate_limit(decay: float) -> float:
    """Limit of the total bias under accumulate, in units of b_1, for b_k = b_1 k^-decay.

    This is sum_k k^-decay/(k + 1).  The tail beyond K = 10^5 is replaced by its integral, which is
    accurate to about 1e-9.  Raises InputError unless decay > 0.
    """
    if not decay > 0:
        raise InputError("decay", decay, "a number > 0 (without decay the bias is unbounded)")
    k, K = np.arange(1.0, 1e5 + 1), 1e5 + 0.5
    tail = K**-decay / decay - K ** -(decay + 1) / (decay + 1)
    return float(np.sum(k**-decay / (k + 1)) + tail)


def vae_eigenvalue(
    eigenvalue: ArrayLike, sigma2: float, regime: str, iterations: int
) -> np.ndarray:
    """Variance of decoder means along one eigenvector, at t = 1..N; shape (..., N).

    It is lambda - sigma^2 H_t (accumulate) or lambda - sigma^2 t (replace), and 0 once the
    direction is dead.  Exact as n grows, and in expectation at any n while every eigenvalue exceeds
    sigma^2.
    """
    start = np.asarray(eigenvalue, float)[..., None]
    return np.maximum(start - sigma2 * growth(regime, iterations), 0.0)


def vae_noise(eigenvalues: ArrayLike, kept: float) -> float:
    """The sigma^2 at which the first fit keeps this variance: sum (lambda_i - sigma^2)_+ = kept.

    Calibrates a linear VAE on one fit, so that :func:`vae_eigenvalue` predicts all later ones.
    """
    values = np.sort(np.asarray(eigenvalues, float))[::-1]
    if not 0 < kept <= values.sum():
        raise InputError("kept", kept, f"a variance > 0, at most the sum {values.sum():.4g}")
    alive = np.arange(1, len(values) + 1)
    noise = (np.cumsum(values) - kept) / alive  # if 1, 2, ... directions are alive
    return float(noise[np.flatnonzero(values >= noise)[-1]])


def shrinkage(rho: float, regime: str, iterations: int) -> np.ndarray:
    """theta_t / theta_0 for t = 1..N when every fit is rho times the mean of its training set.

    rho^t under replace; rho Gamma(t + rho)/(Gamma(t + 1) Gamma(1 + rho)), which falls as
    t^-(1 - rho), under accumulate.  A penalty that grows with the number of rows has this form.
    """
    t = np.arange(1.0, iterations + 1)
    if regimes.check(regime) not in ACCUMULATING:
        return rho**t
    return rho * np.exp(
        special.gammaln(t + rho) - special.gammaln(t + 1) - special.gammaln(1 + rho)
    )


def fixed_penalty(c: float, regime: str, iterations: int) -> np.ndarray:
    """:func:`shrinkage` for a penalty that does not grow: fit = sum of m items / (m + c n).

    c is the weight of the penalty in units of the real training set.
    Under accumulate rho_t = t/(t + c), and the product telescopes to 1/(1 + c) at EVERY t: the
    posterior mean under a fixed prior is a martingale, so nothing drifts after the first fit.
    """
    t = np.arange(1.0, iterations + 1)
    if regimes.check(regime) == "accumulate":
        return np.full(iterations, 1 / (1 + c))
    if regime == "replace_multiple":
        return np.cumprod(t / (t + c))
    return shrinkage(1 / (1 + c), regime, iterations)


def simulate_kernel(
    bandwidths2: np.ndarray, n: int, repeats: int, regime: str, rng: np.random.Generator
) -> np.ndarray:
    """Second moments (R, N) of kernel density estimates of N(0, 1), given h_1^2..h_N^2."""

    def sample(_: np.ndarray, train: np.ndarray, size: int, t: int) -> np.ndarray:
        picks = rng.integers(train.shape[1], size=(repeats, size))
        kernel = np.sqrt(bandwidths2[t - 1]) * rng.standard_normal(picks.shape)
        return np.take_along_axis(train, picks, axis=1) + kernel

    def fit(mean: np.ndarray, t: int) -> np.ndarray:
        return mean + bandwidths2[t - 1]

    real = rng.standard_normal((repeats, n))
    return chains.simulate(real, np.square, fit, sample, regime, len(bandwidths2), rng)


def simulate_vae(
    eigenvalues: ArrayLike,
    sigma2: float,
    n: int,
    repeats: int,
    regime: str,
    iterations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Linear VAEs sampled by decoder means: the eigenvalues of W W', descending, (R, N, d).

    The real data are N(0, diag(eigenvalues)), and the mean is known to be 0.  There are as many
    latent variables as dimensions.
    """
    scale = np.sqrt(np.asarray(eigenvalues, float))
    d = len(scale)

    def fit(second_moment: np.ndarray, t: int) -> np.ndarray:
        values, vectors = np.linalg.eigh(second_moment)
        return vectors * np.sqrt(np.maximum(values - sigma2, 0.0))[:, None, :]  # W, (R, d, latent)

    def sample(W: np.ndarray, train: np.ndarray, size: int, t: int) -> np.ndarray:
        return rng.standard_normal((repeats, size, d)) @ W.swapaxes(1, 2)

    def outer(items: np.ndarray) -> np.ndarray:
        return items[..., :, None] * items[..., None, :]

    real = scale * rng.standard_normal((repeats, n, d))
    W = chains.simulate(real, outer, fit, sample, regime, iterations, rng)
    return np.square(W).sum(axis=2)[..., ::-1]


def simulate_shrinkage(
    rhos: np.ndarray, n: int, repeats: int, regime: str, rng: np.random.Generator
) -> np.ndarray:
    """Means (R, N) of chains whose fit t is rho_t times its training mean; theta_0 = 1."""

    def fit(mean: np.ndarray, t: int) -> np.ndarray:
        return rhos[t - 1] * mean

    def sample(theta: np.ndarray, train: np.ndarray, size: int, t: int) -> np.ndarray:
        return theta[:, None] + rng.standard_normal((repeats, size))

    real = 1.0 + rng.standard_normal((repeats, n))
    return chains.simulate(real, lambda items: items, fit, sample, regime, len(rhos), rng)
