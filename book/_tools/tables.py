"""Tables in Markdown, with a caption and a label for references."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

PLAIN = set(" .,:;=+-/()%_")  # characters without a meaning in Markdown, as letters and digits


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table; the columns named in ``right`` are aligned to the right."""
    rule = ["--:" if name in right else "---" for name in head]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def verbatim(text: str) -> str:
    """Text from data, configuration or results, escaped so that a page shows it unchanged."""
    return "".join(c if c.isalnum() or c in PLAIN else f"&#{ord(c)};" for c in text)


def all_verbatim(value: Any) -> Any:
    """A record from results with :func:`verbatim` for every text and every name in it."""
    if isinstance(value, dict):
        return {verbatim(str(name)): all_verbatim(part) for name, part in value.items()}
    if isinstance(value, list):
        return [all_verbatim(part) for part in value]
    return verbatim(value) if isinstance(value, str) else value


def captioned(table: str, caption: str, name: str) -> str:
    """The table with a number and a caption; ``{numref}`name``` refers to it."""
    return f":::{{table}} {caption}\n:name: {name}\n\n{table}:::\n"
