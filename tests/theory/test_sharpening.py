"""Sharpening and the bound of the loss: closed forms against enumeration and simulation.

Random tests use fixed seeds.  |z| < 4.5 fails by chance with 7e-6 for each number compared (below
1 in 2,000 for each test here), p > 1e-4 of a chi-square once in 10,000.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from collapse_utils.errors import InputError
from collapse_utils.theory import sharpening
from collapse_utils.theory.sharpening import Stories


def z_of(values, expected):
    spread = values.std(axis=0, ddof=1)
    return (values.mean(axis=0) - expected) / (spread / math.sqrt(len(values)))


def test_sharpening_against_rejection():
    """At tau = 1/2 a sample is a pair of equal draws: three generations without any formula."""
    p, rng = np.arange(1, 7) ** -0.2, np.random.default_rng(0)
    p /= p.sum()

    def draw(generation):
        if generation == 0:
            return rng.choice(6, p=p)
        while True:
            first = draw(generation - 1)
            if first == draw(generation - 1):
                return first

    for generation, count in ((1, 3000), (2, 600), (3, 60)):
        counts = np.bincount([draw(generation) for _ in range(count)], minlength=6)
        expected = count * sharpening.temper(p, 0.5, generation)
        assert stats.chisquare(counts, expected).pvalue > 1e-4
    assert stats.chisquare(counts, 60 * p).pvalue < 1e-3  # it can tell the third from the real data


def test_pooled_replace_is_repeated_sharpening():
    p = sharpening.zipf(50)
    fits, samples = sharpening.pooled(p, 0.7, 6, "replace")
    assert fits == pytest.approx(sharpening.temper(p, 0.7, np.arange(6)), rel=1e-9)
    assert samples == pytest.approx(sharpening.temper(p, 0.7, np.arange(1, 7)), rel=1e-9)


def test_pooled_learner_against_a_chain_of_counts():
    """Multinomial counts of a million words, raised and drawn again, stay near the closed form."""
    rng, p, n = np.random.default_rng(1), sharpening.zipf(20), 1_000_000
    fits, _ = sharpening.pooled(p, 0.8, 5, "accumulate")
    counts = [rng.multinomial(n, p)]
    for t in range(1, 6):
        fit = sum(counts) / sum(counts).sum()
        assert np.max(np.abs(fit - fits[t - 1])) < 5 * math.sqrt(0.25 / n) * t
        raised = fit ** (1 / 0.8)
        counts.append(rng.multinomial(n, raised / raised.sum()))


@pytest.mark.parametrize(
    ("regime", "share"), [("replace", None), ("accumulate", None), ("share", Fraction(1, 4))]
)
def test_depths_against_every_ancestry(regime, share):
    """Exact sum over all chains of ancestors, in fractions."""

    def ancestry(t):
        """(probability, depth) of every way in which an item of training set t came about."""
        if t == 1:
            return [(Fraction(1), 0)]
        if regime == "accumulate":
            parents = [(Fraction(1, t), g) for g in range(t)]
        else:
            real = share or Fraction(0)
            parents = [(real, 0), (1 - real, t - 1)]
        result = []
        for chance, g in parents:
            result += [(chance, 0)] if g == 0 else [(chance * c, j + 1) for c, j in ancestry(g)]
        return result

    for t in range(1, 8):
        exact = np.zeros(t)
        for chance, depth in ancestry(t):
            exact[depth] += chance
        result = sharpening.depths(t, regime, share and float(share))
        assert result == pytest.approx(exact, abs=1e-12)


def test_depth_under_accumulate():
    """Real with chance 1/t, H_t - 1 on average, a sum of independent Bernoulli(1/k)."""
    for t in (1, 2, 10, 1000):
        w, k = sharpening.depths(t), np.arange(1, t + 1)
        assert w[0] == pytest.approx(1 / t)
        assert w @ np.arange(t) == pytest.approx(np.sum(1 / k) - 1)
        variance = w @ (np.arange(t) - w @ np.arange(t)) ** 2
        assert variance == pytest.approx(np.sum(1 / k - 1 / k**2))


@pytest.mark.parametrize(
    ("regime", "share"), [("accumulate", None), ("share", 0.25), ("replace", None)]
)
def test_depths_and_words_against_simulation(regime, share):
    config = Stories(30, 5, 0.8, 7, stories=20, regime=regime, share=share, repeats=2000)
    result = sharpening.simulate(config, seed=2)
    p = sharpening.zipf(30)
    for t in range(1, 8):
        exact = np.pad(sharpening.depths(t, regime, share), (0, 7 - t))
        found = result["depths"][:, t - 1]
        certain = found.std(axis=0) < 1e-9
        assert found[:, certain].mean(axis=0) == pytest.approx(exact[certain])
        if not certain.all():
            assert np.max(np.abs(z_of(found[:, ~certain], exact[~certain]))) < 4.5
        words = result["words"][:, t - 1, :2] / (20 * 5)
        expected = sharpening.sampled_words(p, 0.8, t, regime, share)[:2]
        assert np.max(np.abs(z_of(words, expected))) < 4.5


@pytest.mark.parametrize("tau", [0.1, 0.3, 0.9, 1.5])
@pytest.mark.parametrize("length", [1, 190])
def test_loss_never_rises_by_more_than_log_t(tau, length):
    """In every chain and at every iteration: the bound is exact, not one of expectation."""
    result = sharpening.simulate(Stories(tau=tau, length=length, repeats=20), seed=3)
    rise = result["loss"] - result["loss"][:, :1]
    bound = sharpening.loss_bound(np.arange(1, 11))
    assert np.all(rise <= bound + 1e-9)
    assert np.all(rise[:, 1:] > 0)
    if length == 190 and tau <= 0.3:  # long stories of such components are told apart for certain
        assert rise[0] == pytest.approx(bound, abs=0.02)


def test_bound_of_a_share():
    config = Stories(regime="share", share=0.1, repeats=10, tau=0.3, iterations=30)
    loss = sharpening.simulate(config, seed=4)["loss"]
    assert np.all(loss - loss[:, :1] <= -math.log(0.1) + 1e-9)


def test_replace_has_no_bound():
    loss = sharpening.simulate(Stories(regime="replace", repeats=2, tau=0.9), seed=5)["loss"]
    assert np.all(np.diff(loss, axis=1) > 0)
    assert np.all(loss[:, -1] - loss[:, 0] > 100 * math.log(10))


def test_loss_against_every_story():
    """Three words, stories of four: the cross-entropy of the mixture summed over all 81 stories."""
    p, tau, t, length = sharpening.zipf(3), 0.5, 5, 4
    w = sharpening.depths(t)
    exact = 0.0
    for story in itertools.product(range(3), repeat=length):
        real = math.prod(p[word] for word in story)
        mixture = 0.0
        for depth in range(t):
            raised = [x ** (2**depth) for x in p]
            mixture += w[depth] * math.prod(raised[word] / sum(raised) for word in story)
        exact -= real * math.log(mixture)
    entropy = length * sharpening.entropy(p)
    assert entropy < exact < entropy + math.log(t)
    # one chain a repeat: their finite lists of depths scatter around the perfect learner's
    config = Stories(words=3, length=length, tau=tau, iterations=t, stories=2000, repeats=400)
    loss = sharpening.simulate(config, seed=6)["loss"][:, -1].mean()
    held_out_spread = length * math.sqrt(np.sum(p * np.log(p) ** 2) - sharpening.entropy(p) ** 2)
    assert loss == pytest.approx(exact, abs=4.5 * held_out_spread / math.sqrt(2000 * length))


def test_zipf_toy():
    """Pooled, 1,000 words, ten iterations: the loss hardly moves while the samples lose variety."""
    p = sharpening.zipf(1000)
    for tau, loss, variety in ((0.9, 5.30, (4.66, 3.44)), (0.3, 6.84, (0.53, 0.0))):
        fits, samples = sharpening.pooled(p, tau, 10, "accumulate")
        losses, entropies = sharpening.cross_entropy(p, fits), sharpening.entropy(samples)
        assert losses[[0, -1]] == pytest.approx([5.19, loss], abs=0.005)
        assert entropies[[0, -1]] == pytest.approx(variety, abs=0.005)
        assert np.all(losses - losses[0] <= sharpening.loss_bound(np.arange(1, 11)) + 1e-12)


def test_temper_limits():
    p = sharpening.zipf(5)
    assert sharpening.temper(p, 1.0, 50) == pytest.approx(p)
    assert sharpening.temper(p, 0.3, 2000).tolist() == [1, 0, 0, 0, 0]  # no overflow, no nan
    assert sharpening.temper(np.array([0.5, 0.5, 0]), 0.3, 9).tolist() == [0.5, 0.5, 0]
    assert sharpening.temper(p, 2.0, 200) == pytest.approx(np.full(5, 0.2))
    assert sharpening.temper(p, 0.5, [0, 1]).shape == (2, 5)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: sharpening.zipf(1), "size"),
        (lambda: sharpening.temper(np.ones(2) / 2, 0.0), "tau"),
        (lambda: sharpening.temper(np.ones(2) / 2, 0.5, -1), "times"),
        (lambda: sharpening.depths(0), "t"),
        (lambda: sharpening.depths(3, "discard"), "regime"),
        (lambda: sharpening.depths(3, "share"), "share"),
        (lambda: sharpening.depths(3, "accumulate", 0.5), "share"),
        (lambda: sharpening.pooled(np.ones(2) / 2, 0.5, 3, "share"), "share"),
        (lambda: sharpening.loss_bound(0), "t"),
        (lambda: sharpening.loss_bound(2, 0), "length"),
        (lambda: Stories(stories=0), "stories"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
