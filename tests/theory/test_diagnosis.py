"""A model's own errors: how often the stated intervals cover, and what is said about them.

Simulations have fixed seeds; thresholds are 4.5 standard errors, so a right claim fails with
probability below 7e-6 each.
"""

import numpy as np
import pytest

from collapse_utils.errors import InputError
from collapse_utils.regimes import REGIMES
from collapse_utils.theory import bias, diagnosis

Z = 4.5


@pytest.mark.parametrize("regime", REGIMES)
def test_a_models_errors_are_told_apart(regime):
    """400 experiments of 6 seeds: the interval covers b in 95% of them, within 4.5 sd (4.9%)."""
    rng = np.random.default_rng(8)
    errors = bias.simulate_kernel(np.full(6, 0.05), 100, 2400, regime, rng) - 1
    found = [diagnosis.errors_accumulate(part, regime) for part in errors.reshape(400, 6, 6)]
    covered = np.mean([one.low <= 0.05 <= one.high for one in found])
    assert abs(covered - 0.95) < Z * np.sqrt(0.95 * 0.05 / 400)
    estimates = np.array([one.bias_per_fit for one in found])
    assert abs(estimates.mean() - 0.05) < Z * estimates.std() / 20
    assert found[0].bias_at_horizon == pytest.approx(
        found[0].bias_per_fit * bias.growth(regime, 1000)[-1],
    )


def test_no_bias_is_found_where_there_is_none():
    """500 unbiased experiments of 4 seeds: 5% intervals exclude zero, within 4.5 sd (4.4%)."""
    rng = np.random.default_rng(9)
    errors = bias.simulate_shrinkage(np.ones(5), 50, 2000, "accumulate", rng) - 1
    found = [diagnosis.errors_accumulate(part, "accumulate") for part in errors.reshape(500, 4, 5)]
    assert abs(np.mean([one.biased for one in found]) - 0.05) < Z * np.sqrt(0.05 * 0.95 / 500)
    noise2 = np.mean([one.noise_per_fit**2 for one in found])
    assert noise2 == pytest.approx(1 / 50, rel=0.15)


def test_the_diagnosis_reads_as_a_sentence():
    errors = np.array([[0.10, 0.16, 0.19], [0.11, 0.15, 0.18], [0.09, 0.15, 0.19]])
    kept = str(diagnosis.errors_accumulate(errors, "accumulate", horizon=100))
    assert kept.startswith("bias accumulates: 0.1") and "noise averages out" in kept
    fading = str(diagnosis.errors_accumulate(errors, "accumulate", decay=0.4))
    assert fading.startswith("bias stays bounded")
    none = str(diagnosis.errors_accumulate([[0.1, 0.2], [-0.1, -0.2]], "replace"))
    assert none.startswith("bias not distinguishable from zero") and "noise accumulates" in none


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: diagnosis.errors_accumulate([[0.1, 0.2]], "replace"), "errors"),
        (lambda: diagnosis.errors_accumulate([[0.1], [np.inf]], "replace"), "errors"),
        (lambda: diagnosis.errors_accumulate([[0.1], [0.2]], "replace", horizon=0), "horizon"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
