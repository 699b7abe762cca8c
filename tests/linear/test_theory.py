"""The closed forms of the linear section: check values, limits, shapes, refusals."""

import math

import numpy as np
import pytest

from collapse_utils.errors import InputError
from collapse_utils.linear import theory
from collapse_utils.regimes import REGIMES

T = [100, 316, 1000]


def test_check_values():
    """d = 32, sigma2 = 1: computed by hand from the theorems, to the digits given."""
    assert theory.base(32, T, 1) == pytest.approx([0.47761, 0.11307, 0.03309], abs=5e-6)
    assert theory.test_error("replace", 50, 32, T, 1) == pytest.approx(
        [23.88, 5.654, 1.655], rel=3e-4
    )
    assert theory.test_error("accumulate", 50, 32, T, 1) == pytest.approx(
        [0.7762, 0.1838, 0.0538], abs=5e-5
    )
    bound = theory.base(32, T, 1) * theory.ACCUMULATE_BOUND
    assert bound == pytest.approx([0.7856, 0.1860, 0.0544], abs=5e-5)


def test_first_fit_is_the_same_for_every_regime():
    for regime in REGIMES:
        assert theory.test_error(regime, 1, 32, T, 0.1) == pytest.approx(
            theory.base(32, T, 0.1), rel=1e-12
        )


def test_growth():
    n = np.array([1, 2, 5, 10, 100, 1000])
    assert theory.growth("replace", n).tolist() == n.tolist()
    assert theory.growth("replace_multiple", 4) == pytest.approx(1 + 1 / 2 + 1 / 3 + 1 / 4)
    assert theory.growth("accumulate", 3) == pytest.approx(1 + 1 / 4 + 1 / 9)
    assert theory.growth("accumulate_subsample", n[1:]) == pytest.approx(
        [1.75, 2.39, 2.65, 2.905, 2.932], abs=1.1e-3
    )


@pytest.mark.parametrize(
    ("regime", "bound"),
    [("accumulate", theory.ACCUMULATE_BOUND), ("accumulate_subsample", np.pi**2 / 2 - 2)],
)
def test_bounds_are_approached_from_below(regime, bound):
    values = theory.growth(regime, np.arange(1, 20_001))
    assert np.all(np.diff(values) > 0)
    assert bound - 2e-4 < values[-1] < bound


def test_subsample_growth_sums_the_covariances():
    """The closed form against its double sum: weights 1/(k + 1), E zeta_k.zeta_l = 1/max(k, l)."""
    for n in (1, 2, 7, 40):
        k = np.arange(1, n + 1)
        weights = np.where(k == n, 1.0, 1 / (k + 1))
        covariance = np.where(k[:, None] == k, 1.0, 1 / np.maximum(k[:, None], k))
        direct = weights @ covariance @ weights
        assert theory.growth("accumulate_subsample", n) == pytest.approx(direct, rel=1e-12)


def test_subsample_recursion():
    n = np.arange(1, 51)
    large = theory.subsample_growth(n, 32, 10**8)
    assert large == pytest.approx(theory.growth("accumulate_subsample", n), rel=1e-5)
    smaller_T_grows_faster = [
        theory.subsample_growth(n, 32, rows)[-1] for rows in (1000, 316, 100, 70)
    ]
    assert np.all(np.diff(smaller_T_grows_faster) > 0)
    # about 26 different rows for 32 features
    assert math.isinf(theory.subsample_growth(10, 32, 40))


def test_broadcasting():
    for regime in REGIMES:
        values = theory.test_error(regime, np.arange(1, 4), 4, np.array([[30], [60]]), 2.0)
        assert values.shape == (2, 3)
        assert values[1, 2] == pytest.approx(theory.test_error(regime, 3, 4, 60, 2.0))
        assert np.ndim(theory.test_error(regime, 3, 4, 60, 2.0)) == 0


def test_fresh_rows():
    assert theory.fresh_test_error("replace", 7, 4, 20, 1.0) == theory.test_error(
        "replace", 7, 4, 20, 1.0
    )
    expected = 4 / 15 + 4 / 35 + 4 / 55
    assert theory.fresh_test_error("replace_multiple", 3, 4, 20, 1.0) == pytest.approx(expected)
    unknown = theory.fresh_test_error("accumulate", np.array([1, 2]), 4, 20, 1.0)
    assert unknown[0] == theory.base(4, 20, 1.0) and np.isnan(unknown[1])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("replace", 1, 32, 33, 1.0), "T"),
        (("accumulate_subsample", 1, 32, 33, 1.0), "T"),
        (("replace", 1, 32, [100, 33], 1.0), "T"),
        (("replace", 1, 32, 100.5, 1.0), "T"),
        (("replace", 1, 0, 100, 1.0), "d"),
        (("replace", 1, 32, 100, -1.0), "sigma2"),
        (("replace", 1, 32, 100, float("nan")), "sigma2"),
        (("replace", 1, 32, 100, "1"), "sigma2"),
        (("replace", 0, 32, 100, 1.0), "n"),
        (("accumulate_subsample", 1.5, 32, 100, 1.0), "n"),
        (("discard", 1, 32, 100, 1.0), "regime"),
    ],
)
def test_bad_input_names_the_field(arguments, field):
    with pytest.raises(InputError) as caught:
        theory.test_error(*arguments)
    assert caught.value.field == field


def test_too_few_rows_says_why():
    with pytest.raises(
        InputError, match=r"T: got 33; allowed: an integer >= d \+ 2 = 34 .*infinite"
    ):
        theory.base(32, 33, 1.0)
