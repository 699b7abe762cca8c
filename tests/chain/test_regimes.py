"""Regimes, for every iteration a chain could have."""

import pytest

from collapse_utils.errors import InputError
from collapse_utils.regimes import REGIMES, Block, blocks_sampled, training_size, trains_on

ITERATIONS = range(1, 101)


@pytest.mark.parametrize("regime", REGIMES)
def test_the_first_iteration_trains_on_real_data_alone(regime):
    assert trains_on(regime, 1) == (Block(0, 0),)
    assert training_size(regime, 1) == 1


@pytest.mark.parametrize("t", ITERATIONS)
def test_each_regime_by_its_definition(t):
    assert {block.generation for block in trains_on("replace", t)} == {t - 1}
    assert [block.generation for block in trains_on("accumulate", t)] == list(range(t))
    assert trains_on("accumulate_subsample", t) == trains_on("accumulate", t)
    assert {block.generation for block in trains_on("replace_multiple", t)} == {t - 1}
    assert [training_size(regime, t) for regime in REGIMES] == [1, t, 1, t]


@pytest.mark.parametrize("regime", REGIMES)
def test_every_block_is_sampled_before_it_is_trained_on(regime):
    for t in ITERATIONS:
        for generation, block in trains_on(regime, t):
            assert generation < t
            assert generation == 0 or block < blocks_sampled(regime, generation)


@pytest.mark.parametrize("regime", REGIMES)
def test_nothing_is_sampled_that_no_later_iteration_trains_on(regime):
    for t in ITERATIONS:
        used = {
            (g, b) for later in range(t + 1, t + 3) for g, b in trains_on(regime, later) if g == t
        }
        assert used == {(t, block) for block in range(blocks_sampled(regime, t))}
    assert blocks_sampled("replace_multiple", 4) == 5


@pytest.mark.parametrize("t", [0, -1, 1.5, True, "2"])
def test_an_iteration_that_is_none_is_refused(t):
    with pytest.raises(InputError, match="iteration"):
        trains_on("replace", t)


def test_an_unknown_regime_is_refused_with_the_known_ones():
    with pytest.raises(
        InputError, match="regime: got 'acumulate'; allowed: one of replace, accumulate"
    ):
        trains_on("acumulate", 1)
