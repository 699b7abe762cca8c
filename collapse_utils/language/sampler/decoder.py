"""One decoding step for many stories at different positions.

:func:`weights_of` takes the weights from a GPT-2 or Llama of ``transformers``, and
:class:`Decoder` computes with them the same logits as the model, up to the rounding of float32, in
fewer operations:

* The three projections of attention are one product, and so are two of Llama's feed-forward layer.
* The scale of attention and RMSNorm's gains are multiplied into the matrices that follow.
* Llama rotates the pairs of features (i, i + d/2).  The columns of the query and key matrices are
  permuted alike, so that a pair is two neighbours and the rotation is one complex multiplication.
  Inner products of queries and keys do not change.

On a CPU the matrices are packed once for oneDNN (:class:`Packed`).  Its products of 32 to 128 rows
are then 25 to 40% faster than those of MKL, which packs its operands in each call.  Bias, GELU and
the residual sum are computed inside the product.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .caches import PaddedCache, RaggedCache
from .weights import Affine, Weights


class Decoder:
    """Single-token steps of up to ``rows`` stories over ``cache``."""

    def __init__(self, weights: Weights, cache: RaggedCache | PaddedCache, rows: int):
        self.weights, self.cache = weights, cache
        # Queries and keys after rotation, which half-precision models do in float32 too.
        shape = (2, rows, weights.heads, weights.features // 2)
        self._rotated = torch.empty(shape, dtype=torch.complex64, device=weights.embedding.device)

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Feed one token to each story; returns the logits [n, vocabulary] of the next.

        ``tokens`` and ``positions`` [n]; call the cache's ``begin`` for these positions before.
        """
        w, n = self.weights, len(tokens)
        x = F.embedding(tokens, w.embedding)
        embedded = w.positions.index_select(0, positions)
        if w.llama:
            embedded = embedded[:, None]
        else:
            x = x + embedded
        for number, layer in enumerate(w.layers):
            qkv = layer.qkv(self._norm(x, layer.norm))
            attended = self.cache.attend(
                number, *(self._rotate(qkv, embedded) if w.llama else self._split(qkv))
            )
            x = layer.out.add_to(x, attended.view(n, w.hidden))
            y = self._norm(x, layer.ffn_norm)
            if w.llama:
                gate, up = layer.up(y).chunk(2, -1)
                h = F.silu(gate, inplace=True).mul_(up)
            else:
                h = layer.up.gelu(y)
            x = layer.down.add_to(x, h)
        return w.head(self._norm(x, w.norm))

    def _norm(self, x: Tensor, norm: Affine | None) -> Tensor:
        """LayerNorm, or RMSNorm without its gain."""
        if norm is not None:
            return F.layer_norm(x, x.shape[1:], norm.matrix, norm.bias, self.weights.epsilon)
        return F.rms_norm(x, x.shape[1:], None, self.weights.epsilon)

    def _split(self, qkv: Tensor) -> Tensor:
        """Queries, keys and values [3, n x heads, features]."""
        w, n = self.weights, len(qkv)
        return (
            qkv.view(n, 3, w.heads, w.features).transpose(0, 1).reshape(3, n * w.heads, w.features)
        )

    def _rotate(self, qkv: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`_split`, with queries and keys rotated by their positions."""
        w, n = self.weights, len(qkv)
        pairs = torch.view_as_complex(qkv.float().view(n, 3, w.heads, w.features // 2, 2))[
            :, :2
        ].transpose(0, 1)
        # with out, the result is contiguous in the transposed order
        rotated = torch.mul(pairs, angles, out=self._rotated[:, :n])
        rotated = torch.view_as_real(rotated).view(2, n * w.heads, w.features).to(qkv.dtype)
        return rotated[0], rotated[1], qkv[:, 2 * w.hidden :].reshape(n * w.heads, w.features)
