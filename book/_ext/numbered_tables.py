"""Sphinx extension: a table that a cell of a notebook shows is numbered "Table N", above it.

myst-nb puts every captioned output into a figure, so Sphinx would number a table as "Fig. N".  A
figure whose name begins with "tab-" becomes a node of its own here.  It is written as a figure is,
and it is counted with the tables.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.transforms import SphinxTransform

PREFIX = "tab-"


class table_figure(nodes.figure):
    """A figure that holds a table; docutils writes node classes in lower case."""


class CountTables(SphinxTransform):
    """Replace the figures, before Sphinx collects what has a number (priority 850)."""

    default_priority = 400

    def apply(self, **kwargs) -> None:
        for figure in list(self.document.findall(nodes.figure)):
            if any(name.startswith(PREFIX) for name in figure["names"]):
                captions = [child for child in figure if isinstance(child, nodes.caption)]
                others = [child for child in figure if not isinstance(child, nodes.caption)]
                table = table_figure("", *captions, *others, **figure.attributes)
                figure.replace_self(table)
                for one in table["ids"]:
                    self.document.ids[one] = table


def visit(writer, node: table_figure) -> None:
    writer.visit_figure(node)


def depart(writer, node: table_figure) -> None:
    writer.depart_figure(node)


def setup(app):
    app.add_enumerable_node(table_figure, "table", html=(visit, depart))
    app.add_transform(CountTables)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
