"""The main figures are drawn for the committed notebooks, and the slides show them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from book._tools import lecture
from book._tools.pictures import Picture

CONFIG = "title: A Book\nhtml: {baseurl: 'https://example.org/book/'}\n"
PAGES = "chapters:\n  - file: notebooks/01_first\n  - file: notebooks/02_second\n"
TOC = f"format: jb-book\nroot: book/intro\n{PAGES}"
DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2], label='a')\nplt.show()"
INTRO = '<h1>The Book<a class="headerlink">#</a></h1><img src="../_images/headline.png" alt="ours">'
FIRST = """<h1>First</h1><figure id="fig-one"><img src="x.png" alt="a line"><figcaption>
<p><span class="caption-number">Fig. 1 </span>It <a href="#x">rises</a> & falls.
<a class="headerlink">#</a></p></figcaption></figure>"""


def png(colour: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(written, "PNG")
    return written.getvalue()


def cell(source: str, name: str | None = None, picture: bytes = b""):
    made = nbformat.v4.new_code_cell(source)
    if name:
        made.metadata["mystnb"] = {"figure": {"name": name, "caption": f"Of {name}.\nTwo lines."}}
    if picture:
        data = {"image/png": base64.b64encode(picture).decode()}
        made.outputs = [nbformat.v4.new_output("display_data", data=data)]
    return made


@pytest.fixture
def root(tmp_path):
    """A book of two notebooks; the second has no numbered figure."""
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "notebooks").mkdir()
    title = nbformat.v4.new_markdown_cell("# First: a line")
    first = [
        title,
        cell("x = 1", "tab-one"),
        cell(DRAW, "fig-one", png("red")),
        cell("1 / 0", "fig-two"),
    ]
    for name, cells in (("01_first", first), ("02_second", [cell("1 / 0")])):
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    return tmp_path


def headline():
    import matplotlib.pyplot as plt

    figure, _ = plt.subplots()
    return figure


def drawn(root) -> dict:
    """The front page's figure alone is drawn; its PNG is there."""
    generated = root / lecture.FOLDER.parent
    pictures = {generated / f"headline{s}.png": Picture("d1", headline) for s in ("", "-phone")}
    result = lecture.drawings(root, pictures)
    result[root / lecture.FOLDER / "headline.svg"].save(root / lecture.FOLDER / "headline.svg")
    (generated / "headline.png").write_bytes(png("blue"))
    return result


def test_a_main_figure_is_the_first_numbered_one_of_a_notebook(root):
    mains = {name: main.notebook for name, main in lecture.of_notebooks(root).items()}
    assert mains == {"fig-one": root / "notebooks" / "01_first.ipynb"}
    names = {path.name for path in drawn(root)}
    assert names == {"headline.svg", "fig-one.svg"}


def test_a_figure_is_drawn_as_svg_and_goes_stale_with_its_notebook(root):
    path = root / lecture.FOLDER / "fig-one.svg"
    drawing = lecture.drawings(root, {})[path]
    assert not drawing.is_current(path)
    drawing.save(path)  # runs the notebook up to the figure, not the failing cell behind it
    assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.is_current(path)
    notebook = root / "notebooks" / "01_first.ipynb"
    changed = nbformat.read(notebook, as_version=4)
    data = {"image/png": base64.b64encode(png("green")).decode()}
    changed.cells[2].outputs[0]["data"] = data
    nbformat.write(changed, notebook)
    assert not lecture.drawings(root, {})[path].is_current(path)


def test_every_drawn_figure_is_offered_as_svg_and_png(root):
    drawn(root)
    (root / lecture.FOLDER / "fig-one.svg").write_text("<svg/>")
    names = {Path(name).name for name in lecture.files(root)}
    assert names == {"headline.svg", "headline.png", "fig-one.svg", "fig-one.png"}
    first, second = lecture.listing(root).splitlines()
    assert "headline.svg" in first and "headline.png" in first
    assert all(part in second for part in ("{numref}`fig-one`", "fig-one.svg", "fig-one.png"))


def test_a_figure_file_has_its_title_its_caption_and_the_licence_inside(root):
    drawn(root)
    (root / lecture.FOLDER / "fig-one.svg").write_text('<svg xmlns="x" a="1"><g/></svg>')
    figure = ":name: fig-headline\n\nLosses < 1.\n```\n"
    (root / lecture.FOLDER.parent / "headline.md").write_text(figure)
    line = "Figure from A Book, https://example.org/book, CC BY 4.0"
    files = {Path(name).name: content for name, content in lecture.files(root).items()}
    for name, title, caption, colour in (
        ("fig-one", "First: a line", "Of fig-one. Two lines.", "red"),
        ("headline", "Front page", "Losses < 1.", "blue"),
    ):
        first, second, *_ = ElementTree.fromstring(files[f"{name}.svg"])
        assert [part.tag.rpartition("}")[2] for part in (first, second)] == ["title", "desc"]
        assert [first.text, second.text] == [title, f"{caption} {line}"]
        with Image.open(io.BytesIO(files[f"{name}.png"])) as image:
            texts = {"Title": title, "Description": caption, "Copyright": line}
            assert image.text == texts
            with Image.open(io.BytesIO(png(colour))) as original:
                assert image.convert("RGB").tobytes() == original.convert("RGB").tobytes()


def test_the_slides_have_every_figure_with_its_caption_and_the_licence(root, tmp_path):
    drawn(root)
    (root / lecture.FOLDER / "fig-one.svg").write_text("<svg/>")
    site = tmp_path / "site"
    for name, text in (("book/intro", INTRO), ("notebooks/01_first", FIRST)):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / f"{name}.html").write_text(text)
    soup = BeautifulSoup(lecture.slides(root, site), "html.parser")
    book, front, first = soup.select("section")
    line = "Figure from A Book, https://example.org/book, CC BY 4.0"
    assert [slide.select_one(".licence").text for slide in (book, front, first)] == [line] * 3
    assert front.select_one("img")["alt"] == front.select_one("p").text == "ours"
    assert first.h2.text == "First" and first.select_one("img")["alt"] == "a line"
    assert " ".join(first.select_one("p").text.split()) == "Fig. 1 It rises & falls."
    assert not soup.select("p a") and "mathjax" not in str(soup)
