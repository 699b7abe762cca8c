"""Natural families, the uniform, the collapsing family: closed forms, simulation, brute force.

Simulations have fixed seeds.  A test fails if any |z| of a mean against its formula exceeds 4.5,
which a right formula does with probability below 7e-6 for each mean, 3e-3 over the whole file.
"""

import itertools

import numpy as np
import pytest

from collapse_utils.errors import InputError
from collapse_utils.theory import chains, families, gaussian

Z = 4.5


def z_scores(values, expected):
    return (values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / np.sqrt(len(values)))


# pi^2/6


@pytest.mark.parametrize("regime", chains.WHOLE_BLOCKS)
@pytest.mark.parametrize("name", families.FAMILIES)
def test_simulated_families(name, regime):
    rng = np.random.default_rng(0)
    simulated = families.simulate_mean(name, 40, regime, 12, 1500, rng)
    expected = families.mean_risk(families.FAMILIES[name].v2, 40, regime, 12)
    assert np.all(np.abs(z_scores(simulated, expected)) < Z)


@pytest.mark.parametrize("regime", chains.WHOLE_BLOCKS)
@pytest.mark.parametrize("name", ["Bernoulli", "exponential"])
def test_families_drawn_item_by_item(name, regime):
    rng, family = np.random.default_rng(1), families.FAMILIES[name]

    def draw(mean, size):
        if name == "Bernoulli":
            return [int(rng.random() < mean) for _ in range(size)]
        return [-mean * np.log(rng.random()) for _ in range(size)]

    result = []
    for _ in range(2000):
        data = draw(family.mean, 8)
        for t in range(1, 5):
            mean = sum(data) / len(data)
            new = draw(mean, 8 * (t + 1) if regime == "replace_multiple" else 8)
            data = data + new if regime == "accumulate" else new
        result.append((mean - family.mean) ** 2 / family.variance(family.mean))
    assert abs(z_scores(np.array(result), families.mean_risk(family.v2, 8, regime, 4)[-1])) < Z


@pytest.mark.parametrize("v2", [-1.0, 0.0, 1.0])
def test_every_family_reaches_the_constant(v2):
    ratio = families.mean_risk(v2, 10**6, "accumulate", 20_000) * 10**6
    assert ratio[0] == pytest.approx(1) and ratio[-1] == pytest.approx(np.pi**2 / 6, abs=1e-4)


def test_at_finite_n_the_limits_are_eulers_products():
    root = np.pi / np.sqrt(10)
    exponential = families.mean_risk(1.0, 10, "accumulate", 200_000)[-1]
    assert exponential == pytest.approx(np.sinh(root) / root - 1, rel=1e-4)
    for regime in chains.WHOLE_BLOCKS:  # a mean of 0 and 1: the heterozygosity's loss
        lost = 1 - gaussian.retained(regime, 10, 50)
        assert families.mean_risk(-1.0, 10, regime, 50) == pytest.approx(lost, rel=1e-9)


# The uniform


@pytest.mark.parametrize("regime", chains.WHOLE_BLOCKS)
def test_uniform(regime):
    theta = families.simulate_uniform(20, regime, 12, 2000, np.random.default_rng(2))
    assert np.all(np.abs(z_scores((theta - 1) ** 2, families.uniform_risk(20, regime, 12))) < Z)
    if regime == "accumulate":
        assert np.all(theta == theta[:, :1])
    if regime == "replace":
        assert np.all(np.abs(z_scores(theta, (20 / 21) ** np.arange(1, 13))) < Z)


@pytest.mark.parametrize("regime", chains.WHOLE_BLOCKS)
def test_uniform_drawn_item_by_item(regime):
    rng, result = np.random.default_rng(3), []
    for _ in range(2000):
        data = [rng.random() for _ in range(5)]
        for t in range(1, 5):
            theta = max(data)
            size = 5 * (t + 1) if regime == "replace_multiple" else 5
            new = [theta * rng.random() for _ in range(size)]
            data = data + new if regime == "accumulate" else new
        result.append((theta - 1) ** 2)
    assert abs(z_scores(np.array(result), families.uniform_risk(5, regime, 4)[-1])) < Z


# The family in which accumulation collapses


@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("c", [0.3, 0.9])
def test_collapse_probability(c, n):
    rng = np.random.default_rng(4)
    collapsed = families.simulate_collapse(c, 0.9, n, 15, 400, rng) == 0.9
    expected = families.collapse_probability(c, n, 15)
    assert expected[0] == pytest.approx(0, abs=1e-12) and not collapsed[:, 0].any()
    standard_error = np.sqrt(expected * (1 - expected) / 400)[1:]
    assert np.all(np.abs(collapsed.mean(axis=0) - expected)[1:] < Z * standard_error)
    assert np.all(collapsed[:, 1:] >= collapsed[:, :-1])  # for good


def test_collapse_probability_by_summing_over_the_largest_item():
    u = (np.arange(400_000) + 0.5) / 400_000
    density = 25 * (1 - u) ** 24
    for c, t in itertools.product((0.3, 0.9), (1, 2, 40)):
        kept = np.mean(density * (1 - c * u) ** (25 * (t - 1)))
        assert families.collapse_probability(c, 25, t)[-1] == pytest.approx(1 - kept, abs=1e-6)
    t = np.arange(1, 1001)
    limit = 0.5 * (t - 1) / (1 + 0.5 * (t - 1))
    assert families.collapse_probability(0.5, 10**6, 1000) == pytest.approx(limit, abs=1e-6)


def test_the_first_fit_is_consistent():
    for n in (20, 200):
        rng = np.random.default_rng(5)
        first = families.simulate_collapse(0.5, 0.9, n, 1, 2000, rng)
        assert abs(z_scores(first[:, 0], 1 / (n + 1))) < Z


def test_the_chosen_member_is_the_most_likely_one():
    """A small family searched exhaustively: u on a grid, every subset of codes, three samples."""
    c, q, u_grid = 0.5, 0.9, np.linspace(0.001, 0.999, 999)

    def of_p(u, items, codes):
        if max(items) > 1 - u:
            return -np.inf
        bits = np.ceil(np.exp(min(1 / u, 700)))
        one_code = np.log(c * u) - bits * np.log(2)
        return len(items) * np.log((1 - c * u) / (1 - u)) + len(codes) * one_code

    def of_q(S, items, codes):
        if not set(codes) <= set(S):
            return -np.inf
        return len(items) * np.log(1 - q) + len(codes) * np.log(q / len(S))

    items = [0.3, 0.7, 0.9]
    subsets = [S for size in (1, 2, 3) for S in itertools.combinations((5, 6, 7), size)]
    for codes, kind in (([], "P"), ([5], "Q"), ([5, 5, 6], "Q")):
        best_p = max(u_grid, key=lambda u, codes=codes: of_p(u, items, codes))
        best_q = max(subsets, key=lambda S, codes=codes: of_q(S, items, codes))
        better = "P" if of_p(best_p, items, codes) > of_q(best_q, items, codes) else "Q"
        assert better == kind
        assert best_p == pytest.approx(1 - max(items), abs=1.1e-3)  # what the simulation assumes
        assert not codes or set(best_q) == set(codes)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: families.mean_risk(0.0, 1, "replace", 3), "n"),
        (lambda: families.mean_risk(0.0, 10, "discard", 3), "regime"),
        (lambda: families.simulate_mean("Cauchy", 10, "replace", 3, 2, None), "family"),
        (lambda: families.uniform_risk(10, "accumulate_subsample", 3), "regime"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
