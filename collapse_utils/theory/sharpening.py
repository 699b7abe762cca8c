"""Sampling at a temperature below 1: what the loss shows of it, and what it does not show.

A perfect learner is assumed throughout: a fit is the distribution of its training set, without any
error of sampling.  This leaves the effect of the temperature tau alone; beta = 1/tau.

Sharpening.  Fit 1 is p.  A sample at temperature tau has the distribution p^beta / Z.  Under
replace fit t is therefore p^(beta^(t - 1)) / Z and its samples are p^(beta^t) / Z: all mass goes to
the likeliest item, doubly exponentially fast.  In an autoregressive model p is the next-token
distribution of every context, and the law holds for each.

The loss.  Under accumulate fit t is q_t = (1/t) (p + s_1 + ... + s_{t-1}), with s_k the samples of
fit k.  As q_t >= p/t for every item, its cross-entropy on real data exceeds the entropy of p by at
most log t, whatever s_k is.  In general the bound is -log(share of real items in the training set).
The bound holds for an item, which is a whole story: for L tokens it is log(t)/L a token.

Two learners.  One *pools* the items into a single distribution, here of tokens drawn one by one.
The other *keeps components*: the words of a story reveal which generation made it, and its
continuation is sampled from that component.  A story of depth j (j samplings away from real data)
then has the token distribution p^(beta^j) / Z, and a sample of it has depth j + 1.  Under
accumulate t w_t = (t - 1) w_{t-1} + (w_{t-1} shifted by one) for the depths w_t in the training set
of fit t: the depth is a sum of independent Bernoulli(1/k), k = 2..t, real with chance 1/t and
H_t - 1 on average.  This is the H_t by which a bias grows under accumulate.

Sources.  The learner, the bound and the depths are derived here.  Marchi et al. 2024 (2404.02325)
show the degeneration in closed-loop learning for any temperature other than 1 unless enough
external data enter; Alemohammad et al. 2024 (2307.01850) measure it on samples of image models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import seeds
from ..errors import check_integer, one_of, require

REGIMES = ("replace", "accumulate", "share")


def _regime(regime: str, share: float | None) -> None:
    one_of("regime", regime, REGIMES)
    ok = (share is None) if regime != "share" else (share is not None and 0 <= share <= 1)
    require("share", share, "a number from 0 to 1 for the regime share, else None", ok)


def zipf(size: int) -> np.ndarray:
    """Probabilities of ``size`` words whose frequency falls as 1/rank."""
    weights = np.arange(1, check_integer("size", size, 2) + 1) ** -1.0
    return weights / weights.sum()


def temper(p: np.ndarray, tau: float, times: ArrayLike = 1) -> np.ndarray:
    """The distribution after repeated sampling from p at temperature ``tau``: p^(beta^times) / Z.

    ``times`` of shape S gives an array of shape (*S, len(p)); 0 is p itself.  Words of
    probability 0 keep it.  Raises InputError for tau <= 0 or a negative number of times.
    """
    require("tau", tau, "a number > 0", 0 < tau < math.inf)
    times = np.asarray(times, float)
    require("times", times.tolist(), "integers >= 0", bool(np.all(times >= 0)))
    with np.errstate(divide="ignore", over="ignore"):
        log_p = np.log(p) - np.log(np.max(p))  # <= 0, so that high powers cannot overflow
        power = np.minimum(tau**-times, np.finfo(float).max)[..., None]
        raised = np.exp(np.where(log_p == 0, 0.0, power * log_p))
    return raised / raised.sum(axis=-1, keepdims=True)


def entropy(p: np.ndarray) -> np.ndarray:
    """Entropy in nats of distributions along the last axis."""
    return cross_entropy(p, p)


def cross_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """-sum p log q in nats along the last axis; infinite where q is 0 and p is not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, -p * np.log(q), 0.0)
    return terms.sum(axis=-1)


def loss_bound(t: ArrayLike, length: float = 1.0) -> np.ndarray:
    """The most that accumulating adds to the loss of a perfect learner: log(t)/L nats a token."""
    t = np.asarray(t, float)
    require("t", t.tolist(), "iterations >= 1", bool(np.all(t >= 1)))
    require("length", length, "a number of tokens >= 1", length >= 1)
    return np.log(t) / length


def pooled(
    p: np.ndarray, tau: float, iterations: int, regime: str
) -> tuple[np.ndarray, np.ndarray]:
    """Fits and samples of the learner that pools: q_t and s_t, each of shape (iterations, len(p)).

    ``regime`` is replace or accumulate.
    """
    _regime(regime, None)
    fits, samples = [np.asarray(p, float)], []
    for t in range(1, iterations + 1):
        samples.append(temper(fits[-1], tau))
        if regime == "accumulate":
            fits.append(fits[-1] + (samples[-1] - fits[-1]) / (t + 1))
        else:
            fits.append(samples[-1])
    return np.stack(fits[:iterations]), np.stack(samples)


def depths(t: int, regime: str = "accumulate", share: float | None = None) -> np.ndarray:
    """Probability that an item of the training set of fit t is j samplings away from real data.

    Shape (t,), for j = 0..t-1.  Replace: j = t - 1.  Share a: geometric, a (1 - a)^j, with the
    rest at t - 1.  Accumulate: the coefficients of prod_{k=2..t} (k - 1 + z) / k.
    """
    _regime(regime, share)
    check_integer("t", t, 1)
    w = np.ones(1)
    for k in range(2, t + 1):
        real = {"replace": 0.0, "accumulate": 1 / k, "share": share}[regime]
        if regime == "accumulate":
            w = np.append(w, 0) * (1 - real) + np.append(0, w) * real
        else:
            w = np.append(real, (1 - real) * w)
    return w


def sampled_words(
    p: np.ndarray, tau: float, t: int, regime: str = "accumulate", share: float | None = None
) -> np.ndarray:
    """Word distribution of the samples of fit t if it keeps components, shape (len(p),)."""
    return depths(t, regime, share) @ temper(p, tau, np.arange(1, t + 1))


@dataclass(frozen=True)
class Stories:
    """Chains of the learner that keeps components."""

    words: int = 500  # in the vocabulary, with Zipf's frequencies
    length: int = 190  # words in a story, L
    tau: float = 0.3
    iterations: int = 10
    stories: int = 100  # in every generation, n
    regime: str = "accumulate"
    share: float | None = None
    repeats: int = 100

    def __post_init__(self) -> None:
        _regime(self.regime, self.share)
        for field in ("length", "iterations", "stories", "repeats"):
            check_integer(field, getattr(self, field), 1)


def simulate(config: Stories, seed: int) -> dict[str, np.ndarray]:
    """Stories sampled from stories, generation by generation; all repeats at once.

    A story is its depth and its words.  A fit is the list of depths in its training set; to sample
    a story it draws one of them, and then words at temperature tau.

    Returns
    -------
    depths : shape (repeats, iterations, iterations), share of each depth in the training set.
    loss : shape (repeats, iterations), -log q_t of n real held-out stories, in nats a story.
    words : shape (repeats, iterations, words), counts in the n stories that each fit samples.
    """
    rng = seeds.generator(seed, "sharpening", repr(config))
    repeats, n, last = config.repeats, config.stories, config.iterations
    by_depth = temper(zipf(config.words), config.tau, np.arange(last + 1))
    held_out = rng.choice(config.words, size=(n, config.length), p=by_depth[0])
    with np.errstate(divide="ignore"):
        log_q = np.log(by_depth[:last])[:, held_out].sum(axis=-1)  # depth, held-out story
    relative = np.exp(log_q - log_q[0])
    rows = np.arange(repeats)[:, None]
    generations = [np.zeros((repeats, n), int)]  # the depth of every story; generation 0 is real
    shares, losses, words = [], [], []
    for _ in range(last):
        training = _training_set(generations, config)
        shares.append(_counts(training, last) / training.shape[1])
        with np.errstate(divide="ignore"):
            losses.append(-np.mean(np.log(shares[-1] @ relative) + log_q[0], axis=1))
        drawn = rng.integers(training.shape[1], size=(repeats, n))
        generations.append(training[rows, drawn] + 1)
        counts = _counts(generations[-1], last + 1) * config.length
        words.append(rng.multinomial(counts, by_depth).sum(axis=1))
    return {
        "depths": np.stack(shares, axis=1),
        "loss": np.stack(losses, axis=1),
        "words": np.stack(words, axis=1),
    }


def _counts(depth: np.ndarray, size: int) -> np.ndarray:
    """The number of stories of each depth in every repeat, shape (repeats, size)."""
    return (depth[:, :, None] == np.arange(size)).sum(axis=1)


def _training_set(generations: list[np.ndarray], config: Stories) -> np.ndarray:
    """The depths of the stories that the next fit trains on, shape (repeats, stories)."""
    if len(generations) == 1 or config.regime == "accumulate":
        return np.concatenate(generations, axis=1)
    if config.regime == "replace":
        return generations[-1]
    real = round(config.share * config.stories)
    return np.concatenate([generations[0][:, :real], generations[-1][:, real:]], axis=1)
