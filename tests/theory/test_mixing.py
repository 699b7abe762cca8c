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


def z_of(errors, expected):
    return (errors.mean(axis=0) - expected) / (errors.std(axis=0, ddof=1) / math.sqrt(len(errors)))


def brute_force(kind, real, synthetic, d, T, iterations, rng):
    """One chain, one ``lstsq`` an iteration on every labelled row; the w* is not zero."""
    X, w_star = rng.standard_normal((T, d)), rng.standard_normal(d)

    def label(w, sets):
        return [X @ w + rng.standard_normal(T) for _ in range(sets)]

    fixed = label(w_star, real)
    kept = [*fixed, *label(w_star, synthetic)]

    def fit():
        return np.linalg.lstsq(np.concatenate([X] * len(kept)), np.concatenate(kept), rcond=None)[0]

    fits = [fit()]
    for _ in range(iterations - 1):
        again = fixed if kind == "fixed" else label(w_star, real)
        added = [*again, *label(fits[-1], synthetic)]
        kept = [*kept, *added] if kind == "accumulate" else added
        fits.append(fit())
    return [np.sum((w - w_star) ** 2) for w in fits]


@pytest.mark.parametrize(
    ("kind", "real", "synthetic"),
    [("fresh", 1, 3), ("fixed", 1, 3), ("accumulate", 1, 2)],
)
def test_growth_against_brute_force(kind, real, synthetic):
    """m labels a row are m T rows, so base is sigma2 d / (T - d - 1) / m: exact."""
    rng = np.random.default_rng(11)
    errors = np.array([brute_force(kind, real, synthetic, 3, 14, 8, rng) for _ in range(1500)])
    m = real + synthetic
    expected = 3 / (14 - 3 - 1) / m * mixing.growth(kind, np.arange(1, 9), real / m)
    assert np.max(np.abs(z_of(errors, expected))) < 4.5


@pytest.mark.parametrize("kind", mixing.KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_growth_against_simulation(kind, share):
    config = Mixing(kind, r=share, s=1 - share, d=4, T=24, iterations=12, repeats=4000)
    errors = mixing.simulate(config, seed=1)
    base = 4 / (24 - 4 - 1)
    assert np.max(np.abs(z_of(errors, base * mixing.growth(kind, T_ALL, share)))) < 4.5
    wrong = base * mixing.growth(kind, T_ALL, 0.8 * share)  # the test can tell another share
    assert np.max(np.abs(z_of(errors, wrong))) > 4.5


@pytest.mark.parametrize(("kind", "weight"), [("fresh", 0.35), ("fresh", None), ("fixed", 0.9)])
def test_settled_against_simulation(kind, weight):
    config = Mixing(kind, r=0.5, s=2.0, weight=weight, d=4, T=24, iterations=40, repeats=4000)
    errors = mixing.simulate(config, seed=2)[:, -1:]
    expected = 4 / 19 * mixing.settled(kind, 0.5, 2.0, weight)
    assert np.max(np.abs(z_of(errors, expected))) < 4.5


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
    config = Mixing("fresh", r=0.4, s=0.6, rows="new", d=5, T=30, iterations=12, repeats=6000)
    errors = mixing.simulate(config, seed=4)
    assert np.max(np.abs(z_of(errors, mixing.fresh_error(T_ALL, 12, 18, 5)))) < 4.5
    limit = 5 / 24 * mixing.growth("fresh", T_ALL, 0.4)
    assert np.max(np.abs(z_of(errors, limit))) > 4.5  # T/d = 6 is not large enough for the limit


def test_new_rows_approach_the_same_rows():
    """For many rows a feature the fixed case of new rows is that of the same rows, within 5%."""
    config = Mixing("fixed", r=0.3, s=0.7, rows="new", d=2, T=300, iterations=12, repeats=3000)
    errors = mixing.simulate(config, seed=5)
    expected = 2 / 297 * mixing.growth("fixed", T_ALL, 0.3)
    standard_error = errors.std(axis=0, ddof=1) / math.sqrt(len(errors))
    assert np.all(np.abs(errors.mean(axis=0) - expected) < 4.5 * standard_error + 0.05 * expected)


def test_carry_over_limits():
    assert mixing.carry_over(30_000, 70_000, 5) == pytest.approx(0.49, rel=1e-4)
    assert mixing.fresh_error(10**6, 30_000, 70_000, 5) / (5 / 99_994) == pytest.approx(
        mixing.growth("fresh", math.inf, 0.3), rel=1e-3
    )


def test_check_values():
    """The values of the literature and of the linear chapter."""
    assert mixing.growth("fresh", math.inf, 0.3) == pytest.approx(1 / (0.3 * 1.7))
    assert mixing.growth("fixed", math.inf, 0.3) == pytest.approx((3 - 0.6) / (0.3 * 1.7))
    assert mixing.growth("fresh", [1, 7, 50], 0).tolist() == [1, 7, 50]  # Theorem 1
    assert mixing.growth("fixed", [1, 7, 50], 0).tolist() == [1, 7, 50]
    assert mixing.growth("accumulate", 10, 0) == pytest.approx(sum(1 / i**2 for i in range(1, 11)))
    assert mixing.growth("fixed", [1, 7, 50], 1).tolist() == [1, 1, 1]  # the same fit each time
    assert mixing.growth("accumulate", [1, 2, 10], 1) == pytest.approx([1, 1 / 2, 1 / 10])
    golden = mixing.best_weight(1, 1)
    assert golden == pytest.approx(1 / mixing.PHI)
    assert mixing.settled("fresh", 1, 1, golden) == pytest.approx(1 / mixing.PHI)
    assert mixing.settled("fresh", 1, 1) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("r", "s"), [(1, 1), (0.1, 0.9), (3, 0.5)])
def test_best_weight_is_the_minimum(r, s):
    """A search over weights, and the closed form u / r of the error there."""
    weights = np.linspace(0.001, 1, 20_000)
    errors = [mixing.settled("fresh", r, s, u) for u in weights]
    u = mixing.best_weight(r, s)
    assert weights[np.argmin(errors)] == pytest.approx(u, abs=1e-4)
    assert mixing.settled("fresh", r, s, u) == pytest.approx(u / r)
    assert min(errors) == pytest.approx(u / r, rel=1e-6)


@pytest.mark.parametrize("r", [0.05, 0.5, 2])
def test_the_number_of_real_rows_decides(r):
    """In units of the error of the real rows alone, 1/r: fresh in (1/2, 1), fixed in (1, 3/2)."""
    for s in (1e-6, 0.1, 1, 10, 1e6):
        assert 0.5 < mixing.settled("fresh", r, s) * r < 1
        assert 1 < mixing.settled("fixed", r, s) * r < 1.5
    assert mixing.settled("fresh", r, 1e6) * r == pytest.approx(0.5, abs=1e-4)
    assert mixing.settled("fixed", r, 1e6) * r == pytest.approx(1.5, abs=1e-4)


@pytest.mark.parametrize(("share", "power"), [(0.2, -0.4), (1.0, -1.0)])
def test_real_data_that_accumulate_make_the_error_vanish(share, power):
    early, late = mixing.growth("accumulate", [2_000, 20_000], share)
    assert math.log10(late / early) == pytest.approx(power, abs=0.02)


def test_wrong_model_has_a_floor():
    """More rows at the same share of synthetic ones never get below p^2 |delta|^2."""
    sizes = (20, 200, 2000, 200_000)
    errors = [mixing.wrong_model_error(8 * k, 2 * k, 20, shift2=4.0) for k in sizes]
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] == pytest.approx(0.2**2 * 4, rel=1e-3)
    real_alone = 20 / (8 * 2000 - 21)
    assert errors[2] > 50 * real_alone


def test_same_seed_same_bits():
    config = Mixing(repeats=50, iterations=4)
    assert np.array_equal(mixing.simulate(config, 7), mixing.simulate(config, 7))
    assert not np.array_equal(mixing.simulate(config, 7), mixing.simulate(config, 8))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: mixing.growth("stale", 1, 0.5), "kind"),
        (lambda: mixing.growth("fresh", 0, 0.5), "t"),
        (lambda: mixing.growth("fresh", 1, 1.1), "share"),
        (lambda: mixing.growth("accumulate", math.inf, 0.5), "t"),
        (lambda: mixing.settled("accumulate", 1, 1), "kind"),
        (lambda: mixing.settled("fresh", 1, 1, 0.0), "weight"),
        (lambda: mixing.best_weight(0, 1), "r"),
        (lambda: mixing.carry_over(3, 10, 4), "real"),
        (lambda: Mixing(s=0.0), "s"),
        (lambda: Mixing(d=8, T=9), "T"),
        (lambda: Mixing(kind="accumulate", r=0.5, s=1.0), "s"),
        (lambda: Mixing(rows="old"), "rows"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
