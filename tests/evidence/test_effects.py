"""Every test of claims.yml on results whose answer is known, by closed form or by scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from collapse_utils.errors import InputError
from collapse_utils.evidence import effects
from collapse_utils.evidence.rows import REAL_LENGTH, TEMPERED, Rows
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED, decide


def frame(**regimes):
    """Tidy rows of the metric m from a table a regime: a row a seed, a column a fit."""
    rows = [
        {
            "metric": "m",
            "regime": regime,
            "variant": "",
            "seed": seed,
            "iteration": t + 1,
            "value": float(value),
        }
        for regime, table in regimes.items()
        for seed, chain in enumerate(table)
        for t, value in enumerate(chain)
    ]
    return pd.DataFrame(rows)


def rows(scale="difference", **regimes):
    return Rows(frame(**regimes), "m", scale)


def outcome(parts):
    return decide("c", parts).outcome


NOISE = np.random.default_rng(0).normal(0, 0.01, (4, 5))


def test_slopes_up_is_a_t_test_of_one_slope_a_chain():
    table = 2 + np.arange(5) * np.array([[0.3], [0.2], [0.25], [0.4]]) + NOISE
    (part,) = effects.slopes_up(rows(replace=table), "replace")
    slopes = [stats.linregress(range(5), chain).slope for chain in table]
    assert part.effects == pytest.approx(slopes)
    assert part.p()[0] == pytest.approx(stats.ttest_1samp(slopes, 0, alternative="greater").pvalue)


def test_the_slope_of_a_ratio_is_a_factor_a_fit():
    table = 0.02 * np.array([[1.1], [1.2], [1.15]]) ** np.arange(5)
    (part,) = effects.slopes_up(rows("ratio", replace=table), "replace")
    assert part.effects == pytest.approx([1.1, 1.2, 1.15]) and part.threshold == 1 and part.log


def test_a_rise_with_one_step_down_rises_and_its_steps_are_counted():
    """No claim about every single step can be established: one fit falls by chance."""
    table = np.array([1, 2, 1.98, 3, 4.0]) + 0.001 * np.arange(4)[:, None]
    assert outcome(effects.slopes_up(rows(replace=table), "replace")) == REPRODUCED
    assert effects.steps_up(rows(replace=table), "replace") == (12, 16)
    assert outcome(effects.never_falls(rows(replace=table), "replace", 0.05)) == REPRODUCED
    assert outcome(effects.never_falls(rows(replace=table), "replace", 0.01)) == NOT_REPRODUCED


def test_a_fall_is_measured_as_a_share_on_the_scale_of_ratios():
    table = np.array([1, 0.96, 2]) * np.array([[1], [1.001], [0.999]])
    parts = effects.never_falls(rows("ratio", replace=table), "replace", 0.05)
    assert [part.threshold for part in parts] == [0.95, 0.95] and outcome(parts) == REPRODUCED


def test_trends_up_is_pages_test_and_sees_the_order_of_fits_only():
    table = np.array([[1, 2, 3, 4.0], [1, 3, 2, 4], [2, 3, 4, 5]])
    (part,) = effects.trends_up(rows(replace=table), "replace")
    assert part.p()[0] == stats.page_trend_test(table, method="exact").pvalue
    assert part.p() == effects.trends_up(rows(replace=np.exp(table)), "replace")[0].p()
    assert np.mean(part.effects) == pytest.approx((1 + 0.8 + 1) / 3) and math.isnan(
        part.estimate().low
    )
    assert outcome([part]) == REPRODUCED
    assert outcome(effects.trends_up(rows(replace=table[:, ::-1]), "replace")) == NOT_REPRODUCED


def test_pages_trend_has_the_p_of_all_permutations_within_chains():
    from itertools import permutations, product

    table = np.array([[1, 2, 3.0], [1, 3, 2]])
    statistic = lambda chains: sum(stats.spearmanr(range(3), chain).statistic for chain in chains)  # noqa: E731
    every = [statistic(chains) for chains in product(permutations([1, 2, 3]), repeat=2)]
    share = np.mean([value >= statistic(table) - 1e-9 for value in every])
    assert effects.trends_up(rows(replace=table), "replace")[0].p()[0] == pytest.approx(share)


def test_stays_uses_the_mean_of_the_later_fits_and_not_the_highest():
    """Noise of 0.1, no change: the highest of four fits is 0.1 above, their mean is not."""
    table = np.array([[2, 2.1, 1.9, 2.1, 1.9], [2, 1.9, 2.1, 1.9, 2.1], [2, 2.1, 2.05, 1.9, 1.96]])
    (part,) = effects.does_not_rise(rows(accumulate=table), "accumulate", 0.05)
    assert part.effects == pytest.approx((table[:, 1:].mean(axis=1) - 2).tolist())
    assert outcome([part]) == REPRODUCED and np.mean(table[:, 1:].max(axis=1)) > 2.05


def test_stays_equal_holds_on_both_sides_of_the_margin():
    level = np.array([[1.0], [1.01], [0.99]])
    for factor, expected in ((1.02, REPRODUCED), (1.4, NOT_REPRODUCED), (1 / 1.4, NOT_REPRODUCED)):
        table = (
            level
            * np.array([[1, factor, factor * 1.001]])
            * np.array([[1, 1, 1], [1, 1.001, 1], [1, 1, 1.002]])
        )
        assert (
            outcome(effects.stays_equal(rows("ratio", accumulate=table), "accumulate", 1.1))
            == expected
        )


def measured(**metrics):
    """Rows of several metrics, each with a table a regime."""
    parts = [frame(**regimes).assign(metric=name) for name, regimes in metrics.items()]
    return Rows(pd.concat(parts), "m", "ratio")


def test_samples_lie_below_real_texts_under_both_regimes():
    real = np.full((3, 2), 2.0)
    low = real * [[0.5], [0.51], [0.52]]
    high = real * [[1.5], [1.51], [1.52]]
    for second, expected in ((low, REPRODUCED), (high, NOT_REPRODUCED)):
        both = measured(
            m={"replace": low, "accumulate": second},
            m_real=dict.fromkeys(("replace", "accumulate"), real),
        )
        first, other = effects.ends_below_real(both, "replace", "accumulate")
        assert first.effects == pytest.approx([0.5, 0.51, 0.52])
        assert outcome([first, other]) == expected
    assert (
        outcome(effects.ends_below_real(rows("ratio", replace=low), "replace", "accumulate"))
        == NOT_RUN
    )


def test_two_arms_stay_near_one_another_at_every_later_fit():
    level, spread = np.array([[100.0, 90, 80]] * 3), [[1.0], [1.01], [1.02]]
    for last, expected in ((1.0, REPRODUCED), (1.3, NOT_REPRODUCED)):
        both = rows("ratio", replace=level, accumulate=level * spread * [1, 1, last])
        parts = effects.stays_near(both, "accumulate", "replace", 1.1)
        assert len(parts) == 4 and outcome(parts) == expected


def test_what_the_second_fit_adds_to_the_tempered_first():
    loss, tempered = np.array([[3.0, 6], [3, 7], [3, 8]]), np.array([[5.4, 9], [6.2, 9], [7.0, 9]])
    both = measured(m={"replace": loss}, **{TEMPERED: {"replace": tempered}})
    (part,) = effects.second_fit_share(both, "replace", 0.5)
    assert part.effects == pytest.approx([0.2, 0.2, 0.2]) and outcome([part]) == REPRODUCED
    assert outcome(effects.second_fit_share(both, "replace", 0.1)) == NOT_REPRODUCED
    assert outcome(effects.second_fit_share(rows(replace=loss), "replace", 0.5)) == NOT_RUN


def test_the_mixture_bound_is_log_t_nats_a_text():
    # 0.02 nats a token, at the third fit
    table = np.array([[3, 3.0, 3.02], [3, 3.0, 3.021], [3, 3.0, 3.019]])
    (part,) = effects.stays_below_mixture_bound(rows(accumulate=table), "accumulate", 40)
    assert part.threshold == pytest.approx(math.log(3)) and np.mean(part.effects) == pytest.approx(
        0.8
    )
    assert outcome([part]) == REPRODUCED
    assert (
        outcome(effects.stays_below_mixture_bound(rows(accumulate=table), "accumulate", 80))
        == NOT_REPRODUCED
    )
    # Where the length of real texts was measured, it takes the place of the longest possible one.
    lengths = frame(accumulate=np.full((3, 3), 40.0)).assign(metric=REAL_LENGTH)
    both = Rows(pd.concat([frame(accumulate=table), lengths]), "m", "difference")
    assert effects.stays_below_mixture_bound(both, "accumulate", 80)[0].effects == pytest.approx(
        part.effects
    )


def test_chains_are_paired_by_seed_at_the_last_fit_of_both():
    replace, accumulate = [[1, 2, 5.0, 9], [1, 2, 7, 9]], [[1, 1, 1.0], [1, 1, 2], [1, 1, 50]]
    (part,) = effects.ends_above(
        rows(replace=replace, accumulate=accumulate), "replace", "accumulate"
    )
    assert part.effects == [4, 5] and part.seeds == (0, 1)
    (part,) = effects.ends_above(
        rows("ratio", replace=replace, accumulate=accumulate), "replace", "accumulate", 2.0
    )
    assert part.effects == pytest.approx([5, 3.5]) and part.threshold == 2


def test_a_ratio_of_values_that_are_not_positive_is_refused():
    with pytest.raises(InputError, match="above 0"):
        effects.ends_above_first(rows("ratio", replace=[[1, 0.0]]), "replace")


def linear_grid(growth):
    """A grid of two T, five sigma2 and twelve iterations; ``growth`` is mean / theory at a T."""
    rng = np.random.default_rng(0)
    n = np.arange(1, 13)
    rows = [
        {
            "T": T,
            "sigma2": sigma2,
            "regime": regime,
            "x": "same",
            "n": i,
            "theory": float(shape[i - 1]),
            "mean": shape[i - 1] * growth(T) * (1 + 0.001 * rng.standard_normal()),
        }
        for T in (100, 1000)
        for sigma2 in (0.1, 1.0, 10.0, 100.0, 1000.0)
        for regime, shape in (("replace", n.astype(float)), ("accumulate", np.cumsum(1 / n**2)))
        for i in n
    ]
    return Rows(pd.DataFrame(rows), "test_error", "ratio")


def test_theory_is_decided_at_each_T():
    """An error of +5% at one T and -5% at another would cancel in a mean over all cells."""
    good, bad = linear_grid(lambda T: 1.0), linear_grid(lambda T: 1.05 if T == 100 else 1 / 1.05)
    assert outcome(effects.follows_theory(good, "replace", 0.02)) == REPRODUCED
    assert len(effects.follows_theory(good, "replace", 0.02)) == 4
    assert outcome(effects.follows_theory(bad, "replace", 0.02)) == NOT_REPRODUCED


def test_the_bound_has_no_slack():
    """At fit 12 the sum of 1/i^2 is 5% below its limit: 4% more is below it, 6% more is not."""
    assert outcome(effects.grid_bounded(linear_grid(lambda T: 1.04), "accumulate")) == REPRODUCED
    assert (
        outcome(effects.grid_bounded(linear_grid(lambda T: 1.06), "accumulate")) == NOT_REPRODUCED
    )
    (low, high) = effects.grid_ends_above(linear_grid(lambda T: 1.0), "replace", "accumulate", 10.0)
    assert np.mean(low.effects + high.effects) == pytest.approx(
        12 / sum(1 / i**2 for i in range(1, 13)), rel=0.01
    )
    assert outcome([low, high]) == NOT_REPRODUCED


def test_one_seed_decides_nothing():
    table = [[1, 2, 3.0, 4]]
    for test in (effects.slopes_up, effects.trends_up, effects.ends_above_first):
        assert outcome(test(rows(replace=table), "replace")) == UNDECIDED


def test_an_arm_is_named_as_prose_calls_it():
    sampler = "iterations=4,sampler=geometry,samples_per_conformer=1"
    assert effects.named("accumulate_subsample") == "accumulate-subsample"
    named = [
        effects.named({"regime": "replace", "variant": variant})
        for variant in ("temperature=0.3", sampler, "protocol=steps")
    ]
    assert named == ["replace at τ = 0.3", "replace (geometry)", "replace at protocol=steps"]
