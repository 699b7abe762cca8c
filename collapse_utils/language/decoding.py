"""One token at a time for many stories: the model's own weights, a preallocated cache, plain batched products.

:class:`Decoder` takes its weights from a GPT-2 or Llama of ``transformers`` and runs one step for rows that stand at
different positions.  Its logits equal the model's up to the rounding of float32.  What makes it fast:

- Keys and values live in one tensor that is written in place.  ``transformers`` concatenates a new one at each step.
- A row at position 20 must not pay for a neighbour at position 200, so rows of similar age lie side by side and each
  group attends over its own length (:func:`plan`).  A bias of minus infinity masks what a row has not yet written.
- The three projections of attention (and Llama's two of the feed-forward layer) are one product.  Llama's rotary pairs
  (i, i + d/2) are brought side by side by permuting the rows of the query and key matrices alike, which leaves their
  inner product as it is and turns the rotation into one complex multiplication.
- :func:`draw` inverts the cumulative distribution in two levels, and needs one uniform number per token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 64  # tokens in a block of the two-level draw


class Group(NamedTuple):
    """Rows ``start`` to ``stop`` (excluded), which attend over the cache's first ``length`` positions."""

    start: int
    stop: int
    length: int


class Layer(NamedTuple):
    """Weights of one layer; a matrix is [inputs, outputs], as in ``x @ matrix``.  Llama has no offsets (None)."""

    norm: tuple[Tensor, Tensor | None]
    qkv: tuple[Tensor, Tensor | None]
    out: tuple[Tensor, Tensor | None]
    ffn_norm: tuple[Tensor, Tensor | None]
    up: tuple[Tensor, Tensor | None]  # Llama: gate and up side by side
    down: tuple[Tensor, Tensor | None]


class Decoder:
    """Single-token decoding of ``model`` for up to ``rows`` stories of up to ``positions`` fed tokens.

    Parameters
    ----------
    model : ``GPT2LMHeadModel`` or ``LlamaForCausalLM`` (as many key as query heads, default rotary positions).
    rows, positions : the size of the cache.
    dtype : of weights and cache; None: the model's own.
    """

    def __init__(self, model: torch.nn.Module, rows: int, positions: int, dtype: torch.dtype | None = None):
        config = model.config
        dtype = dtype or model.dtype
        self.llama = config.model_type == "llama"
        self.rows, self.positions = rows, positions
        self.heads = config.num_attention_heads
        self.hidden = config.hidden_size
        self.features = self.hidden // self.heads
        self.vocabulary = config.vocab_size
        (_llama_weights if self.llama else _gpt2_weights)(self, model, dtype)
        device = self.embedding.device
        shape = (len(self.layers), 2, rows, self.heads, positions, self.features)
        self.cache = torch.zeros(shape, dtype=dtype, device=device)  # finite everywhere: masked entries weigh 0
        self.bias = torch.full((rows, self.heads, 1, positions), -torch.inf, dtype=dtype, device=device)
        self._row_starts = torch.arange(rows * self.heads, device=device).view(rows, self.heads) * positions
        self._qkv = torch.empty(3, rows * self.heads * self.features, dtype=dtype, device=device)
        self._mixed = torch.empty(rows * self.heads, 1, self.features, dtype=dtype, device=device)
        self.arrange([Group(0, rows, positions)])

    def arrange(self, groups: list[Group]) -> None:
        """Set the groups of the following steps: contiguous from row 0; their last ``stop`` is the number of rows."""
        heads, self.active = self.heads, groups[-1].stop
        flat = self.cache.flatten(2, 3)  # [layer, key or value, row and head, position, feature]
        self._slices = [slice(group.start * heads, group.stop * heads) for group in groups]
        self._biases = [
            self.bias.flatten(0, 1)[rows, :, : group.length] for rows, group in zip(self._slices, groups, strict=True)
        ]
        self._views = [
            [
                (keys[rows, : group.length].transpose(1, 2), values[rows, : group.length])
                for rows, group in zip(self._slices, groups, strict=True)
            ]
            for keys, values in flat
        ]

    def clear(self, rows: Tensor) -> None:
        """Forget the stories in these rows."""
        self.bias[rows] = -torch.inf

    def move(self, source: Tensor, target: Tensor, length: int) -> None:
        """Copy rows ``source`` onto rows ``target``, as far as ``length`` positions were written."""
        self.cache[:, :, target, :, :length] = self.cache[:, :, source, :, :length]
        self.bias[target] = self.bias[source]

    def step(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Feed one token to each active row; returns the logits [rows, vocabulary] of the next.

        ``tokens`` [rows] at ``positions`` [rows]; a row must have been fed every earlier position since it was cleared.
        """
        n, heads, features = len(tokens), self.heads, self.features
        assert n == self.active, "arrange() sets the number of rows"
        x = F.embedding(tokens, self.embedding)
        if self.llama:
            rotation = F.embedding(positions, self.rotation).view(n, 1, -1, 2)
            rotation = torch.view_as_complex(rotation)
        else:
            x += F.embedding(positions, self.position_embedding)
        written = (self._row_starts[:n] + positions[:, None]).view(-1)
        self.bias.view(-1).index_fill_(0, written, 0.0)
        written = torch.cat([written, written + self._row_starts.numel() * self.positions])  # keys, then values
        qkv = self._qkv.view(-1)[: 3 * n * self.hidden].view(3, n, heads, features)
        mixed = self._mixed[: n * heads]
        queries = qkv[0].view(n * heads, 1, features)
        scale = features**-0.5
        for layer, cache, views in zip(self.layers, self.cache, self._views, strict=True):
            projected = _linear(self._norm(x, *layer.norm), *layer.qkv).view(n, 3, heads, features).transpose(0, 1)
            if self.llama:
                pairs = projected[:2].float().unflatten(-1, (-1, 2))
                turned = torch.view_as_real(torch.view_as_complex(pairs) * rotation)
                qkv[:2].copy_(turned.flatten(-2))
                qkv[2].copy_(projected[2])
            else:
                qkv.copy_(projected)
            cache.view(-1, features).index_copy_(0, written, qkv[1:].view(-1, features))
            for rows, bias, (keys, values) in zip(self._slices, self._biases, views, strict=True):
                scores = torch.baddbmm(bias, queries[rows], keys, alpha=scale)
                torch.bmm(torch.softmax(scores, -1), values, out=mixed[rows])
            _add_linear(x, mixed.view(n, self.hidden), *layer.out)
            h = _linear(self._norm(x, *layer.ffn_norm), *layer.up)
            if self.llama:
                gate, up = h.chunk(2, -1)
                h = F.silu(gate).mul_(up)
            else:
                h = F.gelu(h, approximate="tanh")
            _add_linear(x, h, *layer.down)
        return self._norm(x, *self.norm) @ self.head

    def _norm(self, x: Tensor, weight: Tensor, offset: Tensor | None) -> Tensor:
        if self.llama:
            return F.rms_norm(x, (self.hidden,), weight, self.epsilon)
        return F.layer_norm(x, (self.hidden,), weight, offset, self.epsilon)


def _linear(x: Tensor, matrix: Tensor, offset: Tensor | None) -> Tensor:
    return x @ matrix if offset is None else torch.addmm(offset, x, matrix)


def _add_linear(x: Tensor, h: Tensor, matrix: Tensor, offset: Tensor | None) -> None:
    """x += h @ matrix + offset, the residual sum inside the product."""
    x.addmm_(h, matrix)
    if offset is not None:
        x += offset


def _gpt2_weights(decoder: Decoder, model: torch.nn.Module, dtype: torch.dtype) -> None:
    config, body = model.config, model.transformer
    supported = config.activation_function == "gelu_new" and config.scale_attn_weights
    if not supported or config.scale_attn_by_inverse_layer_idx:
        raise ValueError("GPT-2 with another activation or attention scale than the original")

    def pair(module: torch.nn.Module) -> tuple[Tensor, Tensor]:  # Conv1D already is [inputs, outputs]
        return module.weight.detach().to(dtype), module.bias.detach().to(dtype)

    decoder.embedding = body.wte.weight.detach().to(dtype)
    decoder.position_embedding = body.wpe.weight.detach().to(dtype)
    decoder.layers = [
        Layer(
            pair(block.ln_1),
            pair(block.attn.c_attn),
            pair(block.attn.c_proj),
            pair(block.ln_2),
            pair(block.mlp.c_fc),
            pair(block.mlp.c_proj),
        )
        for block in body.h
    ]
    decoder.norm, decoder.epsilon = pair(body.ln_f), config.layer_norm_epsilon
    decoder.head = model.lm_head.weight.detach().to(dtype).t()


def _llama_weights(decoder: Decoder, model: torch.nn.Module, dtype: torch.dtype) -> None:
    config, body = model.config, model.model
    supported = config.num_key_value_heads == config.num_attention_heads and config.hidden_act == "silu"
    if not supported or config.attention_bias or config.mlp_bias:
        raise ValueError("Llama with grouped heads, biases or another activation than the original")

    def pairwise(weight: Tensor) -> Tensor:  # feature i and i + d/2 of each head become neighbours
        return weight.view(decoder.heads, 2, decoder.features // 2, -1).transpose(1, 2).reshape(weight.shape)

    def matrix(*weights: Tensor) -> tuple[Tensor, None]:
        return torch.cat([weight.detach() for weight in weights]).to(dtype).t(), None

    def gain(module: torch.nn.Module) -> tuple[Tensor, None]:
        return module.weight.detach().to(dtype), None

    decoder.embedding = body.embed_tokens.weight.detach().to(dtype)
    frequency = body.rotary_emb.inv_freq.double().cpu()
    angle = torch.arange(decoder.positions, dtype=torch.float64)[:, None] * frequency
    rotation = torch.stack([angle.cos(), angle.sin()], -1).flatten(1) * body.rotary_emb.attention_scaling
    decoder.rotation = rotation.float().to(decoder.embedding.device)
    decoder.layers = [
        Layer(
            gain(block.input_layernorm),
            matrix(
                pairwise(block.self_attn.q_proj.weight),
                pairwise(block.self_attn.k_proj.weight),
                block.self_attn.v_proj.weight,
            ),
            (block.self_attn.o_proj.weight.detach().to(dtype).t(), None),
            gain(block.post_attention_layernorm),
            matrix(block.mlp.gate_proj.weight, block.mlp.up_proj.weight),
            (block.mlp.down_proj.weight.detach().to(dtype).t(), None),
        )
        for block in body.layers
    ]
    decoder.norm, decoder.epsilon = gain(body.norm), config.rms_norm_eps
    decoder.head = model.lm_head.weight.detach().to(dtype).t()


def draw(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """One token a row from softmax(logits / temperature), by inverting its cumulative distribution.

    ``logits`` [rows, vocabulary], ``uniforms`` [rows] float64 in [0, 1).  First a block of 64 tokens is found, then the
    token in it; both cumulative sums are float64, so that the only error is that of the float32 probabilities (about
    1e-7 of each).  A token of probability 0 is never drawn.
    """
    scaled = logits.float()
    if temperature != 1.0:
        scaled = scaled / temperature
    probabilities = torch.softmax(scaled, -1)
    surplus = -probabilities.shape[1] % BLOCK
    if surplus:
        probabilities = F.pad(probabilities, (0, surplus))
    blocks = probabilities.unflatten(1, (-1, BLOCK))
    share = blocks.sum(-1).double()
    block, rest = _invert(share, uniforms[:, None])
    inner = blocks.gather(1, block[:, :, None].expand(-1, 1, BLOCK)).squeeze(1).double()
    token, _ = _invert(inner, rest)
    return (block * BLOCK + token).squeeze(1)


def _invert(weights: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """The index whose share of the cumulative sum holds ``uniforms`` [rows, 1], and where in that share, in [0, 1]."""
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1:].contiguous()
    target = uniforms * total
    index = torch.searchsorted(cumulative, target, right=True)  # the first sum above the target: its weight is > 0
    last = torch.searchsorted(cumulative, total)  # the last weight > 0, should rounding carry a target to the total
    index = torch.minimum(index, last)
    weight = weights.gather(1, index)
    rest = (target - (cumulative.gather(1, index) - weight)) / weight
    return index, rest.clamp_(0.0, 1.0)


def plan(positions: np.ndarray, horizon: int, limit: int, overhead: float, grain: int = 4) -> list[Group]:
    """Cut rows, sorted from old to young, into groups so that the next ``horizon`` steps cost least.

    A group costs its rows times the length of its oldest row, plus ``overhead`` in the same unit (row positions) for
    starting its products.  The best cut at multiples of ``grain`` rows, by dynamic programming.

    ``positions`` [rows], falling; ``limit`` is the number of positions of the cache.
    """
    rows = len(positions)
    edges = np.append(np.arange(0, rows, grain), rows)
    lengths = np.minimum(positions[edges[:-1]] + horizon, limit)  # of a group that starts at that edge
    best = np.zeros(len(edges))
    cut = np.zeros(len(edges), dtype=int)
    for i in range(len(edges) - 2, -1, -1):
        cost = (edges[i + 1 :] - edges[i]) * float(lengths[i]) + overhead + best[i + 1 :]
        cut[i] = i + 1 + int(cost.argmin())
        best[i] = cost.min()
    groups, i = [], 0
    while i < len(edges) - 1:
        groups.append(Group(int(edges[i]), int(edges[cut[i]]), int(lengths[i])))
        i = cut[i]
    return groups


def regroup(positions: np.ndarray, groups: list[Group]) -> tuple[np.ndarray, np.ndarray]:
    """The fewest moves (source rows, target rows) that bring each row to the group that its age belongs to."""
    order = np.argsort(-positions, kind="stable")
    bounds = [group.stop for group in groups]
    belongs = np.empty(len(positions), dtype=int)
    belongs[order] = np.searchsorted(bounds, np.arange(len(positions)), side="right")
    stands = np.searchsorted(bounds, np.arange(len(positions)), side="right")
    source = np.flatnonzero(belongs != stands)
    return source[np.argsort(belongs[source], kind="stable")], source
