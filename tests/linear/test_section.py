"""The linear section on the general chain: four methods, every regime, against theory."""

import dataclasses

import numpy as np
import pytest

from collapse_utils import chain, presets
from collapse_utils.data import Pool
from collapse_utils.errors import InputError
from collapse_utils.linear import section, theory
from collapse_utils.linear.config import PRESETS, Linear
from collapse_utils.regimes import REGIMES

SMALL = Linear(d=4, T=24, iterations=6, repeats=600)


def run(tmp_path, config, regime, seed=0):
    made = section.make(config, seed=seed, cache=tmp_path)
    rows = chain.run_chain(
        made, chain.Chain("linear", regime, seed, config), tmp_path / f"{regime}-{seed}"
    )
    return {
        name: np.array([row["value"] for row in rows if row["metric"] == name])
        for name in {row["metric"] for row in rows}
    }


@pytest.mark.parametrize("regime", REGIMES)
def test_chain_reproduces_the_theorems(tmp_path, regime):
    result = run(tmp_path, SMALL, regime)
    expected = theory.test_error(regime, np.arange(1, 7), 4, 24, 1.0)
    standard_error = result["test_error_sd"] / np.sqrt(SMALL.repeats)
    # Repeats of a chain share the picks of a subsample, which adds a little to the error of their
    # mean.
    slack = 0.05 * expected if regime == "accumulate_subsample" else 0.0
    assert np.all(np.abs(result["test_error"] - expected) < 4 * standard_error + slack)
    assert np.all(result["test_error_median"] <= result["test_error_max"])


def test_same_seed_same_bits(tmp_path):
    for regime in REGIMES:
        first = run(tmp_path / "a", PRESETS["smoke"], regime)
        second = run(tmp_path / "b", PRESETS["smoke"], regime)
        assert all(np.array_equal(first[name], second[name]) for name in first)


def test_smoke_preset_shows_the_directions(tmp_path):
    for seed in range(3):
        replace, accumulate = (
            run(tmp_path, PRESETS["smoke"], r, seed)["test_error"]
            for r in ("replace", "accumulate")
        )
        assert np.all(np.diff(replace) > 0)
        assert accumulate[-1] < 2 * accumulate[0] < replace[-1] / 2


def test_generation_relabels_the_same_rows():
    made = section.make(SMALL, seed=1, cache=None)
    train, w_star = made.real_data()
    assert train.shape == (24, 600, 5) and w_star.shape == (600, 4)
    again = section.make(SMALL, seed=1, cache=None)  # a resumed process has not called real_data
    sampled = again.sample(w_star, 24, 5)
    assert np.array_equal(sampled[..., :4], train[..., :4])
    assert not np.array_equal(sampled[..., 4], train[..., 4])
    fresh = section.make(dataclasses.replace(SMALL, x="fresh"), seed=1, cache=None)
    fresh.real_data()
    assert not np.array_equal(fresh.sample(w_star, 24, 5)[..., :4], train[..., :4])
    noise = sampled[..., 4] - np.einsum("trd,rd->tr", sampled[..., :4], w_star)
    assert noise.std() == pytest.approx(1.0, abs=0.03)


def test_fit_is_least_squares():
    made = section.make(dataclasses.replace(SMALL, repeats=7), seed=1, cache=None)
    train, _ = made.real_data()
    rows = np.random.default_rng(0).integers(0, 48, 30)
    for data in (
        train,
        Pool([train, train + 1.0]),
        Pool([train, train + 1.0], rows),
        Pool([train], np.array([0, 0, 3])),
    ):
        items = np.asarray(data)
        w = made.fit(data, 0)
        for r in range(7):
            expected = np.linalg.lstsq(items[:, r, :4], items[:, r, 4], rcond=None)[0]
            assert w[r] == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_error_is_in_the_s_norm(tmp_path):
    plain, skewed = (
        run(tmp_path / "a", SMALL, "replace"),
        run(tmp_path / "b", dataclasses.replace(SMALL, condition=40.0), "replace"),
    )
    assert skewed["test_error"] == pytest.approx(plain["test_error"], rel=1e-8)


def test_presets_and_refusals():
    assert tuple(PRESETS) == presets.NAMES
    with pytest.raises(InputError, match="T: got 17; allowed: an integer >= d"):
        presets.override(PRESETS["smoke"], ["T=17"])
    assert presets.override(PRESETS["smoke"], ["T=17", "d=15"]).T == 17
    with pytest.raises(InputError, match="--data: got 'faces'"):
        section.make(SMALL, data="faces", seed=0, cache=None)
