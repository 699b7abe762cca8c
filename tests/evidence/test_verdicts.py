"""The rules of decision against scipy, against brute force, and against chance."""

import numpy as np
import pytest
from scipy import stats

from collapse_utils.evidence.verdicts import (
    LEVEL,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    TWO_LOOKS,
    UNDECIDED,
    Part,
    decide,
    p_above,
)

GOOD, BAD, UNCLEAR = (
    Part([1.0, 1.1, 0.9], 0.0),
    Part([-1.0, -1.1, -0.9], 0.0),
    Part([1.0, -1.1, 0.3], 0.0),
)


def test_p_is_that_of_scipys_t_test():
    effects = np.random.default_rng(0).normal(0.3, 1, (7, 5))
    p = stats.ttest_1samp(effects, 0.1, axis=1, alternative="greater").pvalue
    assert p_above(effects, 0.1) == pytest.approx(p)
    assert p_above(np.array([[2.0]])) == 1  # one seed shows no spread
    assert list(p_above(np.array([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]]))) == [0, 1, 0.5]


def test_three_outcomes():
    outcomes = [decide("c", [part]).outcome for part in (GOOD, BAD, UNCLEAR)]
    assert outcomes == [REPRODUCED, NOT_REPRODUCED, UNDECIDED]
    assert decide("c", [Part([1.0, 1.1, 0.9], 0.5, -1)]).outcome == NOT_REPRODUCED
    assert decide("c", [Part([0.1, 0.11, 0.09], 0.5, -1)]).outcome == REPRODUCED
    assert decide("c", [Part([1.0], 0.0)]).outcome == UNDECIDED


def test_a_claim_of_several_parts_needs_all_of_them():
    assert decide("c", [GOOD, GOOD]).outcome == REPRODUCED
    assert decide("c", [GOOD, UNCLEAR]).outcome == UNDECIDED
    assert decide("c", [GOOD, UNCLEAR, BAD]).outcome == NOT_REPRODUCED
    assert decide("c", [GOOD, BAD, Part([], 0.0)]).outcome == NOT_RUN == decide("c", []).outcome
    assert decide("n", []).direction() == "not run: n"


def test_a_part_contradicts_a_claim_of_k_parts_at_the_kth_part_of_the_level():
    doubtful = Part([-1.0, -1.15, -0.2, -1.4], 0.0)
    p = doubtful.p()[1]
    assert LEVEL / 2 < p < LEVEL
    assert decide("c", [doubtful]).outcome == NOT_REPRODUCED
    assert decide("c", [doubtful, GOOD]).outcome == UNDECIDED


def test_the_effect_shown_is_that_of_the_least_certain_part():
    """The smaller mean is not always the less certain one."""
    sure, unsure = Part([0.12, 0.121, 0.119], 0.0), Part([0.9, 0.6, 0.3], 0.0)
    assert sure.estimate().mean < unsure.estimate().mean
    verdict = decide("c", [sure, unsure])
    assert verdict.part == 1 and verdict.effect.mean == pytest.approx(0.6)
    assert verdict.p == pytest.approx(max(sure.p()[0], unsure.p()[0]))


def test_ratios_are_compared_as_logarithms():
    part = Part([1.5, 2.5, 2.0], 1.0, log=True)
    logs = np.log(part.effects)
    assert part.p()[0] == pytest.approx(stats.ttest_1samp(logs, 0, alternative="greater").pvalue)
    assert part.estimate().mean == pytest.approx(stats.gmean(part.effects))
    # A ratio and its inverse, claimed on the other side, are the same evidence.
    inverse = Part([1 / ratio for ratio in part.effects], 1.0, -1, log=True)
    assert inverse.p() == pytest.approx(part.p())


def test_no_difference_is_two_one_sided_tests():
    """Within a margin of 0.5 exactly where the whole 95% interval is."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        effects = rng.normal(rng.uniform(-0.7, 0.7), 0.2, 5)
        two_sided = [Part(effects, -0.5, +1), Part(effects, 0.5, -1)]
        inside = two_sided[0].estimate().low > -0.5 and two_sided[0].estimate().high < 0.5
        assert (decide("same", two_sided).outcome == REPRODUCED) == inside


def test_a_part_at_the_level_of_two_looks_has_its_wider_interval():
    effects, again = [0.5, 0.9, 0.2, 0.6, 0.05], {"level": TWO_LOOKS}
    once, twice = decide("c", [Part(effects, 0.0)]), decide("c", [Part(effects, 0.0, **again)])
    assert twice.effect.low < once.effect.low and twice.level == TWO_LOOKS
    # The interval excludes the threshold exactly where the test is significant at its level.
    for verdict in (once, twice):
        assert (verdict.effect.low > 0) == (verdict.p < verdict.level)
    edge = Part([1.0, 1.15, 0.2, 1.4], 0.0)
    assert TWO_LOOKS < edge.p()[0] < LEVEL and decide("c", [edge]).outcome == REPRODUCED
    assert decide("c", [Part(edge.effects, 0.0, **again)]).outcome == UNDECIDED


def test_one_run_has_a_direction_and_no_verdict():
    assert decide("c", [Part([0.3], 0.0)]).direction() == "as claimed in this run: c"
    assert decide("c", [Part([0.3], 0.1, -1)]).direction() == "not as claimed in this run: c"
