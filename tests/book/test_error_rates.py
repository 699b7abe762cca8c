"""Measured error rates, power and corrections, against chance and brute force."""

import itertools

import numpy as np
import pytest
from scipy import stats

from book._tools import error_rates
from collapse_utils.evidence.verdicts import (
    LEVEL,
    NOT_REPRODUCED,
    REPRODUCED,
    TWO_LOOKS,
    Part,
    decide,
)

TRIALS = 20_000


def at_most(rate, nominal, trials=TRIALS):
    """Whether a measured rate is consistent with at most ``nominal``: wrong once in 30,000."""
    return rate < nominal + 4 * (nominal * (1 - nominal) / trials) ** 0.5


@pytest.mark.parametrize("parts", [1, 4, 7, 9])
@pytest.mark.parametrize("seeds", [3, 5])
def test_a_claim_of_any_number_of_parts_is_wrong_at_most_one_time_in_forty(parts, seeds):
    """Wrongly reproduced (one part without effect) and wrongly not (all on their threshold)."""
    rates = error_rates.measured(seeds, parts, TRIALS, np.random.default_rng(parts))
    assert at_most(rates.reproduced, LEVEL) and at_most(rates.not_reproduced, LEVEL)
    # The worst case is reached: neither level could be raised.
    assert min(rates.reproduced, rates.not_reproduced) > 0.8 * LEVEL


def test_the_simulation_of_error_rates_decides_as_verdicts_do():
    rng = np.random.default_rng(5)
    effects = rng.standard_normal((2000, 4, 3))
    outcomes = [decide("", [Part(part, 0.0) for part in claim]).outcome for claim in effects]
    rates = error_rates.measured(3, 4, 2000, np.random.default_rng(5))
    assert rates.not_reproduced == outcomes.count(NOT_REPRODUCED) / 2000


def test_a_second_look_costs_nothing_at_the_level_of_two_looks():
    rates = error_rates.measured(5, 1, TRIALS, np.random.default_rng(1), first_look=3)
    assert at_most(rates.reproduced, LEVEL) and at_most(rates.not_reproduced, LEVEL)
    assert rates.reproduced > TWO_LOOKS  # more than one look at that level would give


def verdicts_with(*p):
    """Verdicts whose p are those given, from three effects around a mean chosen for it."""
    made = []
    for value in p:
        t = stats.t.isf(value, 2)
        made.append(decide("c", [Part(np.array([-1.0, 0.0, 1.0]) + t / 3**0.5, 0.0)]))
        assert made[-1].p == pytest.approx(value)
    return made


def test_multiplicity_counts_what_survives_by_brute_force():
    p = [0.001, 0.004, 0.012, 0.02, 0.024, 0.3, 0.6]
    counts = error_rates.multiplicity([*verdicts_with(*p), decide("n", [])])
    assert (counts.decided, counts.reproduced) == (7, 5)
    # Holm by its closed test: a hypothesis is rejected if every set that holds it is, each by
    # Bonferroni.
    sets = [s for r in range(1, 8) for s in itertools.combinations(range(7), r)]
    rejected = [
        all(min(p[j] for j in s) <= 0.05 / len(s) for s in sets if i in s) for i in range(7)
    ]
    assert counts.holm == sum(rejected) == 2
    # Benjamini and Hochberg: the largest i with p_(i) <= i/n 5%.
    assert (
        counts.benjamini_hochberg
        == max(i for i in range(1, 8) if sorted(p)[i - 1] <= i / 7 * 0.05)
        == 5
    )
    assert error_rates.multiplicity([decide("n", [])]).decided == 0


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_an_effect_of_the_detectable_size_is_found_as_often_as_it_says(seeds):
    rng, trials = np.random.default_rng(seeds), 4000
    effects = error_rates.detectable(seeds) + rng.standard_normal((trials, seeds))
    outcomes = [decide("", [Part(row, 0.0)]).outcome == REPRODUCED for row in effects]
    assert abs(np.mean(outcomes) - 0.8) < 4 * (0.8 * 0.2 / trials) ** 0.5
    assert error_rates.power(0.0, seeds) == pytest.approx(0.025)
