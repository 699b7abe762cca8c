"""The forest plot: what lies on the claimed side is drawn there, and every outcome has its mark."""

import matplotlib.pyplot as plt
import pytest

from collapse_utils.evidence import claims
from collapse_utils.evidence.statistics import Estimate
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED, Verdict
from collapse_utils.pages import forest


def verdict(claim, outcome, effect, threshold, sign):
    return Verdict(claim.statement, outcome, Estimate(*effect, 3), threshold, sign, claimed="there")


def marks(figure):
    """Label -> x of the marks of a figure."""
    return {
        line.get_label(): float(line.get_xdata()[0])
        for line in figure.axes[0].get_lines()
        if line.get_label() in (*forest.STYLES, "the paper")
    }


@pytest.mark.parametrize(("sign", "inside", "outside"), [(1, 2.0, 0.5), (-1, 0.5, 2.0)])
def test_the_claimed_side_is_on_the_right(tmp_path, sign, inside, outside):
    first, second = claims.of("images")[:2]
    judged = {
        "here": [
            verdict(first, REPRODUCED, (inside, inside / 1.1, inside * 1.1), 1.0, sign),
            verdict(second, NOT_REPRODUCED, (outside, outside / 1.1, outside * 1.1), 1.0, sign),
        ]
    }
    figure = forest.plot("images", judged, {"here": "faces"}, results_root=tmp_path)
    result = marks(figure)
    plt.close(figure)
    assert result[REPRODUCED] > 0 > result[NOT_REPRODUCED]


def test_claims_that_were_not_run_or_not_asked_for_are_left_out(tmp_path):
    first, second, third = claims.of("images")[:3]
    judged = {
        "here": [
            verdict(first, NOT_RUN, (1.0, 1.0, 1.0), 1.0, 1),
            verdict(second, REPRODUCED, (2.0, 1.5, 2.5), 1.0, 1),
            verdict(third, REPRODUCED, (2.0, 1.5, 2.5), 1.0, 1),
        ]
    }
    chosen = [first.id, second.id]
    figure = forest.plot("images", judged, {"here": "faces"}, results_root=tmp_path, only=chosen)
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    plt.close(figure)
    assert second.statement in words
    assert first.statement not in words and third.statement not in words
