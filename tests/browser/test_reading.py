"""What a reader meets on the pages: captions, numbers, plain words, whole lines of code.

Every page meets every check; `python tests/browser/reading.py` lists what a page lacks.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import ASSIGNMENT, CHECKS, excerpts

from book._tools.contents import pages

ROOT = Path(__file__).resolve().parents[2]
SEARCHES = ("replace", "accumulate", "subsample", "seeds", "recompute")

PAGE = """<html><body><article>
<figure id="one"><img alt="A curve"><figcaption><span class="caption-number">Fig. 1 </span>
  A curve. It rises.</figcaption></figure>
<p><a href="#one"><span class="std-numref">Fig. 1</span></a> rises, and we understand
  <a href="#two"><span class="std-numref">Table 1</span></a>.</p>
<table id="two"><caption><span class="caption-number">Table 1 </span>Numbers. They rise.</caption>
  <tr><td>1</td></tr></table>
<pre>short</pre>
</article><button class="search-button">Search</button></body></html>"""
# Check -> what to replace in this page, by what, so that it finds a fault.
FAULTS = {
    "captions": ("A curve. It rises.", "A curve."),
    "numbers": ('href="#one"', 'href="#two"'),
    "words": ("rises, and", "stands, and"),
    "code": ("short", "long " * 400),
    "printed": ("short", "wide " * 25),
    "search": ('class="search-button"', 'class="search-button" style="margin-top: 900px"'),
}


@pytest.mark.parametrize("name", pages(ROOT))
def test_a_page_reads_well(home, visit, name):
    page, _ = visit(f"{home}/{name}.html")
    assert {label: result for label, check in CHECKS.items() if (result := check(page))} == {}


@pytest.mark.parametrize("query", SEARCHES)
def test_search_results_show_prose(home, visit, query):
    page, _ = visit(f"{home}/search.html?q={query}")
    assert excerpts(page) == []


@pytest.mark.parametrize("fault", [None, *CHECKS])
def test_each_check_finds_its_fault_and_none_in_a_good_page(tmp_path, visit, fault):
    file = tmp_path / "page.html"
    file.write_text(PAGE.replace(*FAULTS[fault]) if fault else PAGE, encoding="utf-8")
    page, _ = visit(file.as_uri())
    result = {label for label, check in CHECKS.items() if check(page)}
    assert result == {None: set(), "code": {"code", "printed"}}.get(fault, {fault})


def test_an_excerpt_of_the_parameters_would_be_found():
    cell = '... preset = "smoke" # smoke, cpu, colab\nseeds = [0, 1, 2]'
    assert len(ASSIGNMENT.findall(cell)) == 2
    assert ASSIGNMENT.findall("data of results") == []
