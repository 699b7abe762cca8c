"""No source that a reader reads has an expression that slows him down.

The built pages, with what their cells print, are checked by ``test_reading.py``.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from reading import banned

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *(ROOT / "book").glob("*.md"),
    *(ROOT / "book" / "_generated").glob("*.md"),
    *(ROOT / "notebooks").glob("*.ipynb"),
    ROOT / "book" / "claims.yml",
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "collapse_utils" / "__main__.py",
    ROOT / "collapse_utils" / "commands.py",
]
NAMES = sorted(path.relative_to(ROOT).as_posix() for path in SOURCES)


def prose(path: Path) -> str:
    """The text of a file; of a notebook that of its markdown cells."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_written_in_plain_words(name):
    assert banned(prose(ROOT / name)) == []


def test_a_banned_expression_is_found_across_a_line_end(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("A bias leads\nto a loss. The counter-attack understands it.")
    assert banned(prose(file)) == ["... A bias leads to a loss. The counter ..."]
