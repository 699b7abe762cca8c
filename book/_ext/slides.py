"""Sphinx extension: slides of the main figures, made from the pages when they are built."""

from __future__ import annotations

from pathlib import Path

from book._tools.lecture import SLIDES, slides


def write(app, exception) -> None:
    """Write the slides into the built site; does nothing after a failed build."""
    if exception is None and app.builder.format == "html":
        text = slides(Path(app.srcdir), Path(app.outdir))
        Path(app.outdir, SLIDES).write_text(text, encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
