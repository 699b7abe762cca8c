"""Regimes, for every iteration a chain could have."""

import numpy as np
import pytest

from collapse_utils import selection
from collapse_utils.errors import InputError
from collapse_utils.regimes import REGIMES, Block, blocks_sampled, check, training_size, trains_on

ITERATIONS = range(1, 101)
EVERY = (*REGIMES, "fixed_real=0", "fixed_real=0.25", "redrawn_real=0.25", "redrawn_real=1")


@pytest.mark.parametrize("regime", EVERY)
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


@pytest.mark.parametrize("regime", EVERY)
def test_every_block_is_sampled_before_it_is_trained_on(regime):
    for t in ITERATIONS:
        for generation, block in trains_on(regime, t):
            assert generation < t
            assert generation == 0 or block < blocks_sampled(regime, generation)


@pytest.mark.parametrize("regime", EVERY)
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


def rows(regime, t, n, seed):
    return selection.rows(regime, t, len(trains_on(regime, t)), n, seed)


@pytest.mark.parametrize("kind", ["fixed_real", "redrawn_real"])
def test_a_share_of_the_items_is_real(kind):
    chosen = [rows(f"{kind}=0.1", t, 40, seed=3) for t in range(2, 12)]
    for places in chosen:
        assert len(places) == len(set(places.tolist())) == 40
        assert np.sum(places < 40) == 4 and places.max() == 40 + 35  # of the synthetic block's 40
    real = [tuple(places[:4]) for places in chosen]
    assert len(set(real)) == (1 if kind == "fixed_real" else 10)
    assert real != [tuple(rows(f"{kind}=0.1", t, 40, seed=4)[:4]) for t in range(2, 12)]


def test_redrawn_items_are_any_of_the_real_ones():
    """Each of 20 real items is drawn with chance 1/4: 400 draws of 5, chi-square p > 1e-4."""
    drawn = np.concatenate([rows("redrawn_real=0.25", t, 20, seed=0)[:5] for t in range(2, 402)])
    counts = np.bincount(drawn, minlength=20)
    assert np.sum((counts - 100) ** 2 / 100) < 52


def test_whole_blocks_need_no_rows():
    for regime in EVERY:
        assert rows(regime, 1, 10, seed=0) is None
    for regime in ("replace", "accumulate", "replace_multiple", "fixed_real=0", "redrawn_real=1"):
        assert rows(regime, 5, 10, seed=0) is None
    assert len(rows("accumulate_subsample", 5, 10, seed=0)) == 10


@pytest.mark.parametrize(
    "regime",
    [
        *("fixed_real", "fixed_real=", "fixed_real=1.1", "fixed_real=-0.1", "fixed_real=nan"),
        *("fixed_real=0.250", "fixed_real=.25", "replace=0.5", "redrawn_real=half", "=0.5"),
    ],
)
def test_a_share_that_is_none_is_refused(regime):
    with pytest.raises(InputError, match=r"regime: got .*fixed_real=SHARE, redrawn_real=SHARE"):
        trains_on(regime, 2)


def test_a_formula_without_a_share_refuses_one():
    with pytest.raises(
        InputError, match=r"regime: got 'fixed_real=0\.25'; allowed: one of replace"
    ):
        check("fixed_real=0.25")
    assert check("fixed_real=0.25", shares=True) == "fixed_real=0.25"
