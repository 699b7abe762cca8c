"""Pictures of the language page, on the committed results."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from collapse_utils.evidence import results
from collapse_utils.pages import language
from collapse_utils.regimes import REGIMES


@pytest.mark.parametrize("regime", REGIMES)
def test_samples_of_one_regime_alone_are_drawn(regime):
    """Accumulate-subsample and replace-multiple have chains at one temperature only."""
    frame = results.named("language", "trained-tinystories")
    own = frame[frame["regime"] == regime]
    figure = language.samples(own, [regime])
    marked = [text.get_text() for text in figure.axes[2].texts]
    both = (own["variant"] == language.COLD).any()
    assert marked == ["τ = 1", "τ = 0.3"][: 1 + both]
    plt.close(figure)
