"""Sphinx extension: every notebook page ends with links to the results that it reads.

The list is made while the page is built and is no part of the notebook, which runs in a folder
without these files, too.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat

from book._tools.downloads import of_page, saved_as

DOWNLOAD = re.compile(r'download="" href="([^"]*_downloads/([^"]+))"')


def append(app, docname: str, source: list[str]) -> None:
    """Add a last cell to a notebook as Sphinx reads it."""
    folder, _, name = docname.rpartition("/")
    text = of_page(Path(app.srcdir), name.partition("_")[2]) if folder == "notebooks" else ""
    if text:
        notebook = nbformat.reads(source[0], as_version=4)
        notebook.cells.append(nbformat.v4.new_markdown_cell(text, id="data-of-this-page"))
        source[0] = nbformat.writes(notebook)


def name(app, pagename, templatename, context, doctree) -> None:
    """Tell the browser under which name to save each file."""
    sources = {copy: Path(source) for source, (_, copy) in app.env.dlfiles.items()}

    def named(match: re.Match) -> str:
        saved = html.escape(saved_as(sources[unquote(html.unescape(match[2]))]))
        return f'download="{saved}" href="{match[1]}"'

    context["body"] = DOWNLOAD.sub(named, context.get("body", ""))


def setup(app):
    app.connect("source-read", append)
    app.connect("html-page-context", name)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
