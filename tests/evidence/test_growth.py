"""The tests of long chains, on chains of 50 fits whose growth is known."""

import numpy as np
import pandas as pd
import pytest

from collapse_utils.evidence import growth
from collapse_utils.evidence.rows import Rows
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED, decide

FITS = np.arange(1.0, 51)
SHAPES = {"line": FITS, "harmonic": np.cumsum(1 / FITS), "bounded": np.cumsum(1 / FITS**2)}


def rows(shape, fits=50):
    rng = np.random.default_rng(0)
    table = 1 + 0.3 * shape + 0.01 * rng.standard_normal((3, 50))
    return Rows(
        pd.DataFrame(
            {
                "metric": "m",
                "regime": "replace",
                "variant": "",
                "seed": k,
                "iteration": t,
                "value": y,
            }
            for k, chain in enumerate(table[:, :fits])
            for t, y in enumerate(chain, 1)
        ),
        "m",
        "ratio",
    )


def outcome(parts):
    return decide("c", parts).outcome


@pytest.mark.parametrize("shape", SHAPES)
def test_only_harmonic_growth_fits_better_than_a_line_and_than_a_bounded_sum(shape):
    expected = REPRODUCED if shape == "harmonic" else NOT_REPRODUCED
    assert outcome(growth.grows_as_harmonic(rows(SHAPES[shape]), "replace")) == expected


def test_a_loss_still_rises_or_levels_off():
    line, flat = rows(SHAPES["line"]), rows(np.minimum(FITS, 20.0))
    (part,) = growth.still_rises(line, "replace")
    exact = np.exp(np.log(1 + 0.3 * FITS[40:]).mean() - np.log(1 + 0.3 * FITS[20:30]).mean())
    assert part.effects == pytest.approx([exact] * 3, rel=0.01)
    assert outcome([part]) == REPRODUCED
    assert outcome(growth.levels_off(line, "replace", 1.05)) == NOT_REPRODUCED
    assert outcome(growth.levels_off(flat, "replace", 1.05)) == REPRODUCED
    assert outcome(growth.still_rises(flat, "replace")) != REPRODUCED


def test_chains_that_end_before_the_later_window_are_not_judged():
    assert outcome(growth.still_rises(rows(FITS, fits=40), "replace")) == NOT_RUN
    assert outcome(growth.levels_off(rows(FITS, fits=40), "replace", 1.05)) == NOT_RUN
