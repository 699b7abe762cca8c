"""Intervals and verdicts against scipy and against chance."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from collapse_utils.evidence import effects, statistics
from collapse_utils.evidence.statistics import (
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    all_of,
    detectable,
    exceeds,
    false_positive_rates,
    power,
)


def test_the_interval_is_scipys():
    values = [1.0, 2.5, 2.0, 4.0]
    found = statistics.estimate(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 4)


def test_one_seed_says_nothing_of_spread():
    found = statistics.estimate([2.0])
    assert found.low == -math.inf and found.high == math.inf and "one seed" in str(found)
    assert statistics.exceeds("c", [2.0]).outcome == UNDECIDED


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(e.low <= 5 <= e.high for e in (statistics.estimate(rng.normal(5, 2, 3)) for _ in range(4000)))
    assert abs(hits / 4000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_three_outcomes():
    assert statistics.exceeds("c", [1.0, 1.1, 0.9]).outcome == REPRODUCED
    assert statistics.exceeds("c", [-1.0, -1.1, -0.9]).outcome == NOT_REPRODUCED
    assert statistics.exceeds("c", [1.0, -1.1, 0.3]).outcome == UNDECIDED
    assert statistics.stays_below("c", [1.0, 1.1, 0.9], 0.5).outcome == NOT_REPRODUCED
    assert statistics.stays_below("c", [0.1, 0.11, 0.09], 0.5).outcome == REPRODUCED


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_null_effect_is_called_reproduced_at_most_one_time_in_forty(seeds):
    """A two-sided interval at 95% is wrong in the claim's direction 2.5% of the time."""
    rng = np.random.default_rng(1)
    wrong = sum(statistics.exceeds("c", rng.normal(size=seeds)).outcome == REPRODUCED for _ in range(4000))
    assert wrong / 4000 <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / 4000)


def frame(values):
    rows = [
        {"metric": "m", "regime": "replace", "seed": seed, "iteration": t + 1, "value": value}
        for seed, row in enumerate(values)
        for t, value in enumerate(row)
    ]
    return pd.DataFrame(rows)


def rises_everywhere(results):
    """The verdict of ``effects.rises``, on differences."""
    rows = effects.Rows(results.assign(variant=""), "m", "difference")
    return all_of(
        "c", [statistics.decide("c", part.effects, part.threshold, part.sign) for part in effects.rises(rows, "replace")]
    )


def test_rises_everywhere():
    rising = frame([[1, 2, 3.0], [1.1, 2.2, 3.1], [0.9, 1.9, 3.0]])
    assert rises_everywhere(rising).outcome == REPRODUCED
    falling_once = frame([[1, 2, 1.5], [1.1, 2.2, 1.6], [0.9, 1.9, 1.4]])
    assert rises_everywhere(falling_once).outcome == NOT_REPRODUCED
    unclear = frame([[1, 2, 2.1], [1.1, 2.2, 2.0], [0.9, 1.9, 2.2]])
    verdict = rises_everywhere(unclear)
    assert verdict.outcome == UNDECIDED and verdict.line() == "undecided: c"


def test_seeds_that_lack_an_iteration_are_left_out():
    table = statistics.by_seed(frame([[1, 2, 3.0], [1.1, 2.2]]), "m", regime="replace")
    assert list(table.index) == [0]
    means = statistics.by_iteration(frame([[1, 2.0], [3, 4.0]]), "m", regime="replace")
    assert list(means["mean"]) == [2, 3] and list(means["n"]) == [2, 2]


def test_a_claim_on_all_parts_stands_as_its_weakest_part():
    good, bad = statistics.exceeds("g", [1.0, 1.1, 0.9]), statistics.exceeds("b", [-1.0, -1.1, -0.9])
    unclear, absent = statistics.exceeds("u", [1.0, -1.1, 0.3]), statistics.exceeds("n", [])
    assert statistics.all_of("c", [good, good]).outcome == REPRODUCED
    assert statistics.all_of("c", [good, unclear]).outcome == UNDECIDED
    assert statistics.all_of("c", [good, unclear, bad]).outcome == NOT_REPRODUCED
    assert statistics.all_of("c", [good, bad, absent]).outcome == statistics.NOT_RUN
    assert absent.direction() == "not run: n"


def test_one_run_has_a_direction_and_no_verdict():
    assert statistics.exceeds("c", [0.3]).direction() == "as claimed in this run: c"
    assert statistics.stays_below("c", [0.3], 0.1).direction() == "not as claimed in this run: c"
    assert statistics.stays_below("c", [0.03], 0.1).outcome == UNDECIDED


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_claim_without_effect_is_rarely_decided_and_a_large_one_often(seeds):
    rng = np.random.default_rng(seeds)
    assert max(false_positive_rates(seeds, 4000, rng)) < 0.025 + 3 * (0.025 * 0.975 / 4000) ** 0.5
    effect = detectable(seeds)
    found = [exceeds("", row).outcome == REPRODUCED for row in effect + rng.standard_normal((4000, seeds))]
    assert abs(np.mean(found) - 0.8) < 3 * (0.8 * 0.2 / 4000) ** 0.5
    assert power(0.0, seeds) == pytest.approx(0.025)


def test_a_second_look_at_more_seeds_keeps_false_positives_below_one_in_twenty():
    once, twice = (false_positive_rates(5, 4000, np.random.default_rng(1), first_look=look)[0] for look in (0, 3))
    assert once < twice < 0.05


def test_a_claim_on_several_parts_has_no_more_false_positives_than_one():
    rng, trials = np.random.default_rng(1), 4000
    parts = rng.standard_normal((trials, 3, 5))
    parts[:, :2] += 5  # two parts hold, the third has no effect
    wrong = [all_of("", [exceeds("", part) for part in parts[k]]).outcome == REPRODUCED for k in range(trials)]
    assert np.mean(wrong) < 0.025 + 3 * (0.025 * 0.975 / trials) ** 0.5
