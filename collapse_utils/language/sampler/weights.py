"""The weights of a ``transformers`` model, laid out for the sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Affine(NamedTuple):
    """x -> x @ matrix + bias; matrix [inputs, outputs].  Llama has no biases."""

    matrix: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.matrix if self.bias is None else torch.addmm(self.bias, x, self.matrix)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + self(x), possibly in the memory of ``residual``."""
        residual.addmm_(x, self.matrix)
        return residual if self.bias is None else residual.add_(self.bias)


class Packed:
    """:class:`Affine` in float32 on a CPU, its matrix in oneDNN's layout for about ``rows`` rows.

    ``torch.compile`` emits these operators for a frozen model on a CPU.  They are not public, so
    :func:`packed` falls back to :class:`Affine` where they are missing.
    """

    def __init__(self, affine: Affine, rows: int):
        self.matrix = torch.ops.mkldnn._reorder_linear_weight(affine.matrix.t().contiguous(), rows)
        self.bias = affine.bias

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.default(x, self.matrix, self.bias, "none", [], "")

    def gelu(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.default(
            x, self.matrix, self.bias, "gelu", [], "tanh"
        )

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + self(x)."""
        return torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.matrix, self.bias, "add")


class Layer(NamedTuple):
    """One transformer layer; a norm is gain and bias, or None if the next matrix contains it."""

    norm: Affine | None
    qkv: Affine | Packed
    out: Affine | Packed
    ffn_norm: Affine | None
    up: Affine | Packed  # Llama: gate and up side by side
    down: Affine | Packed


@dataclass(frozen=True)
class Weights:
    """A model as :class:`Decoder` needs it; unchanged matrices share the model's memory."""

    llama: bool
    heads: int
    hidden: int
    features: int  # of a head
    epsilon: float
    embedding: Tensor  # [vocabulary, hidden]
    # GPT-2: learned positions [positions, hidden]
    # Llama: angles [positions, features / 2] as cos + i sin
    positions: Tensor
    layers: list[Layer]
    norm: Affine | None
    head: Affine | Packed


def weights_of(
    model: torch.nn.Module, max_length: int, dtype: torch.dtype | None = None
) -> Weights:
    """The weights of a GPT-2 or Llama model in ``dtype`` (None: the model's own).

    A Llama gets the rotations of ``max_length`` positions.

    Raises ValueError for a variant that is not the original (grouped heads, another activation,
    scaled positions).
    """
    config = model.config
    known = {"gpt2": _gpt2_weights, "llama": _llama_weights}
    if config.model_type not in known:
        raise ValueError(f"the sampler knows GPT-2 and Llama, not {config.model_type}")
    with torch.no_grad():
        return known[config.model_type](model, max_length, dtype or model.dtype)


def packed(weights: Weights, rows: int) -> Weights:
    """``weights`` packed for products of ``rows`` rows, if torch and the processor support it."""
    first = weights.layers[0]
    x = torch.linspace(-1, 1, rows * weights.hidden).view(rows, -1)
    try:
        probe = Packed(first.out, rows).add_to(x, x)
        Packed(first.up, rows).gelu(x)
    except (AttributeError, RuntimeError, NotImplementedError):
        return weights
    assert torch.allclose(probe, first.out.add_to(x.clone(), x), atol=1e-3), (
        "oneDNN's packed product differs from torch's product"
    )
    matrices = ("qkv", "out", "up", "down")
    layers = [
        layer._replace(**{name: Packed(getattr(layer, name), rows) for name in matrices})
        for layer in weights.layers
    ]
    return replace(weights, layers=layers, head=Packed(weights.head, rows))


def _gpt2_weights(model: torch.nn.Module, max_length: int, dtype: torch.dtype) -> Weights:
    config, body = model.config, model.transformer
    if (
        config.activation_function != "gelu_new"
        or not config.scale_attn_weights
        or config.scale_attn_by_inverse_layer_idx
    ):
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
        positions=body.wpe.weight.detach().to(dtype),
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


def _llama_weights(model: torch.nn.Module, max_length: int, dtype: torch.dtype) -> Weights:
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
        return Affine(
            (torch.cat([weight.double() for weight in weights]) * norm.weight).to(dtype).t()
        )

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
    angle = (
        torch.arange(max_length, dtype=torch.float64, device=frequency.device)[:, None] * frequency
    )
    return Weights(
        llama=True,
        heads=heads,
        hidden=hidden,
        features=features,
        epsilon=config.rms_norm_eps,
        embedding=body.embed_tokens.weight.detach().to(dtype),
        positions=torch.polar(torch.ones_like(angle), angle).to(torch.complex64),
        layers=[layer(block) for block in body.layers],
        norm=None,
        head=folded(body.norm, model.lm_head.weight),
    )
