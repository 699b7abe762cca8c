"""What a reader meets on the pages: length, captions, numbers, plain words, whole lines of code.

Every page meets every check; `python tests/browser/reading.py` lists what a page lacks.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import ASSIGNMENT, CHECKS, excerpts

from book._tools.contents import pages

ROOT = Path(__file__).resolve().parents[2]
# Of each figure: its id, its number, whether the caption is above, and the references to it.
KINDS = """(figures) => figures.map((figure) => [
    figure.id, figure.querySelector('.caption-number').textContent.trim(),
    figure.firstElementChild.matches('figcaption'),
    [...document.querySelectorAll(`a[href="#${figure.id}"] .std-numref`)].map(
      (one) => one.textContent)])"""
SEARCHES = ("replace", "accumulate", "subsample", "seeds", "recompute")

PAGE = """<html><body><button class="search-button">Search</button><article>
<figure id="one"><img alt="A curve"><figcaption><span class="caption-number">Fig. 1 </span>
  A curve. It rises.</figcaption></figure>
<p><a href="#one"><span class="std-numref">Fig. 1</span></a> rises, and we understand
  <a href="#two"><span class="std-numref">Table 1</span></a>.</p>
<table id="two"><caption><span class="caption-number">Table 1 </span>Numbers. They rise.</caption>
  <tr><td>1</td></tr></table>
<pre>short</pre>
</article></body></html>"""
# Check -> what to replace in this page, by what, so that it finds a fault.
FAULTS = {
    "length": ("we understand", "we understand" + " word" * 1200),
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


def test_a_page_that_is_too_high_is_found(tmp_path, visit):
    file = tmp_path / "page.html"
    file.write_text(PAGE.replace("<pre>", '<pre style="margin-top: 6000px">'), encoding="utf-8")
    page, _ = visit(file.as_uri())
    (finding,) = CHECKS["length"](page)
    assert finding.endswith("pixels, more than 6000")


def test_the_front_page_has_no_table(home, visit):
    page, _ = visit(f"{home}/book/intro.html")
    assert page.locator("article table").count() == 0 < page.locator("article figure").count()


def test_a_link_opens_the_dropdown_that_holds_its_target(home, visit):
    page, _ = visit(f"{home}/notebooks/01_linear.html")
    target = page.locator("#ex-linear-rows")
    assert not target.is_visible()
    page.evaluate("location.hash = '#ex-linear-rows'")
    target.wait_for(state="visible")
    assert target.evaluate("(one) => one.getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("name", ["notebooks/02_language", "notebooks/07_bias"])
def test_a_table_of_a_cell_is_numbered_as_a_table_and_a_picture_as_a_figure(home, visit, name):
    page, _ = visit(f"{home}/{name}.html")
    kinds = page.locator("article figure:has(figcaption)").evaluate_all(KINDS)
    assert len(kinds) > 3
    for identity, number, above, references in kinds:
        table = identity.startswith("tab-")
        assert number.startswith("Table" if table else "Fig."), identity
        assert above == table
        assert references and all(text == number for text in references), identity


def test_an_excerpt_of_the_parameters_would_be_found():
    cell = '... preset = "smoke" # smoke, cpu, colab\nseeds = [0, 1, 2]'
    assert len(ASSIGNMENT.findall(cell)) == 2
    assert ASSIGNMENT.findall("data of results") == []
