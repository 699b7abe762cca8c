"""Real data in every training set: closed forms against brute force, simulation, and each other.

Random tests use fixed seeds.  Each compares |z| with 4.5, which a right formula exceeds with a
chance of 7e-6 for each number compared: below 1 in 2,000 for the largest test here.
"""

import math

import numpy as np
import pytest

from collapse_utils.errors import InputError
from collapse_utils.theory import mixing
from collapse_utils.theory.mixing import Mixing

T_ALL = np.arange(1, 13)
BASE = 4 / (24 - 4 - 1)  # of Mixing's d = 4 and T = 24


def z_of(errors, expected):
    return (errors.mean(axis=0) - expected) / (errors.std(axis=0, ddof=1) / math.sqrt(len(errors)))


def brute_force(r, s, pool, accumulate, rng, d=3, T=14, iterations=8):
    """One chain, one ``lstsq`` an iteration on every labelled row; w* is not zero."""
    X, w_star = rng.standard_normal((T, d)), rng.standard_normal(d)

    def label(w, sets):
        return [X @ w + rng.standard_normal(T) for _ in range(sets)]

    def fit():
        return np.linalg.lstsq(np.concatenate([X] * len(kept)), np.concatenate(kept), rcond=None)[0]

    real = label(w_star, max(r + s, pool or 0))
    kept = real[: r + s]
    fits = [fit()]
    for _ in range(iterations - 1):
        drawn = label(w_star, r)
        if pool:
            drawn = [real[i] for i in rng.choice(pool, r, replace=False)]
        added = [*drawn, *label(fits[-1], s)]
        kept = [*kept, *added] if accumulate else added
        fits.append(fit())
    return [np.sum((w - w_star) ** 2) for w in fits]


@pytest.mark.parametrize(
    ("r", "s", "pool"),
    [(1, 3, None), (1, 3, 1), (2, 1, 8), (2, 3, 4), (0, 2, None)],
    ids=["fresh", "fixed", "large pool", "small pool", "replace"],
)
def test_growth_against_brute_force(r, s, pool):
    rng = np.random.default_rng(11)
    errors = np.array([brute_force(r, s, pool, False, rng) for _ in range(1200)])
    expected = 3 / (14 - 3 - 1) * mixing.growth(np.arange(1, 9), r, s, pool or math.inf)
    assert np.max(np.abs(z_of(errors, expected))) < 4.5


def test_accumulated_against_brute_force():
    """Three sets of labels an iteration, one of them real: in units of the first fit, base/3."""
    rng = np.random.default_rng(12)
    errors = np.array([brute_force(1, 2, None, True, rng) for _ in range(1200)])
    expected = 3 / (14 - 3 - 1) / 3 * mixing.accumulated(np.arange(1, 9), 1 / 3)
    assert np.max(np.abs(z_of(errors, expected))) < 4.5


@pytest.mark.parametrize(
    ("r", "s", "pool", "weight"),
    [(1, 9, None, None), (1, 9, 1, None), (3, 1, 12, None), (1, 4, None, 0.35), (2, 2, 2, 0.9)],
)
def test_growth_against_simulation(r, s, pool, weight):
    config = Mixing(r, s, pool, weight, iterations=12, repeats=4000)
    errors = mixing.simulate(config, seed=1)
    expected = BASE * mixing.growth(T_ALL, r, s, pool or math.inf, weight)
    assert np.max(np.abs(z_of(errors, expected))) < 4.5
    wrong = BASE * mixing.growth(T_ALL, r, s + 1, pool or math.inf, weight)
    assert np.max(np.abs(z_of(errors, wrong))) > 4.5  # the test can tell one more set


def test_accumulated_against_simulation():
    errors = mixing.simulate(Mixing(3, 2, accumulate=True, iterations=12, repeats=4000), seed=3)
    assert np.max(np.abs(z_of(errors, BASE / 5 * mixing.accumulated(T_ALL, 0.6)))) < 4.5


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_bias_growth_against_a_kernel_density_estimate(share):
    """Every fit adds the kernel's variance h^2 to the variance of its training set."""
    rng, n, h = np.random.default_rng(5), 200_000, 0.5
    training = rng.standard_normal(n)
    for t in range(1, 7):
        fitted = training + h * rng.standard_normal(n)  # samples of fit t
        standard_error = (1 + t * h**2) * math.sqrt(2 / n)
        expected = 1 + h**2 * mixing.bias_growth(t, share)
        assert abs(fitted.var() - expected) < 4.5 * standard_error
        real = rng.random(n) < share
        training = np.where(real, rng.standard_normal(n), fitted)


def test_bias_growth_adds_up():
    for share in (0, 0.1, 1):
        for t in (1, 2, 7):
            direct = sum((1 - share) ** k for k in range(t))
            assert mixing.bias_growth(t, share) == pytest.approx(direct)
    assert mixing.bias_growth(math.inf, 0.2) == pytest.approx(5)


def test_carry_over_against_brute_force():
    """|M delta|^2 for M = (X'X)^-1 X_s'X_s, one matrix at a time; its large-T limit would fail."""
    rng = np.random.default_rng(3)
    values = []
    for _ in range(6000):
        X, delta = rng.standard_normal((20, 5)), np.array([0.6, 0.8, 0, 0, 0])
        labels = np.concatenate([np.zeros(8), X[8:] @ delta])
        values.append(np.sum(np.linalg.lstsq(X, labels, rcond=None)[0] ** 2))
    values = np.array(values)[:, None]
    assert abs(z_of(values, mixing.carry_over(8, 12, 5))[0]) < 4.5
    assert z_of(values, 0.6**2)[0] > 20


def test_new_rows_are_exact_when_fresh():
    config = Mixing(2, 3, new_rows=True, d=3, T=6, iterations=12, repeats=6000)
    errors = mixing.simulate(config, seed=4)
    assert np.max(np.abs(z_of(errors, mixing.fresh_error(T_ALL, 12, 18, 3)))) < 4.5
    limit = 3 / 26 * 5 * mixing.growth(T_ALL, 2, 3)
    assert np.max(np.abs(z_of(errors, limit))) > 4.5  # 10 rows a feature are too few for the limit


def test_new_rows_approach_the_same_rows():
    """For many rows a feature the fixed case of new rows is that of the same rows, within 5%."""
    config = Mixing(3, 7, pool=3, new_rows=True, d=2, T=30, iterations=12, repeats=3000)
    errors = mixing.simulate(config, seed=5)
    expected = 2 / 297 * 10 * mixing.growth(T_ALL, 3, 7, pool=3)
    standard_error = errors.std(axis=0, ddof=1) / math.sqrt(len(errors))
    assert np.all(np.abs(errors.mean(axis=0) - expected) < 4.5 * standard_error + 0.05 * expected)


def test_carry_over_limits():
    assert mixing.carry_over(30_000, 70_000, 5) == pytest.approx(0.49, rel=1e-4)
    settled = mixing.fresh_error(10**6, 30_000, 70_000, 5) / (5 / 99_994)
    assert settled == pytest.approx(mixing.growth(math.inf, 0.3, 0.7), rel=1e-3)


def test_check_values():
    """The values of the literature and of the linear chapter."""
    assert mixing.growth(math.inf, 0.3, 0.7) == pytest.approx(1 / (0.3 * 1.7))
    assert mixing.growth(math.inf, 0.3, 0.7, pool=0.3) == pytest.approx((3 - 0.6) / (0.3 * 1.7))
    assert mixing.growth([1, 7, 50], 0, 1).tolist() == [1, 7, 50]  # Theorem 1
    assert mixing.growth([1, 7, 50, math.inf], 1, 1e-12, pool=1) == pytest.approx(1)
    theorem_2 = sum(1 / i**2 for i in range(1, 11))
    assert mixing.accumulated([1, 10], 0) == pytest.approx([1, theorem_2])
    assert mixing.accumulated([1, 2, 10], 1) == pytest.approx([1, 1 / 2, 1 / 10])
    best, inverse_golden = mixing.best_weight(1, 1), (math.sqrt(5) - 1) / 2
    assert best == pytest.approx(inverse_golden)
    assert mixing.growth(math.inf, 1, 1, weight=best) == pytest.approx(inverse_golden)
    assert mixing.growth(math.inf, 1, 1) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("r", "s"), [(1, 1), (0.1, 0.9), (3, 0.5)])
def test_best_weight_is_the_minimum(r, s):
    """A search over weights, and the closed form u / r of the error there."""
    weights = np.linspace(0.001, 1, 20_000)
    errors = [mixing.growth(math.inf, r, s, weight=u) for u in weights]
    u = mixing.best_weight(r, s)
    assert weights[np.argmin(errors)] == pytest.approx(u, abs=1e-4)
    assert mixing.growth(math.inf, r, s, weight=u) == pytest.approx(u / r)
    assert min(errors) == pytest.approx(u / r, rel=1e-6)


@pytest.mark.parametrize("r", [0.05, 0.5, 2])
def test_the_number_of_real_labels_decides(r):
    """In units of the error of the real labels alone, 1/r: fresh in (1/2, 1), fixed in (1, 3/2)."""
    for s in (1e-6, 0.1, 1, 10, 1e6):
        assert 0.5 < mixing.growth(math.inf, r, s) * r < 1
        assert 1 < mixing.growth(math.inf, r, s, pool=r) * r < 1.5
    assert mixing.growth(math.inf, r, 1e6) * r == pytest.approx(0.5, abs=1e-4)
    assert mixing.growth(math.inf, r, 1e6, pool=r) * r == pytest.approx(1.5, abs=1e-4)


@pytest.mark.parametrize(("share", "power"), [(0.2, -0.4), (1.0, -1.0)])
def test_real_data_that_accumulate_make_the_error_vanish(share, power):
    early, late = mixing.accumulated([2_000, 20_000], share)
    assert math.log10(late / early) == pytest.approx(power, abs=0.02)


def test_a_wrong_model_has_a_floor():
    """A fit to more rows at the same share p of wrong ones keeps p^2 |delta|^2, and never less."""
    kept = [mixing.carry_over(8 * k, 2 * k, 20) for k in (20, 200, 2000, 200_000)]
    assert np.all(np.diff(kept) < 0)
    assert kept[-1] == pytest.approx(0.2**2, rel=1e-3)


def test_same_seed_same_bits():
    config = Mixing(repeats=50, iterations=4)
    assert np.array_equal(mixing.simulate(config, 7), mixing.simulate(config, 7))
    assert not np.array_equal(mixing.simulate(config, 7), mixing.simulate(config, 8))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: mixing.growth(0, 1, 1), "t"),
        (lambda: mixing.growth(1, -1, 1), "r"),
        (lambda: mixing.growth(1, 1, 0), "s"),
        (lambda: mixing.growth(1, 1, 1, pool=0.5), "pool"),
        (lambda: mixing.growth(1, 1, 1, weight=1.5), "weight"),
        (lambda: mixing.growth(1, 0, 1, weight=0.5), "weight"),
        (lambda: mixing.best_weight(1, 0), "s"),
        (lambda: mixing.bias_growth(1, 1.1), "share"),
        (lambda: mixing.accumulated(math.inf, 0.5), "t"),
        (lambda: mixing.carry_over(3, 10, 4), "real"),
        (lambda: Mixing(s=0), "s"),
        (lambda: Mixing(d=8, T=9), "T"),
        (lambda: Mixing(r=2, pool=1), "pool"),
        (lambda: Mixing(pool=3, new_rows=True), "pool"),
        (lambda: Mixing(accumulate=True, weight=0.5), "accumulate"),
        (lambda: Mixing(accumulate=True, new_rows=True), "accumulate"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
