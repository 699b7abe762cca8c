"""pi^2/6 beyond linear regression: where accumulating has it, and where it does not help.

**Natural families with quadratic variance** (Morris 1982).  The fit is the mean mu of its
training set, and items have the variance v(mu) = v_0 + v_1 mu + v_2 mu^2: normal v_2 = 0, Poisson
0, Bernoulli -1, exponential and geometric 1.  The mean of a block has the variance v(mu)/n around
its model's.  The fits form a martingale, so E v(mu_t) = v(mu) + v_2 E (mu_t - mu)^2.  With
e_t = E (mu_t - mu)^2/v(mu), accumulate therefore adds (1 + v_2 e_{t-1})/(n t^2) at fit t, and
1 + v_2 e_t is a product:

    replace     e_t = ((1 + v_2/n)^t - 1)/v_2
    accumulate  e_t = (prod_{k<=t} (1 + v_2/(n k^2)) - 1)/v_2

In units of e_1 = 1/n the second tends to pi^2/6 as n and t grow, whatever v_2 is.  That regular
families share the constant is due to Dey and Donoho (2024); the products for finite n are ours.

**Uniform on [0, theta]**, fitted by the largest item.  No synthetic item exceeds the fit that
made it, so under accumulate nothing changes after the first fit.  Under replace theta shrinks by
n/(n + 1) per fit.

**A family in which accumulation itself collapses** (ours).  That such families exist is due to
Barzilai and Shamir (2025); their formula was not available to us.  The truth is U[0, 1].

    P_u  gives a code, uniform on 1..2^m(u), with probability c u; otherwise U[0, 1 - u]
    Q_S  gives a code, uniform on the finite set S, with probability q; otherwise U[0, 1]

Here 0 <= u < 1, 0 < c, q < 1 and m(u) = ceil(exp(1/u)); P_0 is the truth.  Why it collapses:

1. On N items without codes the likelihood of P_u is ((1 - c u)/(1 - u))^N, which increases in u.
   The fit is u = 1 - max.  It is consistent: its distance from the truth in total variation is u.
2. A given code has probability c u 2^-m(u) under P_u, and u is about 1/n.  Explaining one code
   costs P_u exp(1/u) log 2 nats, and costs Q_S, with S the codes seen, N log(1/(1 - q)).  A single
   code therefore selects Q_S, unless N exceeds about exp(n).  No later data favour P_u again.
3. Fit t has seen n (t - 1) items of P_u.  As n u -> Exp(1), it has collapsed with probability
   1 - E exp(-c (t - 1) Exp(1)) = c (t - 1)/(1 + c (t - 1)): 0 at first, then to 1, whatever n is.

The distance from the truth is then q for good, though the real data stay in the training set.

Logistic regression on real tables, relabelled by its own fits, is in :mod:`.logistic`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from ..errors import check_integer, one_of
from . import chains


@dataclass(frozen=True)
class Family:
    """A natural family with quadratic variance, by its mean."""

    mean: float  # the real one, used in simulations
    v2: float  # the quadratic coefficient of the variance
    variance: Callable[[float], float]
    block: Callable[[np.random.Generator, np.ndarray, int, tuple[int, int]], np.ndarray]
    """(rng, mean, n, shape) -> means of n items each."""


FAMILIES = {
    "normal": Family(
        0.0, 0.0, lambda mu: 1.0, lambda rng, mu, n, shape: rng.normal(mu, n**-0.5, shape)
    ),
    "Poisson": Family(
        3.0, 0.0, lambda mu: mu, lambda rng, mu, n, shape: rng.poisson(n * mu, shape) / n
    ),
    "Bernoulli": Family(
        0.3, -1.0, lambda mu: mu - mu**2, lambda rng, mu, n, shape: rng.binomial(n, mu, shape) / n
    ),
    "exponential": Family(
        1.0, 1.0, lambda mu: mu**2, lambda rng, mu, n, shape: rng.gamma(n, mu / n, shape)
    ),
    "geometric": Family(  # failures before the first success
        2.0,
        1.0,
        lambda mu: mu + mu**2,
        lambda rng, mu, n, shape: rng.negative_binomial(n, 1 / (1 + mu), shape) / n,
    ),
}


def mean_risk(v2: float, n: int, regime: str, iterations: int) -> np.ndarray:
    """E (mu_t - mu)^2/v(mu) for t = 1..N, exact at any n; not for ``accumulate_subsample``."""
    check_integer("n", n, 2)
    power = {"replace": 0, "replace_multiple": 1, "accumulate": 2}[
        one_of("regime", regime, chains.WHOLE_BLOCKS)
    ]
    steps = 1 / (n * np.arange(1.0, iterations + 1) ** power)
    return np.cumsum(steps) if v2 == 0 else (np.cumprod(1 + v2 * steps) - 1) / v2


def simulate_mean(
    family: str, n: int, regime: str, iterations: int, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """(mu_t - mu)^2/v(mu) of simulated chains, (R, N).

    Only the mean of a block is drawn, whose distribution is known; not for
    ``accumulate_subsample``.
    """
    one_of("regime", regime, chains.WHOLE_BLOCKS)
    model = FAMILIES[one_of("family", family, FAMILIES)]

    def sample(mu: np.ndarray, train: np.ndarray, size: int, t: int) -> np.ndarray:
        return model.block(rng, mu[:, None], n, (repeats, size))

    real = sample(np.full(repeats, model.mean), np.empty(0), 1, 0)
    fits = chains.simulate(
        real, lambda items: items, lambda mean, t: mean, sample, regime, iterations, rng
    )
    return np.square(fits - model.mean) / model.variance(model.mean)


def uniform_risk(n: int, regime: str, iterations: int) -> np.ndarray:
    """E (theta_t/theta - 1)^2 of the largest item, t = 1..N; not for ``accumulate_subsample``.

    The largest of m items of U[0, theta] has moments m/(m + 1) theta and m/(m + 2) theta^2.
    """
    one_of("regime", regime, chains.WHOLE_BLOCKS)
    t = np.arange(1.0, iterations + 1)
    m = n * t if regime == "replace_multiple" else n * np.ones(iterations)
    first, second = m / (m + 1), m / (m + 2)
    if regime != "accumulate":
        first, second = np.cumprod(first), np.cumprod(second)
    return second - 2 * first + 1


def simulate_uniform(
    n: int, regime: str, iterations: int, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """theta_t/theta of simulated chains, (R, N)."""
    one_of("regime", regime, chains.WHOLE_BLOCKS)
    theta, out = np.ones(repeats), []
    for t in range(1, iterations + 1):
        m = n * t if regime == "replace_multiple" else n
        largest = theta * rng.random(repeats) ** (1 / m)  # as the largest of m uniform items
        theta = np.maximum(largest, theta) if regime == "accumulate" and t > 1 else largest
        out.append(theta)
    return np.stack(out, axis=1)


def collapse_probability(c: float, n: int, iterations: int) -> np.ndarray:
    """P(fit t of the collapsing family has collapsed) under accumulate, t = 1..N.

    1 - E (1 - c u)^(n (t - 1)) with u = 1 - max of n uniforms, by Gauss-Laguerre quadrature in
    x = -n log(1 - u) ~ Exp(1).  Neglects u > 1/log(t n), of probability about exp(-n/log(t n)).
    """
    nodes, weights = np.polynomial.laguerre.laggauss(64)
    later = np.arange(iterations)[:, None]
    x = nodes / (1 + c * later)
    log_kept = n * later * np.log1p(c * np.expm1(-x / n)) - x + nodes
    return 1 - (weights * np.exp(log_kept)).sum(axis=1) / (1 + c * later[:, 0])


def simulate_collapse(
    c: float, q: float, n: int, iterations: int, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """Distance in total variation from the truth of accumulating maximum likelihood fits, (R, N).

    Both likelihoods are computed at every fit; which one is larger is not assumed.  A code is
    stored as its fraction of 2^m, a uniform number, since 2^m is too large for an integer type.
    """
    distance = np.empty((repeats, iterations))
    for r in range(repeats):
        largest, codes, members = rng.random(n).max(), np.empty(0), None
        for t in range(1, iterations + 1):
            u, S = 1 - largest, np.unique(codes)
            N, j = n * t, len(codes)
            bits = np.ceil(np.exp(min(1 / u, 700.0)))
            of_p = (N - j) * np.log((1 - c * u) / (1 - u)) + j * (np.log(c * u) - bits * np.log(2))
            of_q = (N - j) * np.log1p(-q) + special.xlogy(j, q / max(len(S), 1))
            members = S if j and of_q > of_p else None
            distance[r, t - 1] = u if members is None else q
            from_code = rng.random(n) < (c * u if members is None else q)
            k = np.count_nonzero(from_code)
            new = rng.random(k) if members is None else rng.choice(members, k)
            codes = np.concatenate([codes, new])
            upper = 1 - u if members is None else 1.0
            largest = max(largest, upper * rng.random(n - k).max(initial=0.0))
    return distance
