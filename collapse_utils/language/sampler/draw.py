"""Drawing tokens: the random numbers of every story, and the inverse-CDF draw in two levels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 64  # tokens in a block of the two-level draw


def draw(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """One token a row from softmax(logits / temperature), by inversion of its distribution.

    ``logits`` [n, vocabulary], ``uniforms`` [n] float64 in [0, 1).  The draw finds a block of 64
    tokens first, then the token in it.  Both cumulative sums are float64, so the only error is that
    of the float32 probabilities (about 1e-7, relative).  A token of probability 0 is never drawn.
    """
    logits = logits.float()
    # subtract the largest first: at the lowest temperatures the quotient would overflow
    if temperature != 1.0:
        logits = (logits - logits.amax(-1, keepdim=True)) / temperature
    probabilities = torch.softmax(logits, -1)
    padding = -probabilities.shape[1] % BLOCK
    if padding:
        probabilities = F.pad(probabilities, (0, padding))
    blocks = probabilities.unflatten(1, (-1, BLOCK))
    block, rest = _invert(blocks.sum(-1).double(), uniforms[:, None])
    inside = blocks.gather(1, block[:, :, None].expand(-1, 1, BLOCK)).squeeze(1).double()
    token, _ = _invert(inside, rest)
    return (block * BLOCK + token).squeeze(1)


def _invert(weights: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """The index whose share of the sum contains ``uniforms`` [n, 1], and the position in it, which
    is uniform in [0, 1] again.
    """
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1:].contiguous()
    target = uniforms * total
    # the first sum above the target: its weight is > 0
    index = torch.searchsorted(cumulative, target, right=True)
    # but at most the last weight > 0, in case rounding makes the target equal to the total
    last = torch.searchsorted(cumulative, total)
    index = torch.minimum(index, last)
    weight = weights.gather(1, index)
    rest = (target - (cumulative.gather(1, index) - weight)) / weight
    return index, rest.clamp_(0.0, 1.0)


def uniforms(seed: int, story: int, size: int) -> np.ndarray:
    """The ``size`` uniform numbers in [0, 1) with which a story of a seed draws its tokens."""
    # Philox is a function of key and counter: the story moves the counter's highest word, its own
    # numbers the lowest.
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, story])).random(size)
