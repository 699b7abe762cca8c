"""A model's own errors: how often the stated intervals cover, and what is said about them.

Simulations have fixed seeds; thresholds are 4.5 standard errors, so a right claim fails with
probability below 7e-6 each.
"""

import numpy as np
import pytest

from collapse_utils import own
from collapse_utils.errors import InputError
from collapse_utils.evidence.statistics import by_seed
from collapse_utils.regimes import REGIMES
from collapse_utils.theory import bias, diagnosis

Z = 4.5


@pytest.mark.parametrize("regime", REGIMES)
def test_a_models_errors_are_told_apart(regime):
    """400 experiments of 6 seeds: the interval covers b in 95% of them, within 4.5 sd (4.9%)."""
    rng = np.random.default_rng(8)
    errors = bias.simulate_kernel(np.full(6, 0.05), 100, 2400, regime, rng) - 1
    result = [diagnosis.errors_accumulate(part, regime) for part in errors.reshape(400, 6, 6)]
    covered = np.mean([one.low <= 0.05 <= one.high for one in result])
    assert abs(covered - 0.95) < Z * np.sqrt(0.95 * 0.05 / 400)
    estimates = np.array([one.bias_per_fit for one in result])
    assert abs(estimates.mean() - 0.05) < Z * estimates.std() / 20
    assert result[0].bias_at_horizon == pytest.approx(
        result[0].bias_per_fit * bias.growth(regime, 1000)[-1]
    )


def test_no_bias_is_found_where_there_is_none():
    """500 unbiased experiments of 4 seeds: 5% intervals exclude zero, within 4.5 sd (4.4%)."""
    rng = np.random.default_rng(9)
    errors = bias.simulate_shrinkage(np.ones(5), 50, 2000, "accumulate", rng) - 1
    result = [diagnosis.errors_accumulate(part, "accumulate") for part in errors.reshape(500, 4, 5)]
    assert abs(np.mean([one.biased for one in result]) - 0.05) < Z * np.sqrt(0.05 * 0.95 / 500)
    noise2 = np.mean([one.noise_per_fit**2 for one in result])
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


class Blurred:
    """A kernel density estimate whose error is known: it adds 0.25 to the second moment."""

    def real_data(self):
        train = np.random.default_rng(1).standard_normal((200, 1))
        return train, train

    def fit(self, training_data, seed, checkpoint):
        return np.asarray(training_data)

    def sample(self, model, size, seed):
        rng = np.random.default_rng(seed)
        return rng.choice(model, size) + 0.5 * rng.standard_normal((size, 1))

    def evaluate(self, model, real_test):
        return {"second_moment": float(np.mean(model**2)) + 0.25}


def test_the_recipe_of_the_chapter_from_an_own_model_to_its_diagnosis(tmp_path):
    """A generation strays by 0.125 (one sd), the estimate from 5 seeds of 4 fits by about 0.03:
    0.13 is more than 4 of that.
    """
    regimes = ["replace", "accumulate"]
    frame = own.experiment(Blurred(), tmp_path, iterations=4, seeds=range(5), regimes=regimes)
    real = float(np.mean(Blurred().real_data()[0] ** 2))
    for regime, bounded in (("replace", "accumulates"), ("accumulate", "averages out")):
        errors = by_seed(frame, "second_moment", regime=regime) - real
        result = diagnosis.errors_accumulate(errors, regime)
        assert result.biased and abs(result.bias_per_fit - 0.25) < 0.13
        assert str(result).startswith("bias accumulates") and f"noise {bounded}" in str(result)
