"""Logistic chains: the fit against a general optimiser, the expansion against simulation."""

import numpy as np
import pytest
from scipy import optimize, special

from collapse_utils.theory import logistic
from collapse_utils.theory.chains import WHOLE_BLOCKS


def table(n, d, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.standard_normal((n, d - 1))])
    theta = scale * rng.standard_normal(d)
    return X, (rng.random(n) < special.expit(X @ theta)).astype(int)


def fitted_by_scipy(X, labels, penalty):
    """labels: pairs (row, label), one term of the likelihood each."""

    def loss(theta):
        terms = [np.logaddexp(0, -(2 * label - 1) * (X[row] @ theta)) for row, label in labels]
        return sum(terms) + penalty / 2 * theta @ theta

    return optimize.minimize(loss, np.zeros(X.shape[1]), method="BFGS", options={"gtol": 1e-7}).x


@pytest.mark.parametrize("penalty", [1e-3, 2.0])
def test_fit_equals_a_general_optimiser(penalty):
    X, _ = table(25, 3)
    rng = np.random.default_rng(1)
    trials = rng.integers(0, 4, (4, 25))
    successes = rng.binomial(trials, 0.6)
    result = logistic.fit(X, successes, trials, penalty)
    for theta, ones, total in zip(result, successes, trials, strict=True):
        labels = [(row, int(i < ones[row])) for row in range(25) for i in range(total[row])]
        assert theta == pytest.approx(fitted_by_scipy(X, labels, penalty), abs=1e-4)


def test_separable_labels_have_a_finite_fit():
    X, _ = table(30, 2)
    y = (X[:, 1] > 0).astype(float)[None]
    theta = logistic.fit(X, y, np.ones_like(y))
    assert np.all(np.isfinite(theta)) and abs(theta[0, 1]) > 10
    gradient = (y - special.expit(theta @ X.T)) @ X - logistic.PENALTY * theta
    assert np.abs(gradient).max() < 1e-3


@pytest.mark.parametrize("regime", WHOLE_BLOCKS)
def test_the_excess_is_d_over_2n_times_the_variance(regime):
    """n = 4,000, d = 4: within 4.5 standard errors, and 5% for the terms of higher order."""
    X, y = table(4000, 4)
    theta = logistic.chain(X, y, regime, 6, 200, np.random.default_rng(2))
    result = logistic.excess(theta, X)
    assert np.all(result[:, 0] == 0)
    expected = logistic.expected_rise(4, 4000, regime, 6)
    error = np.abs(result.mean(axis=0) - expected)
    assert np.all(error < 4.5 * result.std(axis=0, ddof=1) / np.sqrt(200) + 0.05 * expected + 1e-15)


@pytest.mark.parametrize("regime", WHOLE_BLOCKS)
def test_the_chain_against_a_loop_over_labels(regime):
    """Mean excess of the third fit from 150 plain chains equals that of the vectorised ones.

    Two-sample |z| < 4.5: false-alarm rate 7e-6.
    """
    X, y = table(40, 2)
    rng = np.random.default_rng(3)
    fast = logistic.excess(logistic.chain(X, y, regime, 3, 1000, rng, penalty=1.0), X)[:, -1]
    first, slow = None, []
    for _ in range(150):
        labels = list(enumerate(y))
        for t in range(1, 4):
            ones, total = np.zeros((1, 40)), np.zeros((1, 40))
            for row, label in labels:
                ones[0, row] += label
                total[0, row] += 1
            theta = logistic.fit(X, ones, total, penalty=1.0)[0]
            first = theta if t == 1 else first
            rows = list(range(40)) * (t + 1 if regime == "replace_multiple" else 1)
            new = [(row, int(rng.random() < special.expit(X[row] @ theta))) for row in rows]
            labels = labels + new if regime == "accumulate" else new
        slow.append(logistic.excess(np.stack([first, theta])[None], X)[0, -1])
    z = (fast.mean() - np.mean(slow)) / np.sqrt(fast.var() / 1000 + np.var(slow) / 150)
    assert abs(z) < 4.5


def test_log_loss_is_the_mean_negative_log_likelihood():
    X, y = table(12, 3)
    theta = np.array([0.3, -0.8, 0.5])
    p = special.expit(X @ theta)
    by_hand = -np.mean([np.log(p[i] if y[i] else 1 - p[i]) for i in range(12)])
    assert logistic.log_loss(theta, X, y) == pytest.approx(by_hand)
