"""Registered predictions: each statistic detects the growth that made the numbers."""

import numpy as np
import pandas as pd
import pytest

from book._tools import predictions
from collapse_utils.errors import InputError

FITS = np.arange(1.0, 51)
SHAPES = {"line": FITS, "harmonic": np.cumsum(1 / FITS), "bounded": np.cumsum(1 / FITS**2)}


def chains(shape, noise=0.02, seeds=3):
    rng = np.random.default_rng(0)
    rows = 1 + 0.3 * SHAPES[shape] + noise * rng.standard_normal((seeds, 50))
    return pd.DataFrame(rows, columns=range(1, 51))


def _said(statistic, table):
    return predictions.outcome(statistic, predictions.STATISTICS[statistic](table))[1]


@pytest.mark.parametrize(
    "shape, growth, bounded, late",
    [
        ("line", "a line", "H_t", "still rising"),
        ("harmonic", "H_t", "H_t", "still rising"),
        ("bounded", "H_t", "S_t", "plateau"),
    ],
)
def test_the_shape_that_made_a_loss_is_found(shape, growth, bounded, late):
    table = chains(shape)
    assert _said("growth", table) == growth
    assert _said("bounded", table) == bounded
    assert _said("late_change", table) == late


def test_the_statistics_against_their_definitions():
    table = pd.DataFrame(np.exp(0.01 * FITS)[None], columns=range(1, 51))
    assert predictions.STATISTICS["late_change"](table) == [pytest.approx(0.01 * (45.5 - 25.5))]
    assert predictions.final_ratio(table) == [pytest.approx(0.49)]
    assert predictions.final_gap(table, 2 * table) == [pytest.approx(-np.log(2))]
    exact = pd.DataFrame([1 + 2 * FITS, 3 - FITS], columns=range(1, 51))
    assert all(value < -20 for value in predictions.STATISTICS["growth"](exact))


def test_three_chains_that_disagree_decide_nothing():
    assert predictions.outcome("final_ratio", [0.3, -0.2, 0.1])[1] == predictions.UNDECIDED
    assert predictions.outcome("late_change", [0.3, -0.2, 0.1])[1] == predictions.UNDECIDED
    # a rise within the margin
    assert predictions.outcome("late_change", [0.01, 0.012, 0.011])[1] == "plateau"


def test_every_prediction_of_the_file_has_a_rule_and_one_without_is_named(tmp_path):
    table = predictions.outcomes()
    assert set(table["expected"]) <= {
        "H_t",
        "a line",
        "S_t",
        "above 0",
        "below 0",
        "still rising",
        "plateau",
    }
    assert ((table["probability"] > 0) & (table["probability"] < 1)).all()
    assert ((table["outcome"] == predictions.NOT_RUN) == (table["chains"] == 0)).all()
    (tmp_path / predictions.FILE).write_text("[{id: odd, predictions: [{statistic: mood}]}]")
    with pytest.raises(InputError, match="odd: got 'mood'"):
        predictions.read(tmp_path)
