"""Gaussian and discrete fits: closed forms, simulations, and chains drawn item by item.

Simulations have fixed seeds.  A test fails if any |z| of a mean against its formula exceeds 4.5,
which a right formula does with probability below 7e-6 for each mean, 2e-3 over the whole file.
"""

import numpy as np
import pytest
from scipy import stats

from collapse_utils.errors import InputError
from collapse_utils.regimes import REGIMES
from collapse_utils.theory import gaussian

Z = 4.5
WHOLE = ("replace", "replace_multiple", "accumulate")


def z_scores(values, expected):
    return (values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def one_chain(regime, n, iterations, rng, divisor):
    """Plain loop over lists of numbers; divisor(m) is that of the variance of m items."""
    data = list(rng.standard_normal(n))
    for t in range(1, iterations + 1):
        m = data if regime != "accumulate_subsample" else list(rng.permutation(data)[:n])
        mean = sum(m) / len(m)
        variance = sum((x - mean) ** 2 for x in m) / divisor(len(m))
        size = n * (t + 1) if regime == "replace_multiple" else n
        new = [mean + np.sqrt(variance) * rng.standard_normal() for _ in range(size)]
        data = data + new if regime.startswith("accumulate") else new
    return mean**2, variance


# Closed forms


@pytest.mark.parametrize("n", [2, 10, 1000])
@pytest.mark.parametrize("regime", WHOLE)
def test_the_product_is_what_the_recursion_of_moments_gives(regime, n):
    result = gaussian.moments(regime, n, 200)
    assert result.variance == pytest.approx(gaussian.retained(regime, n, 200), rel=1e-12)


@pytest.mark.parametrize("regime", REGIMES)
def test_the_mean_strays_by_what_the_variance_loses(regime):
    result = gaussian.moments(regime, 7, 300)
    assert result.mean_error + result.variance == pytest.approx(np.ones(300), rel=1e-12)


def test_limits():
    assert gaussian.retained("accumulate", 10, 100_000)[-1] == pytest.approx(
        gaussian.accumulate_limit(10), rel=1e-5
    )
    assert gaussian.accumulate_limit(4) == pytest.approx(2 / np.pi)
    assert gaussian.retained("replace", 10, 1000)[-1] == pytest.approx(0.9**1000)
    at = gaussian.retained("replace_multiple", 10, 10_000)
    assert at[-1] / at[999] == pytest.approx(10**-0.1, rel=1e-3)
    late = gaussian.retained("accumulate_subsample", 100, 2000)
    # as in linear regression
    assert 100 * (1 - late[-1]) == pytest.approx(np.pi**2 / 2 - 2, abs=0.1)


def test_the_unbiased_variance():
    k = np.arange(2, 101)
    expected = np.cumprod(1 - 1 / (k * (10 * k - 1.0)))
    result = gaussian.moments("accumulate", 10, 100, unbiased=True)
    assert result.variance[0] == pytest.approx(1) and result.variance[1:] == pytest.approx(expected)
    replace = gaussian.moments("replace", 10, 100, unbiased=True)
    assert replace.variance == pytest.approx(np.ones(100))
    assert replace.mean_error == pytest.approx(np.arange(1, 101) / 10)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("regime", REGIMES)
def test_moments_of_chains_drawn_item_by_item(regime, unbiased):
    rng = np.random.default_rng(0)
    chains = [one_chain(regime, 5, 4, rng, lambda m: m - unbiased) for _ in range(2000)]
    expected = gaussian.moments(regime, 5, 4, unbiased=unbiased)
    for values, formula in zip(np.array(chains).T, expected, strict=True):
        assert abs(z_scores(values, formula[-1])) < Z


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("regime", REGIMES)
def test_moments_of_the_simulation(regime, d, unbiased):
    rng = np.random.default_rng(1)
    simulated, _ = gaussian.simulate(regime, 12, d, 15, 1000, rng, unbiased=unbiased)
    for values, expected in zip(
        simulated, gaussian.moments(regime, 12, 15, unbiased=unbiased), strict=True
    ):
        assert np.all(np.abs(z_scores(values, expected)) < Z)


@pytest.mark.parametrize("unbiased", [False, True])
def test_the_log_determinant_is_a_random_walk(unbiased):
    """To 1,000 fits, where the mean of V says nothing; variance within 4.5 sd of a chi-square."""
    drift, step = gaussian.log_drift(12, 3, unbiased=unbiased)
    rng = np.random.default_rng(2)
    _, log_dets = gaussian.simulate("replace", 12, 3, 1000, 400, rng, unbiased=unbiased)
    last = log_dets[:, -1]
    assert abs(last.mean() - 1000 * drift) < Z * np.sqrt(1000 * step / 400)
    assert abs(last.var(ddof=1) / (1000 * step) - 1) < Z * np.sqrt(2 / 399)
    items = rng.standard_normal((4000, 12, 3))  # one step, from the items themselves
    items -= items.mean(axis=1, keepdims=True)
    scatter = items.swapaxes(1, 2) @ items / (12 - unbiased)
    assert abs(z_scores(np.linalg.slogdet(scatter)[1], drift)) < Z


# Discrete distributions


@pytest.mark.parametrize("regime", REGIMES)
def test_heterozygosity_falls_as_the_variance_does(regime):
    p = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    rng = np.random.default_rng(3)
    simulated, states = gaussian.simulate_discrete(regime, p, 20, 15, 1000, rng)
    expected = (1 - np.sum(p**2)) * gaussian.retained(regime, 20, 15)
    assert np.all(np.abs(z_scores(simulated, expected)) < Z)
    if regime.startswith("accumulate"):
        assert np.all(states == states[:, :1])  # what was seen is never forgotten, nor the reverse
    else:
        assert np.all(np.diff(states, axis=1) <= 0)


@pytest.mark.parametrize("regime", REGIMES)
def test_heterozygosity_of_chains_drawn_item_by_item(regime):
    rng = np.random.default_rng(4)
    result = []
    for _ in range(1500):
        data = list(rng.choice(3, size=6, p=[0.5, 0.3, 0.2]))
        for t in range(1, 5):
            used = data if regime != "accumulate_subsample" else list(rng.permutation(data)[:6])
            new = list(rng.choice(used, size=6 * (t + 1) if regime == "replace_multiple" else 6))
            data = data + new if regime.startswith("accumulate") else new
        result.append(1 - sum((used.count(state) / len(used)) ** 2 for state in range(3)))
    assert abs(z_scores(np.array(result), 0.62 * gaussian.retained(regime, 6, 4)[-1])) < Z


def copies(n):
    """P(k copies in the next fit | j in this one), the Markov chain of replace."""
    return stats.binom.pmf(np.arange(n + 1), n, np.arange(n + 1)[:, None] / n)


@pytest.mark.parametrize("n", [50, 200])
def test_fixation_time_against_the_exact_markov_chain(n):
    """The large-n formula is too long by about two fits."""
    step = copies(n)[1:-1, 1:-1]
    from_counts = np.linalg.solve(np.eye(n - 1) - step, np.ones(n - 1))
    for p in (0.5, 0.2):
        exact = 1 + stats.binom.pmf(np.arange(1, n), n, p) @ from_counts
        assert 0 < gaussian.fixation_time([p, 1 - p], n) - exact < 2.5


def test_fixation_time_of_many_states():
    rng = np.random.default_rng(5)
    p = np.full(10, 0.1)
    _, states = gaussian.simulate_discrete("replace", p, 100, 2000, 400, rng)
    assert np.all(states[:, -1] == 1)
    times = 1 + np.sum(states > 1, axis=1)
    middle = gaussian.fixation_time(p, 100) - 1.25  # of the (0, 2.5) of the test above
    assert abs(z_scores(times, middle)) < Z
    many = gaussian.fixation_time(np.full(1000, 1e-3), 50)
    assert many == pytest.approx(2 * 50, rel=1e-3)


def test_losing_a_rare_state():
    """Replace against the exact chain of copies (n = 400: within 1/400); accumulate by counting."""
    n, q = 400, 0.005
    exact, forgotten = [(1 - q) ** n], (np.arange(n + 1) == 0).astype(float)
    step, first = copies(n), stats.binom.pmf(np.arange(n + 1), n, q)
    for _ in range(29):
        forgotten = step @ forgotten
        exact.append(first @ forgotten)
    assert gaussian.lost("replace", q, n, 30) == pytest.approx(exact, abs=1 / n)
    assert gaussian.lost("accumulate", [q, 0.1], n, 3)[0] == pytest.approx([exact[0]] * 3)
    late = gaussian.lost("replace", 0.05, n, 500)[-1]
    assert late == pytest.approx(np.exp(-2 * n * 0.05 / 500), rel=0.03)


@pytest.mark.parametrize("regime", ["replace", "accumulate", "accumulate_subsample"])
def test_number_of_states_kept(regime):
    """Expected number of 200 rare states, by the sum over states; z with 300 chains (n = 2,000)."""
    p = np.concatenate([np.full(200, 1e-3), [0.8]])
    rng = np.random.default_rng(6)
    _, states = gaussian.simulate_discrete(regime, p, 2000, 12, 300, rng)
    expected = np.sum(1 - gaussian.lost(regime, p, 2000, 12), axis=0)
    slack = 200 / 2000  # of the large-n formula
    error = np.abs(states.mean(axis=0) - expected)
    assert np.all(error < Z * states.std(axis=0, ddof=1) / np.sqrt(300) + slack)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: gaussian.retained("replace", 1, 3), "n"),
        (lambda: gaussian.retained("replace", 2.5, 3), "n"),
        (lambda: gaussian.retained("discard", 10, 3), "regime"),
        (lambda: gaussian.log_drift(10, 10), "d"),
        (lambda: gaussian.lost("replace_multiple", 0.1, 10, 3), "regime"),
        (lambda: gaussian.simulate_discrete("discard", [1.0], 10, 3, 2, None), "regime"),
    ],
)
def test_bad_input_names_the_field(call, field):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
