"""Bias and variance of a chain: closed forms against simulation and against a loop over the fits.

Simulations have fixed seeds.  A test fails if any |z| of a mean against its formula exceeds 4.5,
which a right formula does with probability below 7e-6 for each mean, 1e-3 over the whole file.
"""

import numpy as np
import pytest

from collapse_utils.errors import InputError
from collapse_utils.regimes import REGIMES, trains_on
from collapse_utils.theory import bias

N, R = 10, 400
Z = 4.5


def z_scores(values, expected):
    return (values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def expected_by_loop(regime, fit, start):
    """Deterministic chain: fit(mean of what made the training set, t), one fit after another."""
    made = [start]  # what made generation 0, 1, ...
    for t in range(1, N + 1):
        sources = [made[block.generation] for block in trains_on(regime, t)]
        made.append(fit(sum(sources) / len(sources), t))
    return np.array(made[1:])


# The general rule


@pytest.mark.parametrize("regime", REGIMES)
def test_bias_equals_a_loop_over_the_fits(regime):
    b = np.random.default_rng(0).normal(size=N)
    looped = expected_by_loop(regime, lambda mean, t: mean + b[t - 1], 0.0)
    assert bias.bias(b, regime) == pytest.approx(looped, abs=1e-12)


@pytest.mark.parametrize("regime", ["replace", "replace_multiple", "accumulate"])
def test_variance_equals_the_variance_of_a_random_walk(regime):
    """Every block's noise enters a loop as a unit vector; the variance is the squared length."""
    thetas = [np.zeros(N)]
    for t in range(1, N + 1):
        blocks = trains_on(regime, t)
        share = 1 / np.sqrt(t) if regime == "replace_multiple" else 1.0
        noise = {g: share * np.eye(N)[g] for g in {block.generation for block in blocks}}
        made = [block.generation for block in blocks]
        thetas.append(np.mean([thetas[g] + noise[g] for g in made], axis=0))
    squares = [theta @ theta for theta in thetas[1:]]
    assert bias.variance(regime, N) == pytest.approx(squares, rel=1e-12)


@pytest.mark.parametrize("regime", REGIMES)
def test_variance_of_a_simulated_mean(regime):
    """Without bias the squared error of the mean grows as the variance (n = 2,000: the limit)."""
    rng = np.random.default_rng(1)
    n = 2000 if regime == "accumulate_subsample" else 100
    means = bias.simulate_shrinkage(np.ones(N), n, R, regime, rng)
    assert np.all(np.abs(z_scores(n * (means - 1) ** 2, bias.variance(regime, N))) < Z)


def test_growth_is_linear_or_harmonic():
    assert bias.growth("replace", 4).tolist() == [1, 2, 3, 4]
    assert bias.growth("accumulate", 1000)[-1] == pytest.approx(7.485470861, abs=1e-9)


def test_a_decaying_bias_is_bounded():
    assert bias.accumulate_limit(1.0) == pytest.approx(1.0, abs=1e-8)  # sum 1/(k (k + 1))
    assert bias.accumulate_limit(2.0) == pytest.approx(np.pi**2 / 6 - 1, abs=1e-8)
    k = np.arange(1, 200_001.0)
    for decay in (0.1, 0.4):
        partial = np.sum(k**-decay / (k + 1))
        assert partial < bias.accumulate_limit(decay) < partial + k[-1] ** -decay / decay
    assert bias.accumulate_limit(0.4) == pytest.approx(2.32, abs=0.005)
    for regime in REGIMES:
        for decay in (0.0, 0.4, 1.5):
            hundredth, tenth, last = bias.bias(k**-decay, regime)[[1999, 19_999, 199_999]]
            converges = abs(last - tenth) < 0.5 * abs(tenth - hundredth)
            assert bias.is_bounded(regime, decay) == converges


# Three cases


@pytest.mark.parametrize("decay", [0.0, 0.4])
@pytest.mark.parametrize("regime", REGIMES)
def test_kernel_density_estimates(regime, decay):
    bandwidths2 = 0.25 * np.arange(1.0, N + 1) ** -decay
    moments = bias.simulate_kernel(bandwidths2, 100, R, regime, np.random.default_rng(2))
    assert np.all(np.abs(z_scores(moments - 1, bias.bias(bandwidths2, regime))) < Z)


def test_one_kernel_density_estimate_drawn_point_by_point():
    """A plain loop: pick a training point, add a kernel draw; 200 chains of 5 fits, accumulate."""
    rng = np.random.default_rng(3)
    squares = []
    for _ in range(200):
        data = list(rng.standard_normal(50))
        for _ in range(5):
            last = [rng.choice(data) + 0.5 * rng.standard_normal() for _ in range(50)]
            data += last
        squares.append(np.mean(np.square(last)))
    z = (np.mean(squares) - 1 - bias.bias(np.full(5, 0.25), "accumulate")[-1]) / np.std(squares)
    assert abs(z * np.sqrt(200)) < Z


@pytest.mark.parametrize("regime", REGIMES)
def test_linear_vae(regime):
    """The trace is exact at any n while no eigenvalue comes near sigma^2."""
    eigenvalues, sigma2 = [9.0, 8.0, 7.0], 0.3
    rng = np.random.default_rng(4)
    simulated = bias.simulate_vae(eigenvalues, sigma2, 200, R, regime, N, rng).sum(axis=-1)
    expected = bias.vae_eigenvalue(eigenvalues, sigma2, regime, N).sum(axis=0)
    assert np.all(np.abs(z_scores(simulated, expected)) < Z)


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_linear_vae_until_a_direction_dies(regime):
    """Infinite data, covariances averaged and decomposed one fit after another."""
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(2, 2)))[0]
    covariances = [rotation @ np.diag([5.0, 2.0]) @ rotation.T]
    result = []
    for _ in range(100):
        training = covariances[-1] if regime == "replace" else sum(covariances) / len(covariances)
        values, vectors = np.linalg.eigh(training)
        kept = np.maximum(values - 1.0, 0.0)
        covariances.append(vectors @ np.diag(kept) @ vectors.T)
        result.append(kept[::-1])
    result = np.array(result).T
    expected = bias.vae_eigenvalue([5.0, 2.0], 1.0, regime, 100)
    assert result == pytest.approx(expected, abs=1e-9)
    first_dead = 1 + np.argmax(result < 1e-9, axis=1)
    keeps = regime == "accumulate"  # H_t = 5 at t = 82.9, about exp(5 - 0.577), and 2 at t = 3.6
    assert first_dead.tolist() == ([83, 4] if keeps else [5, 2])


def test_the_noise_of_a_linear_vae_from_what_its_first_fit_keeps():
    """Against a search by bisection, on a spectrum with a long tail."""
    eigenvalues = 1 / np.arange(1, 200.0) ** 1.5
    for kept in (0.05, 0.5, 1.5, 2.4):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            total = sum(max(value - middle, 0.0) for value in eigenvalues)
            low, high = (middle, high) if total > kept else (low, middle)
        assert bias.vae_noise(eigenvalues[::-1], kept) == pytest.approx(low, abs=1e-12)
    first = bias.vae_eigenvalue(eigenvalues, bias.vae_noise(eigenvalues, 0.5), "replace", 1)
    assert first.sum() == pytest.approx(0.5)


@pytest.mark.parametrize("regime", REGIMES)
def test_shrinkage(regime):
    simulated = bias.simulate_shrinkage(np.full(N, 0.8), 100, R, regime, np.random.default_rng(6))
    assert np.all(np.abs(z_scores(simulated, bias.shrinkage(0.8, regime, N))) < Z)
    looped = expected_by_loop(regime, lambda mean, t: 0.8 * mean, 1.0)
    assert bias.shrinkage(0.8, regime, N) == pytest.approx(looped, rel=1e-12)


def test_shrinkage_check_values():
    """rho = 0.9 at t = 10, 100, 1000 (recorded from an independent derivation)."""
    values = bias.shrinkage(0.9, "accumulate", 1000)[[9, 99, 999]]
    assert values == pytest.approx([0.7400, 0.5902, 0.4690], abs=5e-5)


@pytest.mark.parametrize("regime", REGIMES)
def test_a_penalty_that_does_not_grow(regime):
    c, t = 0.25, np.arange(1, N + 1)
    sizes = t if regime in ("accumulate", "replace_multiple") else np.ones(N)
    rhos = sizes / (sizes + c)
    simulated = bias.simulate_shrinkage(rhos, 100, R, regime, np.random.default_rng(7))
    expected = bias.fixed_penalty(c, regime, N)
    assert np.all(np.abs(z_scores(simulated, expected)) < Z)
    looped = expected_by_loop(regime, lambda mean, i: rhos[i - 1] * mean, 1.0)
    assert expected == pytest.approx(looped, rel=1e-12)
    if regime == "accumulate":
        assert np.ptp(expected) == 0


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: bias.bias(0.1, "accumulate"), "per_fit"),
        (lambda: bias.bias([0.1, np.nan], "accumulate"), "per_fit"),
        (lambda: bias.growth("discard", 3), "regime"),
        (lambda: bias.accumulate_limit(0.0), "decay"),
        (lambda: bias.vae_noise([2.0, 1.0], 3.5), "kept"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
