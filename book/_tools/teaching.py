"""The lists of the lecturer's page: the numbered figures and the exercises of every page.

Both are found in the sources of the pages, so that the lists are always complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from collapse_utils.sweeps.execute import read_notebook

from . import lecture
from .contents import pages

NO_FIGURES = "No figure has a number yet.\n"
NO_EXERCISES = "No page has exercises yet.\n"
DIRECTIVE = re.compile(r"^(?:`{3,}|:{3,})\{(figure|exercise)\}[ \t]*(.*)\n((?:[ \t]*:.*\n)*)", re.M)


@dataclass(frozen=True)
class Item:
    """A figure or an exercise: its label, and the text beside the link."""

    label: str
    text: str


def _source(root: Path, page: str) -> tuple[str, list[dict]]:
    """The MyST text of a page, and the metadata of its cells if it is a notebook."""
    notebook, text = root / f"{page}.ipynb", root / f"{page}.md"
    if notebook.is_file():
        cells = read_notebook(notebook).cells
        prose = "\n".join(cell.source + "\n" for cell in cells if cell.cell_type == "markdown")
        return prose, [cell.metadata for cell in cells]
    return (text.read_text(encoding="utf-8") if text.is_file() else ""), []


def _labelled(prose: str, kind: str, option: str) -> Iterator[Item]:
    """The labelled directives of one kind."""
    for name, title, options in DIRECTIVE.findall(prose):
        label = re.search(rf":{option}: *(\S+)", options)
        if name == kind and label:
            yield Item(label[1], title.strip())


def first_sentence(caption: str) -> str:
    """The caption's first sentence, on one line."""
    return re.split(r"(?<=[.!?])\s", " ".join(caption.split()), maxsplit=1)[0]


def figures(root: Path, page: str) -> list[Item]:
    """The numbered figures of a page: those drawn by a cell, then those of a directive."""
    prose, cells = _source(root, page)
    drawn = [metadata.get("mystnb", {}).get("figure", {}) for metadata in cells]
    named = [
        Item(one["name"], first_sentence(one.get("caption", ""))) for one in drawn if "name" in one
    ]
    placed = [Item(item.label, "") for item in _labelled(prose, "figure", "name")]
    return named + placed


def exercises(root: Path, page: str) -> list[Item]:
    """The labelled exercises of a page."""
    return list(_labelled(_source(root, page)[0], "exercise", "label"))


def _listing(root: Path, find: Callable[[Path, str], list[Item]], role: str, none: str) -> str:
    """A link to every page that has items, and one line for each item; ``none`` without items."""
    lines: list[str] = []
    for page in pages(root):
        if items := find(root, page):
            lines += [f"[](../{page})", ""]
            for item in items:
                lines.append(f"- {{{role}}}`{item.label}`" + (item.text and f": {item.text}"))
            lines.append("")
    return "\n".join(lines) if lines else none


def generated(root: Path) -> dict[str, str]:
    """File name in book/_generated -> text, for :mod:`book._tools.includes`."""
    return {
        "teaching_main.md": lecture.listing(root) or NO_FIGURES,
        "teaching_figures.md": _listing(root, figures, "numref", NO_FIGURES),
        "teaching_exercises.md": _listing(root, exercises, "ref", NO_EXERCISES),
    }
