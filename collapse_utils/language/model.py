"""The language models: GPT-2 and Llama of ``transformers``, built from a shape and a seed.

``PAPER_SIZES`` holds the four models of section 2.1.  The paper's run names give the exact numbers
of parameters, and these shapes have exactly as many.  The number of heads does not change the
number of parameters, and the paper does not report it; our choice is 64 features for each head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from ..errors import InputError, one_of

ARCHITECTURES = ("gpt2", "llama")


@dataclass(frozen=True)
class Size:
    """A shape of section 2.1 and the number of parameters it must have."""

    architecture: str
    layers: int
    hidden: int
    heads: int
    ffn: int
    parameters: int
    vocabulary: int = 8000
    # GPT-2's learned positions, in its count; Llama's rotary positions have no parameters
    max_length: int = 2048

    def shape(self) -> dict[str, int]:
        """The keyword arguments of :func:`build`."""
        names = ("layers", "hidden", "heads", "ffn", "vocabulary", "max_length")
        return {name: getattr(self, name) for name in names}


PAPER_SIZES = {
    "gpt2-9m": Size("gpt2", layers=8, hidden=256, heads=4, ffn=1024, parameters=8_890_880),
    "llama-12m": Size("llama", layers=8, hidden=256, heads=4, ffn=1024, parameters=12_488_960),
    "llama-42m": Size("llama", layers=8, hidden=512, heads=8, ffn=2048, parameters=41_755_136),
    "llama-126m": Size("llama", layers=12, hidden=768, heads=12, ffn=3072, parameters=125_553_408),
}


def build(
    architecture: str,
    *,
    layers: int,
    hidden: int,
    heads: int,
    ffn: int,
    vocabulary: int,
    max_length: int,
    dropout: float = 0.0,
    seed: int,
) -> PreTrainedModel:
    """A freshly initialised model in float32 on the CPU, in training mode.

    The weights depend on the arguments alone, and the state of torch's global generator is
    restored.

    Parameters
    ----------
    architecture : ``gpt2`` (learned positions, LayerNorm, GELU, tied embeddings) or ``llama``
        (rotary positions, RMSNorm, SwiGLU, an output matrix of its own).
    layers, hidden, heads, ffn : depth, width, attention heads, width of the feed-forward layer.
    vocabulary, max_length : number of tokens, and the longest sequence with its BOS and EOS.
    dropout : everywhere that the architecture has it (Llama: on attention weights only).
    seed : any integer in [0, 2**64).

    Raises
    ------
    InputError : an unknown architecture, heads that do not divide hidden, an odd number of
        features in a Llama head.
    """
    one_of("architecture", architecture, ARCHITECTURES)
    if hidden % heads:
        raise InputError("heads", heads, f"a divisor of hidden = {hidden}")
    if architecture == "llama" and (hidden // heads) % 2:
        raise InputError(
            "heads",
            heads,
            f"an even number of features a head (hidden = {hidden}), for rotary positions",
        )
    shape = {
        "vocab_size": vocabulary,
        "max_position_embeddings": max_length,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        # The tokeniser has the special tokens; the defaults are outside a small vocabulary.
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),
    }
    if architecture == "gpt2":
        dropouts = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), dropout)
        kind, config = GPT2LMHeadModel, GPT2Config(**shape, **dropouts, n_inner=ffn)
    else:
        kind = LlamaForCausalLM
        config = LlamaConfig(
            **shape,
            intermediate_size=ffn,
            num_key_value_heads=heads,
            attention_dropout=dropout,
            tie_word_embeddings=False,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(config).train()


def parameters(model: torch.nn.Module) -> int:
    """Number of parameters, a tied matrix counted once."""
    return sum(weight.numel() for weight in model.parameters())
