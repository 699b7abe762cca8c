"""Which items are held out, which ones a seed trains on, and which of them iteration t uses.

A section puts its items into an order that depends on their content alone, and then takes the
splits one after another.  The held-out splits are common to all seeds.  With ``draw=by_seed`` every
seed has training items of its own: seed s takes the s-th part of what is left.

Iteration t trains on all items of its blocks, or on n of them.  ``accumulate_subsample`` draws n
items uniformly, without replacement.  ``fixed_real=0.25`` and ``redrawn_real=0.25`` train on n
items of which that share is real and the rest are from the last generation; the real items are
always the same, or are drawn anew in each iteration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from .errors import InputError, data_error

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")

SHARED = ("fixed_real=SHARE", "redrawn_real=SHARE")
_SHARE = re.compile(r"(?:fixed_real|redrawn_real)=(0|1|0\.\d*[1-9])")  # one spelling per share


def part_of(items: Sequence[Item], size: int, part: int, *, field: str, has: str) -> Sequence[Item]:
    """The part 0, 1, ... of ``items``, each of ``size``; InputError for a seed without one.

    ``field`` is the configuration's name of ``size``; ``has`` says in words how many items there
    are.
    """
    seeds = len(items) // size
    if part >= seeds:
        raise InputError("seed", part, f"below {seeds} with draw=by_seed and {field}={size}: {has}")
    return items[part * size : (part + 1) * size]


def split(
    items: Sequence[Item],
    held_out: Mapping[str, int],
    *,
    size: int,
    part: int,
    least: int,
    field: str,
    source: str,
    kind: str,
) -> dict[str, Sequence[Item]]:
    """The splits by name: those ``held_out``, in their order and with their sizes, then ``train``.

    Parameters
    ----------
    size : training items; 0 takes all that are not held out.
    part : which part of ``size`` items is for training: the seed, or 0 where all seeds share one.
    least : training items that one step needs.
    field : the configuration's name of ``size``.
    source, kind : the name of the source, and what its items are, for messages.

    Raises
    ------
    InputError : too few items; names the source, ``field``, or the seed that has no items left.
    """
    first = sum(held_out.values())
    most = len(items) - first
    if most < least:
        raise data_error(
            source,
            f"a source of {first + (size or least):,} {kind} or more, as the preset requires, "
            f"{first:,} of them held out; {source} has {len(items):,}",
        )
    has = f"{source} has {len(items)} {kind}, {first} of them held out"
    if most < size:
        raise InputError(field, size, f"at most {most}: {has}")
    splits, start = {}, 0
    for name, count in held_out.items():
        splits[name] = items[start : start + count]
        start += count
    rest = items[first:]
    splits["train"] = part_of(rest, size, part, field=field, has=has) if size else rest
    return splits


def share_of_real(regime: str) -> float | None:
    """The share of real data in the name of a regime; None if it has none."""
    match = _SHARE.fullmatch(str(regime))
    return float(match[1]) if match else None


def draws_subset(regime: str) -> bool:
    """Whether a regime trains on n items, however many blocks there are."""
    return regime == "accumulate_subsample" or share_of_real(regime) is not None


def rows(regime: str, iteration: int, blocks: int, n: int, seed: int) -> np.ndarray | None:
    """Indices of the items that iteration t uses of its ``blocks``, of n items each; None for all.

    A regime with a share has the real block first.  The items of a synthetic block have no order,
    so it uses the first ones.  ``seed`` is that of the chain.
    """
    if blocks == 1 or not draws_subset(regime):
        return None
    import numpy as np  # here, so that listing the regimes on the command line stays fast

    from . import seeds

    share = share_of_real(regime)
    if share is None:
        rng = seeds.generator(seed, "iteration", iteration, "subsample")
        return np.sort(rng.choice(blocks * n, n, replace=False))
    when = () if regime.startswith("fixed_real") else ("iteration", iteration)
    rng = seeds.generator(seed, *when, "real items")
    real = np.sort(rng.permutation(n)[: round(share * n)])
    return np.concatenate([real, n + np.arange(n - len(real))])
