"""Sphinx extension: every notebook page ends with links to the files of results that it reads.

The list is made while the page is built and is no part of the notebook, which runs in a folder without these files, too.
"""

from __future__ import annotations

from pathlib import Path

import nbformat

from collapse_utils.book.data import of_page


def append(app, docname: str, source: list[str]) -> None:
    """Add a last cell to a notebook as Sphinx reads it."""
    folder, _, name = docname.rpartition("/")
    text = of_page(Path(app.srcdir), name.partition("_")[2]) if folder == "notebooks" else ""
    if text:
        notebook = nbformat.reads(source[0], as_version=4)
        notebook.cells.append(nbformat.v4.new_markdown_cell(text, id="data-of-this-page"))
        source[0] = nbformat.writes(notebook)


def setup(app):
    app.connect("source-read", append)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
