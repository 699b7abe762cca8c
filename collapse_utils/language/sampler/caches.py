"""Keys and values of stories of different lengths, and attention of one new token of each.

Two layouts have one interface.  ``plan`` sets the active slots and the last positions that they
may reach before the next plan.  ``begin`` sets the positions of a step.  ``attend`` writes one
layer's keys and values and attends.  Slots are independent: a new story starts at position 0 of a
slot, and what an earlier story wrote there is masked.

:class:`RaggedCache` is for CPUs.  Reading the cache takes as long as all matrix products together,
so memory bandwidth decides, and a story must not read as far as a longer one.  ``embedding_bag``,
a weighted sum of table rows, is the one kernel of torch that reads scattered pieces at full
bandwidth (2 to 5 times faster than batched products of one row, measured) and allows sums of
different lengths.  Values are weighted by attention, one bag for each story and head.  Keys are
stored in transposed chunks of 32 positions, so that 32 scores are a sum of key features weighted by
the query: one bag for each story, head and chunk.  A story holds the chunks that it has reached and
releases them when it ends.  The chunks released last are reused first, so the memory in use follows
the lengths of the current stories.

:class:`PaddedCache` is for GPUs.  Every story attends over the length of the longest one under a
mask.  Shapes are static, as CUDA graphs require.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...training.allocator import large_zeros

CHUNK = 32  # positions; the fastest of 16, 32 and 64


class RaggedCache:
    """Keys and values [layers, chunks x heads, positions, features] in float32, of any length."""

    def __init__(self, layers: int, slots: int, heads: int, features: int, positions: int):
        self.heads, self.features = heads, features
        self.chunks = -(-positions // CHUNK)
        # a page is one chunk of one head; there are enough for the longest stories in all slots
        pages = slots * heads * self.chunks
        assert pages * max(CHUNK, features) < 2**31, "row numbers are 32-bit"
        # Zeros, not uninitialised memory: what a mask hides must be finite.
        keys = large_zeros(layers, pages * features * CHUNK)
        self._written_keys = list(keys)  # [layer][position in memory]
        self._keys = list(keys.view(layers, pages * features, CHUNK))
        self._values = list(large_zeros(layers, pages * CHUNK, features))
        self._features = np.arange(features, dtype=np.int32)
        self._chunk = np.arange(CHUNK, dtype=np.int32)
        self._heads = np.arange(heads)
        # [slot, chunk] -> number in memory; every slot keeps its first chunk
        self._table = np.zeros((slots, self.chunks), dtype=np.int64)
        self._table[:, 0] = np.arange(slots)
        self._held = np.ones(slots, dtype=np.int64)
        self._free = list(range(slots * self.chunks - 1, slots - 1, -1))

    def release(self, slot: int) -> None:
        """The story of ``slot`` has ended; the next plan may reuse its chunks."""
        held = int(self._held[slot])
        self._free.extend(self._table[slot, 1:held].tolist())
        self._held[slot] = 1

    def plan(self, slots: np.ndarray, reach: np.ndarray) -> None:
        """Until the next plan, step ``slots`` [n] at positions up to ``reach`` [n]."""
        needed = reach // CHUNK + 1
        for slot, count in zip(slots.tolist(), needed.tolist(), strict=True):
            while self._held[slot] < count:
                self._table[slot, self._held[slot]] = self._free.pop()
                self._held[slot] += 1
        counts = np.repeat(needed, self.heads)  # chunks of each pair (slot, head)
        stops = counts.cumsum()
        starts = stops - counts
        pairs, pages = len(counts), int(stops[-1])
        owner = np.repeat(np.arange(pairs), counts)
        chunk = np.arange(pages) - starts[owner]
        number = self._table[np.repeat(slots, self.heads)[owner], chunk]
        page = (number * self.heads + np.tile(self._heads, len(slots))[owner]).astype(np.int32)
        widest = int(counts.max())
        # The scores form a rectangle [pair, widest x CHUNK]: one bag for each chunk, which is empty
        # where a pair has fewer chunks.
        key_bags = np.zeros(pairs * widest + 1, dtype=np.int32)
        inside = owner * widest + chunk
        key_bags[inside + 1] = self.features
        self._key_bags = torch.from_numpy(key_bags.cumsum(dtype=np.int32))
        self._inside = torch.from_numpy(inside)
        self._owner = torch.from_numpy(owner)
        self._key_rows = torch.from_numpy(
            (page[:, None] * np.int32(self.features) + self._features).ravel()
        )
        self._value_rows = torch.from_numpy((page[:, None] * np.int32(CHUNK) + self._chunk).ravel())
        self._value_bags = torch.from_numpy(
            np.append(np.int32(0), (stops * CHUNK).astype(np.int32))
        )
        self._slots = slots
        self._span = np.arange(widest * CHUNK)
        self._rectangle = (len(slots), self.heads, widest * CHUNK)

    def begin(self, positions: np.ndarray) -> None:
        """Start a step at ``positions`` [n] of the planned slots."""
        visible = self._span <= positions[:, None]
        self._mask = torch.from_numpy(np.where(visible, np.float32(0), np.float32(-np.inf)))[
            :, None
        ]
        chunk, offset = positions // CHUNK, positions % CHUNK
        page = self._table[self._slots, chunk][:, None] * self.heads + self._heads
        row = page * self.features
        self._key_at = torch.from_numpy(
            ((row[:, :, None] + self._features) * CHUNK + offset[:, None, None]).ravel()
        )
        self._value_at = torch.from_numpy((page * CHUNK + offset[:, None]).ravel())

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Write this step's keys and values and attend; [n x heads, features], queries scaled."""
        self._written_keys[layer].index_copy_(0, self._key_at, keys.reshape(-1))
        self._values[layer].index_copy_(0, self._value_at, values)
        weights = queries.index_select(0, self._owner)
        scores = _bags(self._keys[layer], self._key_rows, self._key_bags, weights).view(
            self._rectangle
        )
        weights = (
            torch.softmax(scores.add_(self._mask), -1).view(-1, CHUNK).index_select(0, self._inside)
        )
        return _bags(self._values[layer], self._value_rows, self._value_bags, weights)


def _bags(table: Tensor, rows: Tensor, edges: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of table rows: bag i sums ``rows[edges[i]:edges[i + 1]]``."""
    # torch.nn.functional.embedding_bag makes this call after checks that take longer than a small
    # bag
    return torch.embedding_bag(table, rows, edges, False, 0, False, weights.view(-1), True)[0]


class PaddedCache:
    """Keys and values [layers, 2, slots, heads, positions, features] in a fixed shape."""

    def __init__(
        self,
        layers: int,
        slots: int,
        heads: int,
        features: int,
        positions: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        self.heads, self.features, self.positions = heads, features, positions
        self.data = torch.zeros(
            layers, 2, slots, heads, positions, features, dtype=dtype, device=device
        )
        self._slots = torch.arange(slots, device=device)
        self._span = torch.arange(positions, device=device)
        self.plan(slots, positions)

    def plan(self, slots: int, length: int) -> None:
        """Until the next plan, step the first ``slots`` slots at positions below ``length``."""
        self._n, self._length = slots, length

    def keep(self, slots: Tensor) -> None:
        """Move these slots to the front."""
        self.data[:, :, : len(slots)] = self.data[:, :, slots]

    def begin(self, positions: Tensor) -> None:
        """Start a step at ``positions`` [n] of the planned slots, without waiting for the GPU."""
        self._at = (self._slots[: self._n], slice(None), positions)
        self._visible = (self._span[: self._length] <= positions[:, None])[:, None, None]

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Write this step's keys and values and attend; [n x heads, features], queries scaled."""
        shape = (self._n, self.heads, self.features)
        kept = self.data[layer, :, : self._n]
        kept[0][self._at] = keys.view(shape)
        kept[1][self._at] = values.view(shape)
        past_keys, past_values = kept[:, :, :, : self._length]
        attended = torch.nn.functional.scaled_dot_product_attention(
            queries.view(shape).unsqueeze(2),
            past_keys,
            past_values,
            attn_mask=self._visible,
            scale=1.0,
        )
        return attended.reshape(-1, self.features)
