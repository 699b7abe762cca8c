"""The bibliography: complete entries, each cited, with labels as in the text."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = parse_file(ROOT / "book" / "references.bib", bib_format="bibtex").entries
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
PAGES = [
    path
    for pattern in ("book/*.md", "book/_generated/*.md", "notebooks/*.ipynb")
    for path in ROOT.glob(pattern)
]


@pytest.fixture(scope="module")
def author_year():
    path = ROOT / "book" / "_ext" / "author_year.py"
    spec = importlib.util.spec_from_file_location("author_year", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cited() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in PAGES]
    groups = [group for text in texts for group in CITE.findall(text)]
    return {key.strip() for group in groups for key in group.split(",")}


def test_every_citation_has_an_entry_and_every_entry_is_cited():
    assert cited() == set(ENTRIES)


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_names_its_authors_its_title_its_year_and_where_it_can_be_read(key):
    entry = ENTRIES[key]
    title = entry.fields["title"].strip("{}")
    assert entry.fields["year"].isdigit()
    assert title and not title.startswith("["), "a title in brackets is not the title of the work"
    assert "eprint" in entry.fields or "doi" in entry.fields
    assert ("eprint" in entry.fields) == (entry.fields.get("archiveprefix") == "arXiv")
    for person in entry.persons["author"]:
        assert person.first_names and person.last_names, f"{key}: {person} is not a full name"


def test_labels_are_unique(author_year):
    labels = list(author_year.AuthorYearLabels().format_labels(ENTRIES.values()))
    assert len(set(labels)) == len(ENTRIES)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("dey2024", "Dey and Donoho, 2024"),
        ("gerstgrasser2024", "Gerstgrasser et al., 2024"),
        ("kynkaanniemi2019", "Kynkäänniemi et al., 2019"),
        ("axelrod2022", "Axelrod and Gómez-Bombarelli, 2022"),
    ],
)
def test_a_label_is_what_the_text_says(author_year, key, label):
    assert author_year.label(ENTRIES[key]) == label


def test_two_entries_with_one_label_are_refused(author_year):
    same = [ENTRIES["dey2024"], ENTRIES["dey2024"]]
    with pytest.raises(ValueError, match="Dey and Donoho, 2024"):
        list(author_year.AuthorYearLabels().format_labels(same))
