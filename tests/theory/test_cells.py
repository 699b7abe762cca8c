"""The cases of two theory chapters lie near their closed forms, and under the bound of the loss."""

import numpy as np
import pytest

from collapse_utils.theory import cells


def z_of(chains, formula):
    spread = chains.std(axis=0, ddof=1) / np.sqrt(len(chains))
    return (chains.mean(axis=0) - formula)[spread > 1e-12] / spread[spread > 1e-12]


@pytest.mark.parametrize("cases", [cells.mixing_cases, cells.sharpening_cases])
def test_chains_are_near_their_closed_form(cases):
    """|z| < 6: a few hundred chains are few for a normal z."""
    names = set()
    for variant, regime, chains, formula in cases(8, 1):
        names.add((variant, regime))
        assert chains.shape[1] == len(formula)
        if np.any(formula):
            assert np.max(np.abs(z_of(chains, formula)), initial=0) < 6
    assert len(names) == len(list(cases(1, 2)))  # no case twice


def test_the_rise_of_the_loss_is_bounded_in_every_chain():
    bound = {"accumulate": 20, "fixed_real=0.1": 10, "fixed_real=0.5": 2}
    rises = {}
    for variant, regime, chains, _ in cells.sharpening_cases(2, 3):
        if variant.startswith("rise"):
            rises[variant, regime] = chains.max()
            assert chains.max() <= np.log(bound[regime]) + 1e-9
    assert len(rises) == 6
