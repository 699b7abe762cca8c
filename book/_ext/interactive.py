"""Sphinx extension: ``{interactive} NAME`` puts one of the interactives on a page, as a figure.

    ```{interactive} theorem
    :name: theorem-explorer
    The caption.
    ```

The names are those in ``book._tools.interactive``.  The figure holds its data, and a static version
for a reader without scripts.  Scripts and style sheet are loaded on the pages that need them.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from book._tools.interactive import FOLDER, INTERACTIVES, STYLE, markup, scripts

PLACED = re.compile(r'data-interactive="(\w+)"')


class InteractiveDirective(SphinxDirective):
    """A figure whose picture is an interactive."""

    required_arguments = 1
    has_content = True
    option_spec = {"name": str}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in INTERACTIVES:
            names = ", ".join(INTERACTIVES)
            raise self.error(f"interactive: got {name!r}; allowed: one of {names}")
        text = markup(name, Path(self.env.srcdir, "results"))
        figure = nodes.figure("", nodes.raw("", text, format="html"))
        self.set_source_info(figure)
        content = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, content)
        if not content.children or not isinstance(content[0], nodes.paragraph):
            raise self.error(f"interactive: {name} has no caption")
        figure += nodes.caption(content[0].rawsource, "", *content[0].children)
        if len(content) > 1:
            figure += nodes.legend("", *content[1:])
        self.add_name(figure)
        return [figure]


def load(app, pagename, templatename, context, doctree) -> None:
    """Name the scripts and the style sheet of the interactives that are on a page."""
    names = list(dict.fromkeys(PLACED.findall(context.get("body", ""))))
    if names:
        app.add_css_file(f"{FOLDER}/{STYLE}")
    for script in scripts(names):
        app.add_js_file(f"{FOLDER}/{script}", loading_method="defer")


def setup(app):
    app.add_directive("interactive", InteractiveDirective)
    app.connect("html-page-context", load)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
