"""Logistic regression on a real table whose labels are drawn again and again by its own fits.

The rows X stay, as in linear regression; labels of generation t are Bernoulli draws of fit t
(Dey and Donoho 2024 call accumulate "augment" and replace "discard").  From the second fit on the
truth is the first fit, and each set of labels adds one efficient error, whose expected excess
loss is d/(2 n).  To second order, with V_t of :func:`collapse_utils.theory.bias.variance`, fit t
is therefore

    d/(2 n) (V_t - 1),   V_t = t for replace, sum_{i<=t} 1/i^2 for accumulate,

away from the first fit in Kullback-Leibler divergence on the rows X (:func:`excess`); the test
log-loss rises by about as much.  It is an expansion for d << n.  Far from it replace runs away:
once a set of labels can be separated, the fit has no finite maximum but for the small penalty.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from ..errors import one_of
from .bias import variance
from .chains import WHOLE_BLOCKS

PENALTY = 1e-3  # in total, times |theta|^2/2: keeps the fit of separable labels finite


def fit(
    X: np.ndarray, successes: np.ndarray, trials: np.ndarray, penalty: float = PENALTY
) -> np.ndarray:
    """Maximum likelihood for R sets of labels on the same rows, by damped Newton steps: (R, d).

    X : (n, d); successes, trials : (R, n), how many of a row's labels are 1, and how many it has.
    """
    theta = np.zeros((len(successes), X.shape[1]))

    def objective(at: np.ndarray) -> np.ndarray:
        logits = at @ X.T
        likelihood = successes * logits - trials * np.logaddexp(0, logits)
        return likelihood.sum(axis=1) - penalty / 2 * np.square(at).sum(axis=1)

    value = objective(theta)
    for _ in range(100):
        p = special.expit(theta @ X.T)
        gradient = (successes - trials * p) @ X - penalty * theta
        weights = (trials * p * (1 - p))[:, :, None]
        hessian = X.T @ (weights * X) + penalty * np.eye(X.shape[1])
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        gain = (gradient * step).sum(axis=1)
        if np.max(gain) < 1e-9:
            break
        size = np.ones(len(theta))
        for _ in range(40):  # halve the step of each repeat until it gains enough
            tried = objective(theta + size[:, None] * step)
            short = tried < value + 1e-4 * size * gain - 1e-9
            if not short.any():
                break
            size[short] /= 2
        theta, value = theta + size[:, None] * step, tried
    return theta


def log_loss(theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean log-loss in nats on rows X with labels y, for parameters (..., d)."""
    logits = theta @ X.T
    return (np.logaddexp(0, logits) - y * logits).mean(axis=-1)


def excess(theta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Divergence of the first fit's labels from those of fit t, nats a row: (R, N, d) -> (R, N)."""
    logits = theta @ X.T
    first = logits[:, :1]
    gap = special.expit(first) * (first - logits)
    return (gap + np.logaddexp(0, logits) - np.logaddexp(0, first)).mean(axis=-1)


def chain(
    X: np.ndarray,
    y: np.ndarray,
    regime: str,
    iterations: int,
    repeats: int,
    rng: np.random.Generator,
    penalty: float = PENALTY,
) -> np.ndarray:
    """Parameters of every fit, (R, N, d); the first fit is the same in every repeat.

    Not for ``accumulate_subsample``.
    """
    one_of("regime", regime, WHOLE_BLOCKS)
    n = len(y)
    successes, trials = np.broadcast_to(y.astype(float), (repeats, n)), np.ones((repeats, n))
    fits = [np.repeat(fit(X, successes[:1], trials[:1], penalty), repeats, axis=0)]
    for t in range(2, iterations + 1):
        labels = t if regime == "replace_multiple" else 1
        new = rng.binomial(labels, special.expit(fits[-1] @ X.T)).astype(float)
        if regime == "accumulate":
            successes, trials = successes + new, trials + 1
        else:
            successes, trials = new, np.full((repeats, n), labels)
        fits.append(fit(X, successes, trials, penalty))
    return np.stack(fits, axis=1)


def expected_rise(d: int, n: int, regime: str, iterations: int) -> np.ndarray:
    """Expected :func:`excess` for t = 1..N, to second order: d/(2 n) (V_t - 1)."""
    return d / (2 * n) * (variance(regime, iterations) - 1)
