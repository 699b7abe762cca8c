"""Title, version, authors and address are the same in every file that states them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pybtex.database import parse_file

import collapse_utils

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


CITATION = yaml.safe_load(read("CITATION.cff"))
CODEMETA = json.loads(read("codemeta.json"))
ZENODO = json.loads(read(".zenodo.json"))
PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
CONFIG = yaml.safe_load(read("_config.yml"))
FRONT_PAGE = re.search(r"@software\{.*?\n\}", read("book/intro.md"), re.S)[0]
BIBTEX = dict(re.findall(r"(\w+) += \{+(.*?)\}+,?\n", FRONT_PAGE))


def test_the_version_is_the_package_s():
    version = collapse_utils.__version__
    said = [CITATION["version"], CODEMETA["version"], ZENODO["version"], BIBTEX["version"]]
    assert said == [version] * len(said)
    assert CONFIG["repository"]["branch"] == f"v{version}"
    assert f"## {version}" in read("CHANGELOG.md")


def test_the_title_is_the_book_s():
    title = CONFIG["title"]
    previews = CONFIG["sphinx"]["config"]["ogp_site_name"]
    said = [CITATION["title"], CODEMETA["name"], ZENODO["title"], BIBTEX["title"], previews]
    assert said == [title] * len(said)


def test_the_description_is_the_abstract():
    assert CODEMETA["description"] == ZENODO["description"] == CITATION["abstract"]
    assert CODEMETA["keywords"] == ZENODO["keywords"] == CITATION["keywords"]


def test_the_authors_are_the_same_everywhere():
    author = CONFIG["author"]
    lists = [
        [one["name"] for one in CITATION["authors"]],
        [one["name"] for one in CODEMETA["author"]],
        [one["name"] for one in ZENODO["creators"]],
        [one["name"] for one in PROJECT["authors"]],
        [BIBTEX["author"]],
    ]
    assert lists == [[author]] * len(lists)
    assert author in read("LICENSE") and author in read("LICENSE-prose")


def test_the_licence_is_the_same_everywhere():
    assert CITATION["license"] == ZENODO["license"] == PROJECT["license"] == BIBTEX["license"]
    assert CODEMETA["license"] == f"https://spdx.org/licenses/{CITATION['license']}"


def test_the_address_is_the_same_everywhere():
    repository, site = CONFIG["repository"]["url"], CONFIG["html"]["baseurl"]
    assert CITATION["repository-code"] == CODEMETA["codeRepository"] == BIBTEX["url"] == repository
    assert CITATION["url"] == CODEMETA["url"] == site.rstrip("/")
    assert CONFIG["sphinx"]["config"]["ogp_site_url"] == site
    links = {one["identifier"] for one in ZENODO["related_identifiers"]}
    assert {repository, site.rstrip("/")} <= links


def test_the_paper_to_cite_is_the_entry_of_the_bibliography():
    entry = parse_file(ROOT / "book" / "references.bib").entries["gerstgrasser2024"]
    paper = CITATION["preferred-citation"]
    arxiv = f"arXiv:{entry.fields['eprint']}"
    title = entry.fields["title"].strip("{}")
    assert paper["title"] == CODEMETA["referencePublication"]["name"] == title
    assert str(paper["year"]) == entry.fields["year"] and paper["url"] == entry.fields["url"]
    assert paper["conference"]["name"] == entry.fields["booktitle"]
    assert [(one["family-names"], one["given-names"]) for one in paper["authors"]] == [
        (" ".join(one.last_names), " ".join([*one.first_names, *one.middle_names]))
        for one in entry.persons["author"]
    ]
    assert paper["identifiers"] == [{"type": "other", "value": arxiv}]
    assert arxiv in {one["identifier"] for one in ZENODO["related_identifiers"]}


def test_the_front_page_shows_the_entry_of_the_paper_and_nothing_else():
    start, end = re.findall(r":(?:start-at|end-before): \"(.*)\"", read("book/intro.md"))
    text = read("book/references.bib")
    shown = text[text.index(start) : text.index(end)]
    assert shown.count("@") == 1 and "2404.01413" in shown


@pytest.mark.parametrize("field", ["message", "type", "cff-version", "preferred-citation"])
def test_the_citation_file_has_what_its_readers_ask_for(field):
    assert CITATION[field]
