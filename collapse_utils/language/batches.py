"""Training batches without padding: stories one after another, and attention within each story.

Every layer of a transformer except attention processes one token at a time, so stories of different
lengths need no padding there: their tokens are one row.  Only attention lays out queries, keys and
values story by story, (stories, heads, longest, features).  No mask but the causal one is needed,
because the padding comes after its story, which cannot look ahead.

Batches can therefore be drawn at random.  Batches of stories of similar length, the usual remedy
against padding, would separate real stories from synthetic ones if their lengths differ, which
would change what accumulate means.

The models are those of ``transformers``; the attention is registered there as ``unpadded``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

NAME = "unpadded"


class Batch(NamedTuple):
    """Some stories one after another; ``tokens`` below is their total number of tokens."""

    ids: torch.Tensor  # (1, tokens)
    positions: torch.Tensor  # (1, tokens), within the story
    predicting: torch.Tensor  # (tokens - stories,), the tokens that have a successor
    rows: torch.Tensor  # (tokens,), the row of each token in the layout story by story
    sources: torch.Tensor  # (stories * longest,), the token of each row; any token in padding
    stories: int
    longest: int

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device, non_blocking=True) for part in self[:5]), *self[5:])


def batch(values: np.ndarray, offsets: np.ndarray) -> Batch:
    """Stories, the i-th in ``values[offsets[i]:offsets[i + 1]]``, as a batch."""
    lengths = np.diff(offsets)
    stories, longest = len(lengths), int(lengths.max())
    story = np.repeat(np.arange(stories), lengths)
    positions = np.arange(len(values)) - np.repeat(offsets[:-1], lengths)
    rows = story * longest + positions
    sources = np.zeros(stories * longest, np.int64)
    sources[rows] = np.arange(len(values))
    last = np.zeros(len(values), bool)
    last[offsets[1:] - 1] = True
    arrays = (values.astype(np.int64)[None], positions[None], np.flatnonzero(~last), rows, sources)
    return Batch(*map(torch.from_numpy, arrays), stories, longest)


def split(stories: Batch, parts: int) -> list[tuple[Batch, float]]:
    """At most ``parts`` batches of whole stories, each with its share of the predicted tokens."""
    device, values = stories.ids.device, stories.ids[0].cpu().numpy()
    edges = np.append(np.flatnonzero(stories.positions[0].cpu().numpy() == 0), len(values))
    pieces = []
    for rows in np.array_split(np.arange(stories.stories), min(parts, stories.stories)):
        offsets = edges[rows[0] : rows[-1] + 2]
        piece = batch(values[offsets[0] : offsets[-1]], offsets - offsets[0]).to(device)
        pieces.append((piece, len(piece.predicting) / len(stories.predicting)))
    return pieces


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    stories: Batch | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each story; query, key, value: (1, heads, tokens, features)."""

    def by_story(flat: torch.Tensor) -> torch.Tensor:
        # (stories * longest, heads, features)
        rows = flat[0].transpose(0, 1).index_select(0, stories.sources)
        return rows.view(stories.stories, stories.longest, *rows.shape[1:]).transpose(1, 2)

    query, key, value = by_story(query), by_story(key), by_story(value)
    mixed = F.scaled_dot_product_attention(
        query, key, value, dropout_p=dropout, scale=scaling, is_causal=True
    )
    rows = mixed.transpose(1, 2).flatten(0, 1)  # (stories * longest, heads, features)
    return rows.index_select(0, stories.rows)[None], None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, lambda *arguments, **options: None)


def predictions(model: PreTrainedModel, stories: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (tokens - stories, vocabulary) of every token with a predecessor, and the tokens.

    ``model`` must use this module's attention (``model.set_attn_implementation(NAME)``).
    """
    body = model.base_model(
        input_ids=stories.ids, position_ids=stories.positions, use_cache=False, stories=stories
    )
    logits = model.get_output_embeddings()(body.last_hidden_state[0, stories.predicting])
    return logits.float(), stories.ids[0, stories.predicting + 1]


def token_losses(model: PreTrainedModel, stories: Batch) -> torch.Tensor:
    """Cross-entropy in nats of every token but the first of its story, each counted once."""
    return F.cross_entropy(*predictions(model, stories), reduction="none")
