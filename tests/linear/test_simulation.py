"""The fast simulation against one lstsq per fit, against theory, and against chance."""

import dataclasses

import numpy as np
import pytest

from benchmarks.linear_speed import plain_errors
from collapse_utils import seeds
from collapse_utils.errors import InputError
from collapse_utils.linear import simulation, theory
from collapse_utils.linear.config import Linear, covariance_factor
from collapse_utils.linear.draws import draw, subsets
from collapse_utils.linear.grid import chance
from collapse_utils.regimes import REGIMES

WHOLE = tuple(regime for regime in REGIMES if regime != "accumulate_subsample")


def relative(a, b):
    return np.max(np.abs(a / b - 1))


def z_of(errors, expected):
    return (errors.mean(axis=0) - expected) / (errors.std(axis=0, ddof=1) / np.sqrt(len(errors)))


# Equal to the plain computation for the same draws


@pytest.mark.parametrize("x", ["same", "fresh"])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sigma2": 100.0},
        {"sigma2": 0.01, "condition": 30.0},
        {"sigma2": 0.3, "signal": 3.0},
        {"T": 7},  # d + 2: X is factorised itself, and subsamples do not determine the fit
        {"T": 9},
        {"d": 1, "T": 3},
        {"d": 32, "T": 100, "repeats": 2, "iterations": 12},
    ],
    ids=str,
)
def test_equals_one_lstsq_per_fit(options, regime, x):
    config = Linear(**{"d": 5, "T": 30, "iterations": 6, "repeats": 8, "x": x, **options})
    draws = draw(config, regime, np.random.default_rng(3))
    assert (
        relative(simulation.errors(config, regime, draws), plain_errors(config, regime, draws))
        < 1e-8
    )


@pytest.mark.parametrize("regime", WHOLE)
def test_mean_of_labels_is_the_same_fit(regime):
    config = Linear(d=4, T=20, iterations=5, repeats=3)
    draws = draw(config, regime, np.random.default_rng(1))
    averaged = plain_errors(config, regime, draws, average=True)
    assert relative(averaged, plain_errors(config, regime, draws)) < 1e-10


@pytest.mark.parametrize("regime", REGIMES)
def test_sigma2_only_scales_the_noise(regime):
    config = Linear(d=4, T=20, iterations=5, repeats=6)
    noisy = dataclasses.replace(config, sigma2=100.0)
    draws = draw(config, regime, np.random.default_rng(1))
    assert (
        relative(
            simulation.errors(noisy, regime, draws), 100 * simulation.errors(config, regime, draws)
        )
        < 1e-8
    )
    assert (
        relative(
            simulation.simulate(noisy, regime, 5), 100 * simulation.simulate(config, regime, 5)
        )
        < 1e-8
    )


@pytest.mark.parametrize("regime", REGIMES)
def test_covariance_leaves_the_error_unchanged(regime):
    """The fit from z L' is L^-T times the fit from z, so the S-norm of its error is equal."""
    plain = Linear(d=6, T=40, iterations=5, repeats=6)
    skewed = dataclasses.replace(plain, condition=50.0)
    of_plain = simulation.errors(plain, regime, draw(plain, regime, np.random.default_rng(2)))
    of_skewed = simulation.errors(skewed, regime, draw(skewed, regime, np.random.default_rng(2)))
    assert relative(of_skewed, of_plain) < 1e-8
    L = covariance_factor(skewed)
    assert np.linalg.cond(L @ L.T) == pytest.approx(50.0)
    # not merely a scaling of the axes
    assert np.abs(L @ L.T - np.diag(np.diag(L @ L.T))).max() > 0.1


# The sampler


@pytest.mark.parametrize("options", [{}, {"condition": 9.0}], ids=str)
@pytest.mark.parametrize("x", ["same", "fresh"])
@pytest.mark.parametrize("regime", WHOLE)
def test_drawing_the_factor_is_drawing_x(regime, x, options):
    """``simulate`` never draws X; mean and quartiles are those of explicit draws."""
    config = Linear(d=4, T=12, iterations=3, repeats=8000, x=x, **options)
    a = simulation.simulate(config, regime, 1)
    b = simulation.errors(config, regime, draw(config, regime, np.random.default_rng(5)))
    z = (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(
        (a.var(axis=0) + b.var(axis=0)) / config.repeats
    )
    assert np.all(np.abs(z) < 4.5)
    below = (a[:, None] < np.quantile(b, [0.25, 0.5, 0.75], axis=0)).mean(axis=0)
    assert below == pytest.approx(np.array([[0.25], [0.5], [0.75]]) + np.zeros(3), abs=0.03)


def test_bartlett_moments():
    R = simulation.bartlett(np.random.default_rng(0), np.full(40_000, 9), 3)
    gram = R.swapaxes(1, 2) @ R
    assert np.all(np.tril(R, -1) == 0)
    assert gram.mean(axis=0) == pytest.approx(9 * np.eye(3), abs=0.12)
    assert gram.var(axis=0) == pytest.approx(9 * (np.ones((3, 3)) + np.eye(3)), rel=0.06)
    assert np.linalg.inv(gram).mean(axis=0) == pytest.approx(np.eye(3) / 5, abs=0.01)


def test_subsets_are_uniform():
    rng = np.random.default_rng(0)
    chosen = subsets(30_000, 2, 5, rng)
    assert np.all(chosen[:, 0] < chosen[:, 1])
    counts = np.bincount(chosen[:, 0] * 5 + chosen[:, 1])
    counts = counts[counts > 0]
    assert len(counts) == 10
    assert np.sum((counts - 3000) ** 2 / 3000) < 27.9  # chi-square, 9 degrees of freedom, p = 0.001
    assert subsets(2, 4, 4, rng).tolist() == [[0, 1, 2, 3]] * 2
    nearly_all = subsets(500, 9, 10, rng)
    assert all(len(set(row)) == 9 for row in nearly_all.tolist())


@pytest.mark.parametrize("x", ["same", "fresh"])
@pytest.mark.parametrize("regime", REGIMES)
def test_same_seed_same_bits(regime, x):
    config = Linear(d=4, T=400, iterations=6, repeats=320, x=x)
    first = simulation.simulate(config, regime, 7)
    assert first.shape == (320, 6)
    assert np.array_equal(first, simulation.simulate(config, regime, 7))
    assert np.array_equal(
        first, simulation.simulate(dataclasses.replace(config, threads=2), regime, 7)
    )
    assert not np.array_equal(first, simulation.simulate(config, regime, 8))
    assert len(np.unique(first[:, 0])) == 320  # no two chunks share a stream


# Against theory


def independent_z(offset=0.0):
    """One z for each of 90 independent cells: three regimes, iterations and sizes in turn."""
    z = []
    for number in range(90):
        regime, T, n = WHOLE[number % 3], (20, 40, 100)[number // 3 % 3], (1, 2, 5, 20)[number % 4]
        config = Linear(d=6, T=T, iterations=n, repeats=1500)
        errors = simulation.simulate(config, regime, seeds.derive(1, "z", number))[:, -1]
        z.append(z_of(errors, theory.test_error(regime, n, 6, T, 1.0) * (n + offset) / n))
    return np.array(z)


def test_z_scores_are_what_chance_gives():
    result = chance(independent_z())
    assert abs(result["chi2_z"]) < 3.3
    assert result["ks_p"] > 0.001
    assert result["inside_95"] > 0.87
    wrong = chance(independent_z(offset=1.0))  # the (n + 1) base of the authors' site figure
    assert wrong["chi2_z"] > 20 and wrong["ks_p"] < 1e-6


def test_z_scores_along_a_chain_of_the_paper_size():
    for regime in WHOLE:
        config = Linear(T=316)
        n = np.arange(1, 51)
        z = z_of(simulation.simulate(config, regime, 4), theory.test_error(regime, n, 32, 316, 1.0))
        assert np.max(np.abs(z)) < 4


@pytest.mark.parametrize(
    ("d", "T", "repeats", "tolerance"), [(32, 100, 3000, 0.0), (8, 100, 6000, 0.004)]
)
def test_subsample_recursion_against_simulation(d, T, repeats, tolerance):
    """Within chance, and for few features within a few tenths of a percent."""
    config = Linear(d=d, T=T, iterations=12, repeats=repeats)
    errors = simulation.simulate(config, "accumulate_subsample", 3)
    expected = theory.test_error("accumulate_subsample", np.arange(1, 13), d, T, 1.0)
    standard_error = errors.std(axis=0, ddof=1) / np.sqrt(repeats)
    assert np.all(
        np.abs(errors.mean(axis=0) - expected) < 3.8 * standard_error + tolerance * expected
    )
    # the large-T limit would be far off here: the recursion is needed and the test can tell
    if d == 32:
        limit = theory.base(d, T, 1.0) * theory.growth("accumulate_subsample", np.arange(1, 13))
        assert (errors.mean(axis=0)[-1] - limit[-1]) / standard_error[-1] > 20


@pytest.mark.parametrize(("T", "expected"), [(100, 1.41), (316, 1.50)])
def test_fresh_x_accumulates_lower_than_theorem_2(T, expected):
    """At n = 10, d = 32, in units of base: 1.55 for the same rows, and fresh ones as T grows."""
    config = Linear(T=T, iterations=10, repeats=3000, x="fresh")
    base = theory.base(32, T, 1.0)
    fresh = simulation.simulate(config, "accumulate", 2)[:, -1] / base
    same = simulation.simulate(dataclasses.replace(config, x="same"), "accumulate", 2)[:, -1] / base
    assert fresh.mean() == pytest.approx(expected, abs=0.02)
    assert same.mean() == pytest.approx(1.55, abs=0.025)
    assert z_of(fresh, theory.growth("accumulate", 10)) < -5


def test_fresh_x_closed_forms():
    n = np.arange(1, 8)
    for regime in ("replace", "replace_multiple"):
        config = Linear(d=6, T=20, iterations=7, repeats=4000, x="fresh")
        z = z_of(
            simulation.simulate(config, regime, 6), theory.fresh_test_error(regime, n, 6, 20, 1.0)
        )
        assert np.max(np.abs(z)) < 4


# What is shown


def test_intervals_cover():
    config = Linear(d=4, T=30, iterations=1, repeats=200)
    truth = theory.base(4, 30, 1.0)
    inside = 0
    for seed in range(400):
        result = simulation.summary(simulation.simulate(config, "replace", seed))
        inside += result["low"][0] <= truth <= result["high"][0]
    assert 0.90 < inside / 400 < 0.98


def test_heavy_tail_near_d_plus_2():
    config = Linear(T=34, iterations=1, repeats=4000)
    errors = simulation.simulate(config, "replace", 0)
    low, _, median, _, high = simulation.quantiles(errors)[:, 0]
    assert low < median < 0.6 * theory.base(32, 34, 1.0)  # the mean lives in the tail
    assert errors.max() > 10 * high
    calm = simulation.quantiles(
        simulation.simulate(dataclasses.replace(config, T=316), "replace", 0)
    )[:, 0]
    assert calm[2] > 0.9 * theory.base(32, 316, 1.0)


# Refusals


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("T", 33),
        ("T", 0),
        ("T", 100.0),
        ("d", 0),
        ("sigma2", 0.0),
        ("sigma2", float("inf")),
        ("iterations", 0),
        ("repeats", 1),
        ("x", "new"),
        ("signal", -1.0),
        ("condition", 0.5),
        ("threads", 0),
    ],
)
def test_bad_configuration_names_the_field(field, value):
    with pytest.raises(InputError) as caught:
        Linear(**{field: value})
    assert caught.value.field == field and "\n" not in str(caught.value)


def test_bad_regime_and_seed():
    config = Linear(d=2, T=10, iterations=2, repeats=4)
    with pytest.raises(InputError, match="regime: got 'discard'"):
        simulation.simulate(config, "discard", 0)
    with pytest.raises(InputError, match="seed: got -1"):
        simulation.simulate(config, "replace", -1)
