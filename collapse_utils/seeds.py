"""Random streams: all are derived from the one seed of a chain, each by the name of its purpose.

For example, ``derive(seed, "iteration", 3, "fit")``.  Two purposes never share a stream, and a new
purpose does not change the others.
"""

from __future__ import annotations

import hashlib

import numpy as np

from .errors import InputError, check_integer, integer

MAX_SEEDS = 10_000  # seeds in one range of a sweep


def sequence(seed: int, *purpose: str | int) -> np.random.SeedSequence:
    """The :class:`numpy.random.SeedSequence` of ``seed`` for a purpose (strings and integers).

    InputError for a seed that is not an integer >= 0.
    """
    check_integer("seed", seed, 0)
    # Python's own hash() differs between sessions; this key is the same on every machine.
    words = "/".join(f"{type(part).__name__}:{part}" for part in purpose).encode()
    key = np.frombuffer(hashlib.sha256(words).digest(), dtype="<u4")
    return np.random.SeedSequence(int(seed), spawn_key=tuple(int(word) for word in key))


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit integer seed for ``purpose``, such as a section's ``fit`` and ``sample`` receive."""
    return int(sequence(seed, *purpose).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for ``purpose``."""
    return np.random.default_rng(sequence(seed, *purpose))


def parse(text: str) -> list[int]:
    """``0-4`` or ``0,3,7`` or a mixture, as a list; InputError for anything else."""
    allowed = (
        f"at most {MAX_SEEDS:,} integers >= 0 and ranges with two ends, such as 0-4 or 0,2,5-7"
    )
    numbers: set[int] = set()
    try:
        for part in text.split(","):
            low, dash, high = part.strip().partition("-")
            first = integer("--seeds", low, 0)
            last = integer("--seeds", high, first) if dash else first
            if last - first >= MAX_SEEDS:
                raise InputError("--seeds", text, allowed)
            numbers.update(range(first, last + 1))
    except InputError:
        raise InputError("--seeds", text, allowed) from None
    return sorted(numbers)
