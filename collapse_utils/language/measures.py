"""What collapse looks like in stories, and how well a model predicts real ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from ..data import Data
from .batches import Batch, batch, predictions, token_losses
from .data import END_ID, token_lists

EVALUATION_BATCH = 64  # stories evaluated side by side
DISTINCT_PAIRS = 2000  # pairs of tokens from which distinct-2 is computed
TEMPERATURES = 2.0 ** np.arange(-2, 7.25, 0.5)  # the grid for the best one: 0.25 to 128


def _evaluation_batches(model: torch.nn.Module, stories: Data) -> Iterator[Batch]:
    """Batches of stories of about equal length, so that attention pads little."""
    device = next(model.parameters()).device
    order = np.argsort(np.asarray(stories.with_format("numpy")["length"][:]), kind="stable")
    for start in range(0, len(order), EVALUATION_BATCH):
        yield batch(*token_lists(stories, order[start : start + EVALUATION_BATCH])).to(device)


@torch.no_grad()
def cross_entropy(model: torch.nn.Module, stories: Data) -> tuple[float, float]:
    """Mean nats per token over all tokens of ``stories``, and their sum."""
    total, count = 0.0, 0
    for part in _evaluation_batches(model, stories):
        losses = token_losses(model, part)
        total += losses.double().sum().item()
        count += len(losses)
    return total / count, total


@torch.no_grad()
def tempered(model: torch.nn.Module, stories: Data, temperatures: np.ndarray) -> np.ndarray:
    """Mean nats per token of ``stories`` under softmax(logits / temperature), for each one."""
    totals, count = np.zeros(len(temperatures)), 0
    for part in _evaluation_batches(model, stories):
        logits, tokens = predictions(model, part)
        for index, temperature in enumerate(temperatures):
            losses = F.cross_entropy(logits / float(temperature), tokens, reduction="none")
            totals[index] += losses.double().sum().item()
        count += len(tokens)
    return totals / count


def best_temperature(model: torch.nn.Module, stories: Data) -> float:
    """The temperature at which ``model`` predicts ``stories`` best (Guo et al. 2017).

    The best point of a grid of half octaves is refined by a parabola through it and its
    neighbours.
    """
    losses = tempered(model, stories, TEMPERATURES)
    best = int(np.argmin(losses))
    if not 0 < best < len(losses) - 1:
        return float(TEMPERATURES[best])
    before, middle, after = losses[best - 1 : best + 2]
    shift = 0.5 * (before - after) / (before - 2 * middle + after)  # grid steps, -1/2 to 1/2
    return float(TEMPERATURES[best] * 2 ** (0.5 * shift))


def diversity(
    values: np.ndarray, offsets: np.ndarray, *, real_tokens: np.ndarray
) -> dict[str, float]:
    """What collapse looks like in token lists.

    Returns
    -------
    distinct_2 : different pairs of neighbouring tokens, as a share of the first
        ``DISTINCT_PAIRS`` pairs (Li et al. 2016); a fixed number, because the share falls with the
        length of any text.
    vocabulary_share : the share of the tokens of the real test split that occur at least once.
    mean_length : tokens of a story, with its end marks.
    share_ended : share of stories that the model ended before ``max_length``.
    """
    inside = np.ones(len(values) - 1, bool)
    inside[offsets[1:-1] - 1] = False  # a pair across two stories
    pairs = (values[:-1].astype(np.int64) * 65536 + values[1:])[inside][:DISTINCT_PAIRS]
    real = np.unique(real_tokens)
    last = values[offsets[1:] - 1]
    return {
        "distinct_2": len(np.unique(pairs)) / len(pairs),
        "vocabulary_share": float(np.isin(real, values).mean()),
        "mean_length": float(np.diff(offsets).mean()),
        "share_ended": float(np.mean((last == END_ID) & (np.diff(offsets) > 1))),
    }
