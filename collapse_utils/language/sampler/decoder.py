"""One token at a time for many stories: the model's own weights in plain batched products.

:func:`weights_of` takes the weights from a GPT-2 or Llama of ``transformers`` and
:class:`Decoder` runs one step for stories at different positions.  Its logits equal
the model's up to the rounding of float32.  The three projections of attention are one product, as
are Llama's two of the feed-forward layer; the scale of attention and RMSNorm's gains are
multiplied into the matrices that follow.  Llama's rotary pairs (i, i + d/2) are brought side by
side by permuting the columns of the query and key matrices alike, which leaves their inner
product as it is and makes the rotation one complex multiplication.

On a CPU the matrices are packed once for oneDNN (:class:`Packed`), whose products of 32 to 128
rows then run 25 to 40% faster than MKL's, which packs its operands anew in each call; bias, GELU
and residual sum happen inside the product.
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
        self._turned = torch.empty(shape, dtype=torch.complex64, device=weights.embedding.device)

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Feed one token to each story: the logits [n, vocabulary] of the next.

        ``tokens`` and ``positions`` [n]; the cache's ``begin`` was called for these positions.
        """
        w, n = self.weights, len(tokens)
        x = F.embedding(tokens, w.embedding)
        places = w.places.index_select(0, positions)
        if w.llama:
            places = places[:, None]
        else:
            x = x + places
        for number, layer in enumerate(w.layers):
            qkv = layer.qkv(self._norm(x, layer.norm))
            mixed = self.cache.attend(
                number, *(self._rotate(qkv, places) if w.llama else self._split(qkv))
            )
            x = layer.out.onto(x, mixed.view(n, w.hidden))
            y = self._norm(x, layer.ffn_norm)
            if w.llama:
                gate, up = layer.up(y).chunk(2, -1)
                h = F.silu(gate, inplace=True).mul_(up)
            else:
                h = layer.up.gelu(y)
            x = layer.down.onto(x, h)
        return w.head(self._norm(x, w.norm))

    def _norm(self, x: Tensor, norm: Affine | None) -> Tensor:
        """LayerNorm, or RMSNorm without its gain."""
        if norm is not None:
            return F.layer_norm(x, x.shape[1:], norm.matrix, norm.offset, self.weights.epsilon)
        return F.rms_norm(x, x.shape[1:], None, self.weights.epsilon)

    def _split(self, qkv: Tensor) -> Tensor:
        """Queries, keys and values [3, n x heads, features]."""
        w, n = self.weights, len(qkv)
        return (
            qkv.view(n, 3, w.heads, w.features).transpose(0, 1).reshape(3, n * w.heads, w.features)
        )

    def _rotate(self, qkv: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, queries and keys turned by their positions."""
        w, n = self.weights, len(qkv)
        pairs = torch.view_as_complex(qkv.float().view(n, 3, w.heads, w.features // 2, 2))[
            :, :2
        ].transpose(0, 1)
        # out: the transposed order becomes that in memory
        turned = torch.mul(pairs, angles, out=self._turned[:, :n])
        turned = torch.view_as_real(turned).view(2, n * w.heads, w.features).to(qkv.dtype)
        return turned[0], turned[1], qkv[:, 2 * w.hidden :].reshape(n * w.heads, w.features)
