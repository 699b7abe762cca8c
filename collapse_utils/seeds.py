"""Every random number of a chain comes from one integer, by name.

A chain has one seed.  Whatever needs randomness asks for it by the names of its purpose, for example
``derive(seed, "iteration", 3, "fit")``.  Two purposes never share a stream, and adding a purpose never moves another.
"""

from __future__ import annotations

import hashlib

import numpy as np

from .errors import InputError


def sequence(seed: int, *purpose: str | int) -> np.random.SeedSequence:
    """The :class:`numpy.random.SeedSequence` of ``seed`` for a purpose, spelled as strings and integers."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError("seed", seed, "an integer >= 0")
    # The key is a hash of the words, not of Python objects: the same on every machine and in every session.
    words = "/".join(f"{type(part).__name__}:{part}" for part in purpose).encode()
    key = np.frombuffer(hashlib.sha256(words).digest(), dtype="<u4")
    return np.random.SeedSequence(int(seed), spawn_key=tuple(int(word) for word in key))


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit integer seed for ``purpose``: what a section's ``fit`` and ``sample`` receive."""
    return int(sequence(seed, *purpose).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator for ``purpose``."""
    return np.random.default_rng(sequence(seed, *purpose))
