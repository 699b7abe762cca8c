"""Intervals against scipy and against chance."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from collapse_utils.evidence import statistics
from collapse_utils.evidence.statistics import estimate


def frame(values):
    rows = [
        {"metric": "m", "regime": "replace", "seed": seed, "iteration": t + 1, "value": value}
        for seed, row in enumerate(values)
        for t, value in enumerate(row)
    ]
    return pd.DataFrame(rows)


def test_the_interval_is_scipys():
    values = [1.0, 2.5, 2.0, 4.0]
    own = estimate(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (own.low, own.high, own.n) == (pytest.approx(low), pytest.approx(high), 4)


def test_a_ratio_has_the_interval_of_its_logarithm():
    ratios = [0.5, 0.02, 0.9]
    own = estimate(ratios, log=True)
    logs = np.log(ratios)
    low, high = np.exp(stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs)))
    assert (own.mean, own.low, own.high) == pytest.approx((stats.gmean(ratios), low, high))
    # the plain interval reaches below every possible ratio
    assert estimate(ratios).low < 0 < own.low


def test_one_seed_shows_no_spread():
    own = estimate([2.0])
    assert own.low == -math.inf and own.high == math.inf and "one seed" in str(own)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(e.low <= 5 <= e.high for e in (estimate(rng.normal(5, 2, 3)) for _ in range(4000)))
    assert abs(hits / 4000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_seeds_that_lack_an_iteration_are_left_out():
    table = statistics.by_seed(frame([[1, 2, 3.0], [1.1, 2.2]]), "m", regime="replace")
    assert list(table.index) == [0]
    means = statistics.by_iteration(frame([[1, 2.0], [3, 4.0]]), "m", regime="replace")
    assert list(means["mean"]) == [2, 3] and list(means["n"]) == [2, 2]
