"""Sphinx extension: a wide figure of a notebook keeps letters of a readable size on a phone.

A figure of several panels, shrunk to the width of a phone, has letters of four pixels.  The style
sheet shows it larger than the screen instead, in a box that scrolls; for that it has to know how
wide the figure was drawn.
"""

from __future__ import annotations

import re

import imagesize

FITS = 750  # pixels; a figure of one panel, which a phone shows whole
# named by its content: drawn by a cell
OF_A_CELL = re.compile(r'<img [^>]*src="[^"]*_images/([0-9a-f]{64}\.png)"[^>]*>')


def frame(app, pagename, templatename, context, doctree) -> None:
    """Put every wide figure into a box that scrolls, with its width."""
    drawn = {name: app.srcdir / source for source, name in app.builder.images.items()}

    def framed(match: re.Match) -> str:
        width = imagesize.get(drawn[match[1]])[0]
        return (
            f'<div class="output drawn" style="--drawn: {width}px">{match[0]}</div>'
            if width > FITS
            else match[0]
        )

    context["body"] = OF_A_CELL.sub(framed, context.get("body", ""))


def setup(app):
    app.connect("html-page-context", frame)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
