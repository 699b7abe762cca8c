"""Sphinx extension: what the style sheet has to know about the figures of a notebook.

A figure of several panels, shrunk to the width of a phone, has letters of four pixels.  The style
sheet shows it larger than the screen instead, in a box that scrolls; for that it has to know how
wide the figure was drawn.

In dark mode plots are shown light on dark.  Photographs and sampled faces stay as they are, so they
are marked.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

FITS = 750  # pixels; a figure of one panel, which a phone shows whole
WHITE = 0.5  # share of a plot that is paper at least; of our plots it is 0.75 or more, of faces 0.3
# named by its content: drawn by a cell
OF_A_CELL = re.compile(r'<img ([^>]*src="[^"]*_images/([0-9a-f]{64}\.png)"[^>]*>)')


def measured(path: Path) -> tuple[int, bool]:
    """The width of a picture in pixels, and whether it is a plot on white paper."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    return pixels.shape[1], bool((pixels.min(axis=-1) >= 250).mean() >= WHITE)


def frame(app, pagename, templatename, context, doctree) -> None:
    """Put every wide figure into a box that scrolls, with its width; mark what is no plot."""
    drawn = {name: app.srcdir / source for source, name in app.builder.images.items()}

    def framed(match: re.Match) -> str:
        width, plot = measured(drawn[match[2]])
        image = match[0] if plot else f"<img data-photo {match[1]}"
        if width <= FITS:
            return image
        return f'<div class="output drawn" style="--drawn: {width}px">{image}</div>'

    context["body"] = OF_A_CELL.sub(framed, context.get("body", ""))


def setup(app):
    app.connect("html-page-context", frame)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
