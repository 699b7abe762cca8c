"""One token at a time for many stories: the model's own weights in plain batched products.

:func:`weights_of` takes the weights from a GPT-2 or Llama of ``transformers`` and :class:`Decoder` runs one step for
stories that stand at different positions.  Its logits equal the model's up to the rounding of float32.  The three
projections of attention are one product, as are Llama's two of the feed-forward layer; the scale of attention and
RMSNorm's gains are multiplied into the matrices that follow.  Llama's rotary pairs (i, i + d/2) are brought side by side
by permuting the columns of the query and key matrices alike, which leaves their inner product as it is and makes the
rotation one complex multiplication.

On a CPU the matrices are packed once for oneDNN (:class:`Packed`), whose products of 32 to 128 rows then run 25 to 40%
faster than MKL's, which packs its operands anew in each call; bias, GELU and residual sum happen inside the product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .caches import PaddedCache, RaggedCache

BLOCK = 64  # tokens in a block of the two-level draw


class Affine(NamedTuple):
    """x -> x @ matrix + offset; matrix [inputs, outputs].  Llama has no offsets."""

    matrix: Tensor
    offset: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.matrix if self.offset is None else torch.addmm(self.offset, x, self.matrix)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + self(x); may overwrite ``residual``."""
        residual.addmm_(x, self.matrix)
        return residual if self.offset is None else residual.add_(self.offset)


class Packed:
    """The same with the matrix in oneDNN's own layout, for products of about ``rows`` rows; a CPU's float32 only.

    These operators are what ``torch.compile`` emits for a frozen model on a CPU.  They are not public, so
    :func:`packed` falls back to :class:`Affine` where they are missing.
    """

    def __init__(self, affine: Affine, rows: int):
        self.matrix = torch.ops.mkldnn._reorder_linear_weight(affine.matrix.t().contiguous(), rows)
        self.offset = affine.offset

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.default(x, self.matrix, self.offset, "none", [], "")

    def gelu(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.default(x, self.matrix, self.offset, "gelu", [], "tanh")

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + self(x)."""
        return torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.matrix, self.offset, "add")


class Layer(NamedTuple):
    """One transformer layer; the norms are LayerNorm's gain and offset, and None where folded into what follows."""

    norm: Affine | None
    qkv: Affine | Packed
    out: Affine | Packed
    ffn_norm: Affine | None
    up: Affine | Packed  # Llama: gate and up side by side
    down: Affine | Packed


@dataclass(frozen=True)
class Weights:
    """A model as :class:`Decoder` wants it; matrices that need no change share the model's memory."""

    llama: bool
    heads: int
    hidden: int
    features: int  # of a head
    epsilon: float
    embedding: Tensor  # [vocabulary, hidden]
    places: Tensor  # GPT-2: learned positions [positions, hidden]; Llama: angles [positions, features / 2] as cos + i sin
    layers: list[Layer]
    norm: Affine | None
    head: Affine | Packed


def weights_of(model: torch.nn.Module, positions: int, dtype: torch.dtype | None = None) -> Weights:
    """The weights of a ``GPT2LMHeadModel`` or ``LlamaForCausalLM``, in ``dtype`` (None: the model's own).

    Raises ValueError for a variant that is not the original (grouped heads, another activation, scaled positions).
    """
    config = model.config
    known = {"gpt2": _gpt2_weights, "llama": _llama_weights}
    if config.model_type not in known:
        raise ValueError(f"the sampler knows GPT-2 and Llama, not {config.model_type}")
    with torch.no_grad():
        return known[config.model_type](model, positions, dtype or model.dtype)


def packed(weights: Weights, rows: int) -> Weights:
    """``weights`` packed for products of ``rows`` rows, where this build of torch and this processor can."""
    first = weights.layers[0]
    x = torch.linspace(-1, 1, rows * weights.hidden).view(rows, -1)
    try:
        probe = Packed(first.out, rows).onto(x, x)
        Packed(first.up, rows).gelu(x)
    except (AttributeError, RuntimeError, NotImplementedError):
        return weights
    assert torch.allclose(probe, first.out.onto(x.clone(), x), atol=1e-3), "oneDNN's product is not the product"
    matrices = ("qkv", "out", "up", "down")
    layers = [layer._replace(**{name: Packed(getattr(layer, name), rows) for name in matrices}) for layer in weights.layers]
    return replace(weights, layers=layers, head=Packed(weights.head, rows))


def _gpt2_weights(model: torch.nn.Module, positions: int, dtype: torch.dtype) -> Weights:
    config, body = model.config, model.transformer
    if config.activation_function != "gelu_new" or not config.scale_attn_weights or config.scale_attn_by_inverse_layer_idx:
        raise ValueError("GPT-2 with another activation or attention scale than the original")
    hidden, heads = config.n_embd, config.n_head
    scale = torch.ones(3 * hidden, dtype=torch.float64, device=model.device)
    scale[:hidden] = (hidden // heads) ** -0.5

    def affine(module: torch.nn.Module) -> Affine:  # Conv1D is [inputs, outputs] already
        return Affine(module.weight.detach().to(dtype), module.bias.detach().to(dtype))

    def scaled(module: torch.nn.Module) -> Affine:
        return Affine((module.weight * scale).to(dtype), (module.bias * scale).to(dtype))

    return Weights(
        llama=False,
        heads=heads,
        hidden=hidden,
        features=hidden // heads,
        epsilon=config.layer_norm_epsilon,
        embedding=body.wte.weight.detach().to(dtype),
        places=body.wpe.weight.detach().to(dtype),
        layers=[
            Layer(
                norm=affine(block.ln_1),
                qkv=scaled(block.attn.c_attn),
                out=affine(block.attn.c_proj),
                ffn_norm=affine(block.ln_2),
                up=affine(block.mlp.c_fc),
                down=affine(block.mlp.c_proj),
            )
            for block in body.h
        ],
        norm=affine(body.ln_f),
        head=Affine(model.lm_head.weight.detach().to(dtype).t()),
    )


def _llama_weights(model: torch.nn.Module, positions: int, dtype: torch.dtype) -> Weights:
    config, body = model.config, model.model
    if (
        config.num_key_value_heads != config.num_attention_heads
        or config.hidden_act != "silu"
        or config.attention_bias
        or config.mlp_bias
        or body.rotary_emb.attention_scaling != 1.0
    ):
        raise ValueError("Llama with grouped heads, biases, another activation or scaled positions")
    hidden, heads = config.hidden_size, config.num_attention_heads
    features = hidden // heads

    def pairwise(weight: Tensor) -> Tensor:  # feature i and i + d/2 of each head become neighbours
        return weight.view(heads, 2, features // 2, hidden).transpose(1, 2).reshape(hidden, hidden)

    def folded(norm: torch.nn.Module, *weights: Tensor) -> Affine:
        return Affine((torch.cat([weight.double() for weight in weights]) * norm.weight).to(dtype).t())

    def plain(module: torch.nn.Module) -> Affine:
        return Affine(module.weight.detach().to(dtype).t())

    def layer(block: torch.nn.Module) -> Layer:
        attention, mlp = block.self_attn, block.mlp
        queries = pairwise(attention.q_proj.weight.double() * features**-0.5)
        keys = pairwise(attention.k_proj.weight)
        return Layer(
            norm=None,
            qkv=folded(block.input_layernorm, queries, keys, attention.v_proj.weight),
            out=plain(attention.o_proj),
            ffn_norm=None,
            up=folded(block.post_attention_layernorm, mlp.gate_proj.weight, mlp.up_proj.weight),
            down=plain(mlp.down_proj),
        )

    frequency = body.rotary_emb.inv_freq.double()
    angle = torch.arange(positions, dtype=torch.float64, device=frequency.device)[:, None] * frequency
    return Weights(
        llama=True,
        heads=heads,
        hidden=hidden,
        features=features,
        epsilon=config.rms_norm_eps,
        embedding=body.embed_tokens.weight.detach().to(dtype),
        places=torch.polar(torch.ones_like(angle), angle).to(torch.complex64),
        layers=[layer(block) for block in body.layers],
        norm=None,
        head=folded(body.norm, model.lm_head.weight),
    )


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
            mixed = self.cache.attend(number, *(self._rotate(qkv, places) if w.llama else self._split(qkv)))
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
        return qkv.view(n, 3, w.heads, w.features).transpose(0, 1).reshape(3, n * w.heads, w.features)

    def _rotate(self, qkv: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, queries and keys turned by their positions."""
        w, n = self.weights, len(qkv)
        pairs = torch.view_as_complex(qkv.float().view(n, 3, w.heads, w.features // 2, 2))[:, :2].transpose(0, 1)
        turned = torch.mul(pairs, angles, out=self._turned[:, :n])  # out: the transposed order becomes that in memory
        turned = torch.view_as_real(turned).view(2, n * w.heads, w.features).to(qkv.dtype)
        return turned[0], turned[1], qkv[:, 2 * w.hidden :].reshape(n * w.heads, w.features)


def draw(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """One token a row from softmax(logits / temperature), by inverting its cumulative distribution.

    ``logits`` [n, vocabulary], ``uniforms`` [n] float64 in [0, 1).  First a block of 64 tokens is found, then the token
    in it.  Both cumulative sums are float64, so that the only error is that of the float32 probabilities (a relative
    1e-7 or so).  A token of probability 0 is never drawn.
    """
    logits = logits.float()
    if temperature != 1.0:  # the largest is taken off first: at the lowest temperatures the quotient would overflow
        logits = (logits - logits.amax(-1, keepdim=True)) / temperature
    probabilities = torch.softmax(logits, -1)
    surplus = -probabilities.shape[1] % BLOCK
    if surplus:
        probabilities = F.pad(probabilities, (0, surplus))
    blocks = probabilities.unflatten(1, (-1, BLOCK))
    block, rest = _invert(blocks.sum(-1).double(), uniforms[:, None])
    inside = blocks.gather(1, block[:, :, None].expand(-1, 1, BLOCK)).squeeze(1).double()
    token, _ = _invert(inside, rest)
    return (block * BLOCK + token).squeeze(1)


def _invert(weights: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """The index whose share of the cumulative sum holds ``uniforms`` [n, 1], and where in that share, in [0, 1]."""
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1:].contiguous()
    target = uniforms * total
    index = torch.searchsorted(cumulative, target, right=True)  # the first sum above the target: its weight is > 0
    last = torch.searchsorted(cumulative, total)  # the last weight > 0, should rounding carry the target to the total
    index = torch.minimum(index, last)
    weight = weights.gather(1, index)
    rest = (target - (cumulative.gather(1, index) - weight)) / weight
    return index, rest.clamp_(0.0, 1.0)


def uniforms(seed: int, story: int, size: int) -> np.ndarray:
    """The ``size`` uniform numbers in [0, 1) that story ``story`` of ``seed`` draws its tokens with."""
    # Philox is a function of key and counter: the story moves the counter's highest word, its own numbers the lowest.
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, story])).random(size)
