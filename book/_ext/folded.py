"""Sphinx extension: the last sections of a page are closed until the reader opens them.

A section with one of these headings becomes a dropdown, whose title takes the place of the heading;
links to the section still find it.  A directive could not do this, because an exercise continues
over several cells of a notebook.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_design.shared import create_component
from sphinx_exercise.nodes import is_exercise_node

from book._tools.downloads import HEADING as FILES

# heading of a section -> title of its dropdown, with the number of the parts that it counts
FOLDED = {
    "Exercises": ("Exercises: {}, with solutions", is_exercise_node),
    "More figures, costs and commands": ("More figures, costs and commands", None),
    "Does it depend on the sampler?": ("Does it depend on the sampler?", None),
    FILES: (f"{FILES}: {{}} files", lambda node: isinstance(node, nodes.list_item)),
}


class FoldSections(SphinxPostTransform):
    """Put the content of the sections into dropdowns, which sphinx-design then writes (199)."""

    default_priority = 150
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for section in list(self.document.findall(nodes.section)):
            title, *content = section.children
            if self.env.docname.startswith("notebooks/") and title.astext() in FOLDED:
                words, counted = FOLDED[title.astext()]
                if counted is not None:
                    words = words.format(sum(1 for _ in section.findall(counted)))
                section[:] = [
                    create_component(
                        "dropdown",
                        opened=False,
                        type="dropdown",
                        has_title=True,
                        icon=None,
                        chevron=None,
                        container_classes=["sd-mb-3"],
                        title_classes=[],
                        body_classes=[],
                        children=[nodes.rubric("", words), *content],
                    )
                ]


def setup(app):
    app.add_post_transform(FoldSections)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
