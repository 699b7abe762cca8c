"""The files of results that the book offers: a table of all, and a list for every page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from book._tools import downloads
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


def test_loss_curves_are_packed_and_come_out_as_they_were(tmp_path):
    curves, metrics = tmp_path / "curves.csv", tmp_path / "metrics.csv"
    for path in (curves, metrics):
        path.write_text("step,loss\n" + "1,0.5\n" * 100, encoding="utf-8")
    packed = downloads.offered(curves)
    assert (packed.name, downloads.offered(metrics)) == ("curves.csv.zip", metrics)
    packed.write_bytes(downloads.content(curves))
    assert pd.read_csv(packed).equals(pd.read_csv(curves))
    assert len(downloads.content(curves)) < len(curves.read_bytes()) / 2
    assert downloads.content(curves) == packed.read_bytes()  # no date of today in it
    assert downloads.content(metrics) == metrics.read_bytes()


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
