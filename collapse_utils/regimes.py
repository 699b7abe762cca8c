"""Regimes: which data iteration t trains on, as pure functions of the iteration.

A generation is stored in blocks, each as large as the real training set (n items).  Generation 0 is
the real data, one block.  Generation t is sampled by the model of iteration t, one block in every
regime except ``replace_multiple``, which needs t + 1 because iteration t + 1 trains on (t + 1) n
items from one model.  So block 0 of generation 1 is the same in every regime, and a chain never
samples more than n items at once.

Names in the authors' own code: replace, concatenate, concatenate_subsample, replace_multiple.
Two more regimes have a parameter, such as ``fixed_real=0.25``: see ``selection.py``.
"""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

from . import selection
from .errors import InputError

REGIMES = ("replace", "accumulate", "accumulate_subsample", "replace_multiple")


class Block(NamedTuple):
    """n items of one generation."""

    generation: int
    block: int


def check(regime: str, shares: bool = False) -> str:
    """``regime``, or an InputError that lists all; ``shares`` allows those with a parameter too."""
    if regime not in REGIMES and not (shares and selection.share_of_real(regime) is not None):
        names = ", ".join((*REGIMES, *selection.SHARED * shares))
        raise InputError("regime", regime, f"one of {names}")
    return regime


def trains_on(regime: str, iteration: int) -> tuple[Block, ...]:
    """The blocks from which iteration t = 1, 2, ... draws its training set, oldest first."""
    check(regime, shares=True)
    if isinstance(iteration, bool) or not isinstance(iteration, Integral) or iteration < 1:
        raise InputError("iteration", iteration, "an integer >= 1 (1 trains on real data alone)")
    share, last = selection.share_of_real(regime), iteration - 1
    if last == 0 or share == 1:
        return (Block(0, 0),)
    if regime == "replace" or share == 0:
        return (Block(last, 0),)
    if share is not None:
        return (Block(0, 0), Block(last, 0))
    if regime == "replace_multiple":
        return tuple(Block(last, block) for block in range(iteration))
    return tuple(Block(generation, 0) for generation in range(iteration))


def training_size(regime: str, iteration: int) -> int:
    """How many items iteration t trains on, in units of n; ``selection.rows`` chooses them."""
    return 1 if selection.draws_subset(regime) else len(trains_on(regime, iteration))


def blocks_sampled(regime: str, iteration: int) -> int:
    """How many blocks the model of iteration t samples for iteration t + 1 to train on."""
    return sum(block.generation == iteration for block in trains_on(regime, iteration + 1))


def parse(text: str) -> list[str]:
    """``all`` or regimes separated by commas."""
    names = list(REGIMES) if text == "all" else [name.strip() for name in text.split(",")]
    return [check(name, shares=True) for name in dict.fromkeys(names)]
