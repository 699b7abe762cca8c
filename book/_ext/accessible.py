"""Sphinx extension: the markup of the pages is what a screen reader expects.

docutils gives the entries of a bibliography a role that ARIA has withdrawn, so that a list of them
counts as a list without items; pandas begins the head of a table with an empty header cell;
sphinx-proof and sphinx-exercise give every theorem, exercise and solution of a page the same id.
"""

from __future__ import annotations

REPAIRS = (
    ('role="doc-biblioentry"', 'role="listitem"'),
    ("<th></th>", "<td></td>"),
    (' id="proof-content"', ""),
    (' id="exercise-content"', ""),
    (' id="solution-content"', ""),
)


def repair(app, pagename, templatename, context, doctree) -> None:
    """Mend the body of a page."""
    for wrong, right in REPAIRS:
        context["body"] = context.get("body", "").replace(wrong, right)


def setup(app):
    app.connect("html-page-context", repair)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
