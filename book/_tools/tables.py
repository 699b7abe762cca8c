"""Tables in Markdown, with the caption and the label that a page refers to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table; the columns named in ``right`` are aligned to the right."""
    rule = ["--:" if name in right else "---" for name in head]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def captioned(table: str, caption: str, name: str) -> str:
    """The table with a number and a caption; ``{numref}`name``` refers to it."""
    return f":::{{table}} {caption}\n:name: {name}\n\n{table}:::\n"
