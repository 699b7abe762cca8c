"""The lists of the lecturer's page hold what the pages hold."""

from __future__ import annotations

import nbformat
import pytest

from book._tools import teaching

TOC = """format: jb-book
root: book/intro
chapters:
- file: notebooks/01_first
- file: book/second
"""
SECOND = """# Second
```{figure} drawing.png
:alt: a drawing
:name: fig-drawing
```
:::{exercise} Add it up
:class: dropdown
:label: ex-sum
:::
```{exercise}
An exercise without a label cannot be linked.
```
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "book" / "second.md").write_text(SECOND)
    cell = nbformat.v4.new_code_cell("draw()")
    cell.metadata["mystnb"] = {
        "figure": {"name": "fig-loss", "caption": "The loss rises.\nBands are intervals."}
    }
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# First"), cell])
    nbformat.write(notebook, tmp_path / "notebooks" / "01_first.ipynb")
    return tmp_path


def test_figures_of_cells_and_of_directives_are_listed_in_reading_order(root):
    text = teaching.generated(root)["teaching_figures.md"]
    assert text.splitlines() == [
        "[](../notebooks/01_first)",
        "",
        "- {numref}`fig-loss`: The loss rises.",
        "",
        "[](../book/second)",
        "",
        "- {numref}`fig-drawing`",
    ]


def test_exercises_with_a_label_are_listed(root):
    text = teaching.generated(root)["teaching_exercises.md"]
    assert text.splitlines() == ["[](../book/second)", "", "- {ref}`ex-sum`: Add it up"]


def test_a_book_without_any_says_so(tmp_path):
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\n")
    assert teaching.generated(tmp_path) == {
        "teaching_main.md": teaching.NO_FIGURES,
        "teaching_figures.md": teaching.NO_FIGURES,
        "teaching_exercises.md": teaching.NO_EXERCISES,
    }
