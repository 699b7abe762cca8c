"""Sample a set of stories, on a CPU or a GPU."""

from __future__ import annotations

import numpy as np
import torch

from ...errors import InputError, check_integer
from ...training.allocator import keep_memory
from . import cpu
from .request import Collector, Request, Stories
from .weights import packed, weights_of


def sample_stories(
    model: torch.nn.Module,
    count: int,
    *,
    temperature: float = 1.0,
    max_length: int,
    bos: int,
    eos: int,
    seed: int,
    first: int = 0,
    batch: int = 64,
) -> Stories:
    """Sample ``count`` stories from a GPT-2 or Llama of ``transformers``.

    Each story starts with ``bos`` and ends with ``eos``, or without it at ``max_length`` tokens.
    The next token is drawn from softmax(logits / temperature) over the whole vocabulary.

    Parameters
    ----------
    model : on the CPU (sampled in float32) or on a GPU (in half precision, see ``gpu.py``); dropout
        is never applied, and the model is not changed.
    max_length : largest number of tokens of a story, with BOS and EOS.
    seed, first : story i of the result is story ``first + i`` of the stories of ``seed``, so a
        data set may be sampled in pieces.  Another machine gives the same stories up to the
        rounding of float32 in the logits, which can change about one token in a million.  With the
        same batch, number of threads and library versions, stories are equal to the last bit.
    batch : stories sampled side by side.

    Returns
    -------
    values, offsets : all tokens in one array (uint16, or uint32 for a vocabulary above 65,536)
        and the int64 edges: story i is ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    InputError : count, first, batch, temperature, max_length, bos or eos out of range.
    """
    request = Request(count, temperature, max_length, bos, eos, seed, first)
    _check(request, batch, model.config)
    keep_memory()
    collector = Collector(count, model.config.vocab_size)
    with torch.inference_mode():
        if model.device.type == "cpu":
            weights = weights_of(model, max_length, torch.float32)
            weights = packed(weights, min(batch, count))
            cpu.run(weights, request, min(batch, count), collector)
        else:
            from .gpu import run  # capture and replay of CUDA graphs: only where there is a GPU

            run(model, request, min(batch, count), collector)
    return collector.result()


def _check(request: Request, batch: int, config: object) -> None:
    counts = (("count", request.count, 1), ("first", request.first, 0), ("batch", batch, 1))
    for field, value, least in counts:
        check_integer(field, value, least)
    if not (np.isfinite(request.temperature) and request.temperature > 0):
        raise InputError("temperature", request.temperature, "a finite number > 0")
    if not 2 <= request.max_length <= config.max_position_embeddings:
        longest = config.max_position_embeddings
        raise InputError(
            "max_length", request.max_length, f"2 to {longest}, the positions of the model"
        )
    for field, token in (("bos", request.bos), ("eos", request.eos)):
        if not 0 <= token < config.vocab_size:
            raise InputError(
                field, token, f"a token of the vocabulary, 0 to {config.vocab_size - 1}"
            )
