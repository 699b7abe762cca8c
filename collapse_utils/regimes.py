"""Regimes: which data iteration t trains on.  Pure functions of the iteration; nothing here reads
or writes.

A generation is stored in blocks, each as large as the real training set (n items).  Generation 0 is
the real data, one block.  Generation t is sampled by the model of iteration t, one block in every
regime except ``replace_multiple``, which needs t + 1 blocks because iteration t + 1 trains on (t +
1) n items from one model.  Block 0 of generation 1 is therefore the same in every regime, and a
chain never samples more than n items at once.

Names in the authors' own code: replace, concatenate, concatenate_subsample, replace_multiple.

Two more regimes have a parameter: ``fixed_real=0.25`` and ``redrawn_real=0.25`` train on n items of
which that share is real, always the same ones or others each time, and the rest is from the last
generation.
"""

from __future__ import annotations

import re
from numbers import Integral
from typing import NamedTuple

from .errors import InputError

REGIMES = ("replace", "accumulate", "accumulate_subsample", "replace_multiple")
SHARED = ("fixed_real=SHARE", "redrawn_real=SHARE")
_SHARE = re.compile(r"(?:fixed_real|redrawn_real)=(0|1|0\.\d*[1-9])")  # one spelling for each share


class Block(NamedTuple):
    """n items of one generation."""

    generation: int
    block: int


def share_of_real(regime: str) -> float | None:
    """The parameter of a regime that has one; else None."""
    match = _SHARE.fullmatch(str(regime))
    return float(match[1]) if match else None


def check(regime: str, shares: bool = False) -> str:
    """``regime``, or an InputError that lists the regimes; with ``shares``, those with a parameter too."""
    if regime not in REGIMES and not (shares and share_of_real(regime) is not None):
        raise InputError("regime", regime, "one of " + ", ".join((*REGIMES, *SHARED * shares)))
    return regime


def _check_iteration(iteration: int) -> None:
    if isinstance(iteration, bool) or not isinstance(iteration, Integral) or iteration < 1:
        raise InputError(
            "iteration", iteration, "an integer >= 1 (iteration 1 trains on real data alone)"
        )


def trains_on(regime: str, iteration: int) -> tuple[Block, ...]:
    """The blocks from which iteration t = 1, 2, ... draws its training set, oldest first."""
    check(regime, shares=True)
    _check_iteration(iteration)
    share, last = share_of_real(regime), iteration - 1
    if iteration == 1 or share == 1:
        return (Block(0, 0),)
    if regime == "replace" or share == 0:
        return (Block(last, 0),)
    if share is not None:
        return (Block(0, 0), Block(last, 0))
    if regime == "replace_multiple":
        return tuple(Block(last, block) for block in range(iteration))
    return tuple(Block(generation, 0) for generation in range(iteration))


def training_size(regime: str, iteration: int) -> int:
    """How many items iteration t trains on, in units of n; ``picks.py`` says which ones."""
    part = regime == "accumulate_subsample" or share_of_real(regime) is not None
    return 1 if part else len(trains_on(regime, iteration))


def blocks_sampled(regime: str, iteration: int) -> int:
    """How many blocks the model of iteration t samples for iteration t + 1 to train on."""
    return sum(block.generation == iteration for block in trains_on(regime, iteration + 1))


def parse(text: str) -> list[str]:
    """``all`` or regimes separated by commas."""
    names = list(REGIMES) if text == "all" else [name.strip() for name in text.split(",")]
    return [check(name, shares=True) for name in dict.fromkeys(names)]
