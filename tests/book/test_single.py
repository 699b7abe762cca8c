"""The book as one file: it holds what its pages point to, and keeps their ids apart."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book._tools.__main__ import main
from book._tools.single import script, single, style_sheet
from collapse_utils.errors import InputError

PAGE = """<html><head><link rel="stylesheet" href="../_static/styles/theme.css?digest=1">
<script>window.MathJax = {{"x": 1}}</script></head><body><article class="bd-article" role="main">
<h1>{title}<a class="headerlink"
href="#top">#</a></h1><script>alert(1)</script><p id="method">{text}</p>
</article><footer>gone</footer></body></html>"""
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def book(tmp_path) -> tuple[Path, Path]:
    """A root with two pages in its contents, and what was built from it."""
    (tmp_path / "_config.yml").write_text("title: Two\n", encoding="utf-8")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/one\nchapters:\n- file: notebooks/two\n", encoding="utf-8"
    )
    first = (
        '<a href="#method">own</a> <a href="../notebooks/two.html#method">other</a> <a '
        'href="../notebooks/two.html">page</a><a href="../genindex.html">index</a> <a '
        'href="https://example.org/x.html#y">away</a><img src="../_images/dot.png" alt="a '
        'dot"><label for="method">label</label>'
    )
    second = (
        '<a class="download" download="" href="../_downloads/abc/a%20table.csv">table</a> <a '
        'href="../book/one.html">x</a>'
    )
    site = tmp_path / "_build" / "html"
    contents = {
        "book/one.html": PAGE.format(title="One &amp; all", text=first).encode(),
        "notebooks/two.html": PAGE.format(title="Two", text=second).encode(),
        "genindex.html": b"",
        "_images/dot.png": PIXEL,
        "_downloads/abc/a table.csv": b"a,b\n1,2\n",
        "_static/basic.css": b"p { color: red; }",
        "_static/font.woff2": b"font",
        "_static/styles/theme.css": b'@import "../basic.css";\n'
        b'@font-face { src: url(../font.woff2), url("../font.ttf") }'
        b"\na { background: url('data:image/svg+xml;x') }",
    }
    for name, content in contents.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path, site


def test_links_go_to_the_page_they_went_to(book):
    root, site = book
    soup = BeautifulSoup(
        single(root, site, root / "out" / "book.html").read_text(encoding="utf-8"), "html.parser"
    )
    links = {link.string: link["href"] for link in soup.select("main a")}
    assert links.pop("table").startswith("data:text/csv;base64,")
    assert links == {
        "own": "#book-one--method",
        "other": "#notebooks-two--method",
        "page": "#notebooks-two",
        "away": "https://example.org/x.html#y",
        "x": "#book-one",
    }
    assert "index" in soup.main.text  # its words stay where the page that it led to is left out
    assert [tag["id"] for tag in soup.select("main [id]")] == [
        "book-one",
        "book-one--method",
        "notebooks-two",
        "notebooks-two--method",
    ]
    assert soup.label["for"] == "book-one--method"
    assert [(a["href"], a.text) for a in soup.select("nav a")] == [
        ("#book-one", "One & all"),
        ("#notebooks-two", "Two"),
    ]


def test_files_are_inside(book):
    root, site = book
    text = single(root, site, root / "book.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    assert base64.b64decode(soup.img["src"].partition(",")[2]) == PIXEL
    download = soup.select_one("a.download")
    assert download["download"] == "a table.csv"
    assert base64.b64decode(download["href"].partition(",")[2]) == b"a,b\n1,2\n"
    assert (
        not soup.select("[src]:not([src^='data:']), link")
        and "alert(1)" not in text
        and "gone" not in text
    )
    assert 'window.MathJax = {"x": 1}' in text


def test_interactives_keep_their_data_scripts_and_styles(book):
    root, site = book
    page = site / "notebooks" / "two.html"
    text = page.read_text(encoding="utf-8")
    head = '<link rel="stylesheet" href="../_static/interactive/interactive.css?v=1">'
    scripts = "".join(
        f'<script defer src="../_static/interactive/{name}.js?v=1"></script>' for name in "ab"
    )
    body = '<script type="application/json">{"key": [1]}</script></article>'
    page.write_text(
        text.replace("</head>", head + scripts + "</head>").replace("</article>", body),
        encoding="utf-8",
    )
    folder = site / "_static" / "interactive"
    folder.mkdir()
    (folder / "interactive.css").write_text(".interactive { color: red }", encoding="utf-8")
    for name in "ab":
        (folder / f"{name}.js").write_text(f'run("{name}");', encoding="utf-8")
    soup = BeautifulSoup(
        single(root, site, root / "book.html").read_text(encoding="utf-8"), "html.parser"
    )
    assert soup.select_one("main script[type='application/json']").string == '{"key": [1]}'
    assert any(".interactive { color: red }" in style.string for style in soup.select("style"))
    after = [script.string for script in soup.select("main ~ script")]
    assert after.index('run("a");') < after.index('run("b");')


def test_a_style_sheet_brings_what_it_points_to(book):
    text = style_sheet(book[1] / "_static/styles/theme.css")
    assert text.startswith("p { color: red; }")
    assert [address[:16] for address in re.findall(r"url\(['\"]?([^)'\"]*)", text)] == [
        "data:font/woff2;",
        "data:,",
        "data:image/svg+x",
    ]


def test_a_script_cannot_end_itself():
    assert script('a = "</script><!--"') == '<script>a = "<\\/script><\\!--"</script>'


def test_a_book_that_was_not_built_is_refused(book, capsys):
    root, site = book
    (site / "notebooks/two.html").unlink()
    with pytest.raises(InputError, match=r"notebooks/two\.html: make site"):
        single(root, site, root / "book.html")
    assert main(["--root", str(root), "single", "--output", str(root / "book.html")]) == 2
    assert "make site" in capsys.readouterr().err and not (root / "book.html").exists()
