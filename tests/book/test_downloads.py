"""The files of results that the book offers: a table of all, and a list for every page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx

from book._ext import data_of_page
from book._tools import downloads, versions
from book._tools.contents import notebooks

ROOT = Path(__file__).resolve().parents[2]


def linked(text: str) -> list[str]:
    return re.findall(r"\{download\}`[^`<]+ </results/([^>]+)>`", text)


@pytest.fixture
def root(tmp_path) -> Path:
    """Results of two sections, a reported table, a record and a sample."""
    contents = {
        # two rows on three lines
        "language/cpu-stories/metrics.csv": 'section,value\nlanguage,1\n"lang\nuage",2\n',
        "language/cpu-stories/provenance.json": json.dumps([{"seed": 0, "regime": "replace"}] * 3),
        "language/cpu-stories/samples/base/replace/iteration-01/stories.json": "[]",
        "images/smoke-faces/metrics.csv": "section,value\n",
        "images/extra.json": json.dumps({"a": 1, "b": 2}),
        "reported/language.csv": "regime,value\nreplace,1.8\n",
        "reported/images.csv": "regime,where\nreplace,figure\n",
    }
    for name, text in contents.items():
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_the_table_has_every_file_once_and_no_samples(root):
    text = downloads.table(root)
    assert linked(text) == [
        "images/extra.json",
        "images/smoke-faces/metrics.csv",
        "language/cpu-stories/metrics.csv",
        "language/cpu-stories/provenance.json",
        "reported/images.csv",
        "reported/language.csv",
    ]
    rows = {
        line.split("`")[1]: line.split("|")[3].strip()
        for line in text.splitlines()
        if "language/cpu-stories" in line
    }
    assert rows == {
        "metrics.csv </results/language/cpu-stories/metrics.csv>": "2",
        "provenance.json </results/language/cpu-stories/provenance.json>": "3",
    }


def test_columns_are_told_once_for_a_kind_and_for_every_reported_table(root):
    lines = downloads.kinds(root).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [
        "extra.json",
        "metrics.csv",
        "provenance.json",
        "reported/images.csv",
        "reported/language.csv",
    ]
    assert (
        "`section`, `value`" in lines[1]
        and "`seed`, `regime`" in lines[2]
        and "`regime`, `where`" in lines[3]
    )


def test_a_page_offers_its_own_section(root):
    text = downloads.of_page(root, "language")
    assert text.startswith(f"## {downloads.HEADING}\n")
    assert linked(text) == [
        "language/cpu-stories/metrics.csv",
        "language/cpu-stories/provenance.json",
        "reported/language.csv",
    ]
    assert "2 rows, 1\u00a0kB" in text and "1 row, 1\u00a0kB" in text
    assert downloads.of_page(root, "molecules") == ""


def test_large_tables_are_packed_and_come_out_as_they_were(tmp_path):
    large, small = tmp_path / "curves.csv", tmp_path / "metrics.csv"
    for path, steps in ((large, 20_000), (small, 10)):
        path.write_text("step,loss\n" + "1,0.5\n" * steps, encoding="utf-8")
    packed = downloads.offered(large)
    assert (packed.name, downloads.offered(small)) == ("curves.csv.zip", small)
    packed.write_bytes(downloads.content(large))
    assert pd.read_csv(packed).equals(pd.read_csv(large))
    assert len(downloads.content(large)) < len(large.read_bytes()) / 2
    assert downloads.content(large) == packed.read_bytes()  # no date of today in it
    assert downloads.content(small) == small.read_bytes()


def test_every_kind_of_committed_file_has_a_meaning():
    for path in downloads.files(ROOT):
        assert path.parent.name == "reported" or path.name in downloads.MEANING, path


def test_a_page_offers_every_file_that_its_notebook_names():
    for path in notebooks(ROOT):
        offered = {file.name for file in downloads.files(ROOT, path.stem.partition("_")[2])}
        named = set(re.findall(r'\\"([\w]+\.csv)\\"', path.read_text(encoding="utf-8")))
        assert "metrics.csv" in offered and named <= offered, path.name


def test_no_two_files_are_saved_under_one_name():
    names = [downloads.saved_as(path.relative_to(ROOT)) for path in downloads.files(ROOT)]
    assert len(set(names)) == len(names)
    assert (
        downloads.saved_as(Path("results/language/cpu-bible/metrics.csv"))
        == "language-cpu-bible-metrics.csv"
    )
    assert downloads.saved_as(Path("book/_generated/headline.png")) == "headline.png"


HOSTILE = [
    'y" onmouseover="alert(2)',
    "<script>alert(1)<&script>",
    "a`{raw}`b",
    "x | y",
    "[a](javascript:alert(1))",
]


@pytest.fixture
def hostile(tmp_path):
    """A page, built by Sphinx, of tables that hold hostile names and texts."""
    for name in HOSTILE:
        folder = tmp_path / "results" / "images" / f"smoke-{name}"
        folder.mkdir(parents=True)
        (folder / f"{name}.csv").write_text(f'"{name.replace(chr(34), "")}",value\n')
        record = {
            "variant": name,
            "regime": name,
            "seed": 0,
            "preset": name,
            "data": {"source": name},
            "provenance": {"processor": name, "versions": {name: name}, "python": name},
        }
        (folder / "provenance.json").write_text(json.dumps([record]))
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text(
        "extensions = ['myst_parser']\nhtml_theme = 'basic'\nsmartquotes = False\n"
    )
    (source / "results").symlink_to(tmp_path / "results")
    parts = [downloads.table(tmp_path), downloads.kinds(tmp_path)]
    parts += versions.pages(tmp_path).values()
    parts += [downloads.of_page(tmp_path, "images")]
    (source / "index.md").write_text("# Page\n\n" + "\n\n".join(parts), encoding="utf-8")
    app = Sphinx(source, source, tmp_path / "html", tmp_path / "trees", "html", status=None)
    app.build()
    return BeautifulSoup((tmp_path / "html" / "index.html").read_text(), "html.parser")


def test_hostile_names_are_text_in_a_page(hostile):
    main = hostile.select_one(".body")
    assert main.find_all("script") == [] and main.find_all(attrs={"onmouseover": True}) == []
    links = [link.get("href", "") for link in main.find_all("a")]
    assert not any(href.startswith("javascript") for href in links)
    text = main.get_text()
    for name in HOSTILE:
        assert text.count(name) >= 6, name  # folder, file, variant, regime, processor, version


def test_the_name_of_a_download_is_one_attribute():
    app = SimpleNamespace(
        env=SimpleNamespace(dlfiles={'results/y" onmouseover="alert(2).jsonl': (set(), "ab/y.x")})
    )
    context = {"body": '<a class="reference download" download="" href="../_downloads/ab/y.x">'}
    data_of_page.name(app, "data", "page", context, None)
    (link,) = BeautifulSoup(context["body"], "html.parser").find_all("a")
    assert link["download"] == 'y" onmouseover="alert(2).jsonl' and "onmouseover" not in link.attrs
