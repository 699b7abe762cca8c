"""Sample a synthetic data set of stories: every story of its natural length, no row of the batch idle.

``generate`` of ``transformers`` runs a batch until its longest story has ended.  Here a row whose story has ended takes
the next story at once, and when none is left to start the batch shrinks.  Which stories come out does not depend on any
of this: story i is the i-th that is started and draws from a stream of its own, a function of (seed, i), and the result
holds the first ``count`` stories in that order, all finished.  (To return the first ``count`` that FINISH would favour
short ones.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..allocator import keep_memory
from ..errors import InputError
from .decoding import Decoder, Group, draw, plan, regroup

HORIZON = 16  # steps between two looks at how the rows are grouped
OVERHEAD = 32_000  # cost of one more group, in row positions x hidden features (measured: about 12 us a layer)

Stories = tuple[np.ndarray, np.ndarray]


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
    progress: Callable[[int], object] | None = None,
) -> Stories:
    """Sample ``count`` stories from a GPT-2 or Llama of ``transformers``.

    Each starts with ``bos`` and ends with ``eos``, or without it at ``max_length`` tokens.  The next token follows
    softmax(logits / temperature) over the whole vocabulary.

    Parameters
    ----------
    model : on the CPU in float32, or on a GPU; dropout is never applied, and the model is left as it is.
    max_length : tokens of a story at most, BOS and EOS counted.
    seed, first : story i of the result is story ``first + i`` of the stream of stories that ``seed`` names, so a data
        set may be sampled in pieces.  The same on every machine up to the rounding of float32 in the logits, which can
        change a token once in about a million; the same to the last bit at one batch, number of threads and version.
    batch : rows at work at once.
    progress : called with the number of stories just finished.

    Returns
    -------
    values, offsets : all tokens in one array (uint16, or uint32 for a vocabulary above 65,536) and the int64 edges:
        story i is ``values[offsets[i]:offsets[i + 1]]``.

    Raises
    ------
    InputError : count, max_length, temperature, bos, eos, batch or first out of range.
    """
    config = model.config
    _check(config, count, temperature, max_length, bos, eos, first, batch)
    keep_memory()
    dtype = np.uint16 if config.vocab_size <= 2**16 else np.uint32
    stories = np.empty(count, dtype=object)

    def finish(story: int, tokens: np.ndarray) -> None:
        stories[story] = tokens.astype(dtype)
        if progress is not None:
            progress(1)

    with torch.inference_mode():
        decoder = Decoder(model, min(batch, count), max_length - 1)
        _run(decoder, range(count), first, seed, temperature, bos, eos, finish)
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum([len(story) for story in stories], out=offsets[1:])
    return np.concatenate(stories), offsets


def uniforms(seed: int, story: int, size: int) -> np.ndarray:
    """The ``size`` uniform numbers in [0, 1) that story ``story`` of ``seed`` draws its tokens with."""
    # Philox is a function of key and counter: one story moves the counter's highest word, its own numbers the lowest.
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, story])).random(size)


def _check(config, count, temperature, max_length, bos, eos, first, batch) -> None:
    for field, value, least in (("count", count, 1), ("first", first, 0), ("batch", batch, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(field, value, f"an integer >= {least}")
    if isinstance(temperature, bool) or not (np.isfinite(temperature) and temperature > 0):
        raise InputError("temperature", temperature, "a finite number > 0")
    longest = config.max_position_embeddings
    if not 2 <= max_length <= longest:
        raise InputError("max_length", max_length, f"2 to {longest}, the positions of the model")
    for field, token in (("bos", bos), ("eos", eos)):
        if not 0 <= token < config.vocab_size:
            raise InputError(field, token, f"a token of the vocabulary, 0 to {config.vocab_size - 1}")


def _run(decoder: Decoder, todo, first: int, seed: int, temperature: float, bos: int, eos: int, finish) -> None:
    """Sample the stories ``todo`` on the CPU, handing each to ``finish(story, tokens)``."""
    rows, limit = decoder.rows, decoder.positions
    todo = iter(todo)
    story = np.full(rows, -1)  # -1: the row is idle
    # Torch and numpy views of the same memory: torch computes, numpy keeps the books.
    tokens, positions = torch.full((rows,), bos), torch.zeros(rows, dtype=torch.int64)
    token, position = tokens.numpy(), positions.numpy()
    history = np.zeros((rows, limit + 1), dtype=np.int32)
    chances = torch.zeros(rows, limit, dtype=torch.float64)
    index = np.arange(rows)

    def start(row: int) -> None:
        story[row] = next(todo, -1)
        token[row], position[row] = bos, 0
        history[row, 0] = bos
        if story[row] >= 0:
            chances[row] = torch.from_numpy(uniforms(seed, first + int(story[row]), limit))

    for row in range(rows):
        start(row)
    n, clock = rows, 0
    while n:
        if clock % HORIZON == 0:
            n = _rearrange(decoder, n, story, token, position, history, chances)
            if n == 0:
                break
        clock += 1
        logits = decoder.step(tokens[:n], positions[:n])
        chance = chances[:n].gather(1, positions[:n, None]).squeeze(1)
        tokens[:n] = draw(logits, chance, temperature)
        position[:n] += 1
        history[index[:n], position[:n]] = token[:n]
        ended = np.flatnonzero((token[:n] == eos) | (position[:n] == limit))
        if len(ended):
            decoder.clear(torch.from_numpy(ended))
            for row in ended:
                if story[row] >= 0:
                    finish(story[row], history[row, : position[row] + 1])
                start(row)


def _rearrange(decoder: Decoder, n: int, story, token, position, history, chances) -> int:
    """Bring rows of similar age together, drop idle ones at the end, and set the decoder's groups; returns the rows."""
    age = np.where(story[:n] >= 0, position[:n], -1)
    active = int((age >= 0).sum())
    if active == 0:
        return 0
    order = -np.sort(-age)[:active]
    groups = plan(order, HORIZON, decoder.positions, OVERHEAD / decoder.hidden)
    source, target = regroup(age, [*groups, Group(active, n, 0)])
    if len(source):
        length = int(position[source].max()) + 1
        decoder.move(torch.from_numpy(source), torch.from_numpy(target), min(length, decoder.positions))
        for state in (story, token, position, history, chances):
            state[target] = state[source]
    decoder.arrange(groups)
    return active
