"""Which items of a source are held out, and which ones a chain trains on.

A section puts its items into an order that depends on their content alone, and then takes the
splits one after another.  The held-out splits are common to all seeds.  With ``draw=by_seed`` every
seed has training items of its own: seed s takes the s-th part of what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from .errors import InputError, data_error

Item = TypeVar("Item")


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
