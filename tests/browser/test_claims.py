"""The forest plot of the claims, on the page of the published book that holds it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

PAGE = "book/claims.html"
KINDS = "(rows) => rows.map((row) => row.dataset.outcome)"
SHOWN = "(rows) => rows.filter((row) => row.getClientRects().length).length"
# Where the mark of a result is, relative to where the claimed side begins, in pixels.
AWAY = """(row) => {
    const [mark, edge] = ['circle, svg path', '.edge'].map(
      part => row.querySelector('.strip').querySelector(part).getBoundingClientRect());
    return mark.x + mark.width / 2 - edge.x - edge.width / 2;
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def published(site) -> list[dict]:
    """The claims of the site's ``claims.json`` without their details."""
    text = (site / "claims.json").read_text(encoding="utf-8")
    return [claim for claim in json.loads(text)["claims"] if not claim["detail_of"]]


def results(published: list[dict], **expected: str) -> list[dict]:
    """The results that were run, with these values."""
    return [
        result | {"claim": claim["id"]}
        for claim in published
        for result in claim["results"]
        if "effect" in result and all(result[name] == value for name, value in expected.items())
    ]


def choose(page, name: str, value: str) -> None:
    page.locator("[data-interactive=claims]").get_by_role(
        "combobox", name=name, exact=True
    ).select_option(value)


def test_every_result_is_drawn_on_the_side_of_its_effect(home, visit, published):
    page, _ = visit(f"{home}/{PAGE}")
    rows = page.locator(".interactive .result")
    drawn = results(published)
    assert rows.evaluate_all(KINDS) == [result["outcome"] for result in drawn]
    for claim in published:
        block = page.locator(f"#claim-{claim['id']}")
        assert block.locator(".statement a").first.inner_text() == claim["statement"]
        assert block.locator(".tested").first.inner_text() == claim["tested"]
    for i, result in enumerate(drawn):
        low, high = result["claimed_range"]
        mean = result["effect"]["mean"]
        expected = mean > low if low is not None else mean < high
        away = rows.nth(i).evaluate(AWAY)
        assert abs(away) < 1 or (away > 0) == expected, result["claim"]


def test_filters_are_worked_by_keyboard_and_counted(home, visit, published):
    page, log = visit(f"{home}/{PAGE}")
    plot = page.locator("[data-interactive=claims]")
    status, rows = plot.locator("[role=status]"), plot.locator(".result")
    outcome = plot.get_by_role("combobox", name="Outcome", exact=True)
    outcome.focus()
    page.keyboard.type("not")
    expected = results(published, outcome="not reproduced")
    assert rows.evaluate_all(SHOWN) == len(expected) > 0
    counted = len({result["claim"] for result in expected})
    assert f"{counted} claims with {len(expected)} results" in status.inner_text()

    choose(page, "Outcome", "")
    choose(page, "Experiment", "images")
    faces = [claim for claim in published if claim["section"] == "images"]
    assert rows.evaluate_all(SHOWN) == len(results(faces))
    data = faces[0]["results"][0]["data"]
    choose(page, "Data", data)
    counts = Counter(result["outcome"] for result in results(faces, data=data))
    for outcome, count in counts.items():
        assert f"{count} {outcome}" in status.inner_text()
    choose(page, "Made by", "paper")
    paper = [claim for claim in faces if claim["in_the_paper"] != "ours"]
    assert rows.evaluate_all(SHOWN) == len(results(paper, data=data))

    page.evaluate("location.hash = '#claim-local-gap'")  # a claim that the filters hide
    page.locator("#claim-local-gap").wait_for()
    assert rows.evaluate_all(SHOWN) == len(results(published))
    assert log.complaints(home) == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(home, visit, mode):
    page, _ = visit(f"{home}/{PAGE}", "phone", mode)
    page.locator(".interactive .section > summary").first.click()
    assert page.evaluate(SIDEWAYS) <= 0
    strip = page.locator(".interactive .strip").first.bounding_box()
    assert strip["width"] > 250


def test_a_phone_shows_the_experiments_closed_until_one_is_asked_for(home, visit, published):
    page, _ = visit(f"{home}/{PAGE}", "phone")
    sections = page.locator(".interactive .section")
    assert (
        sections.evaluate_all("(all) => all.map((one) => one.open)") == [False] * sections.count()
    )
    counted = page.locator(".interactive .section:has(#claim-local-gap) .count").inner_text()
    molecules = [claim for claim in published if claim["section"] == "molecules"]
    assert f"{len(molecules)} claims with {len(results(molecules))} results" in counted

    page, _ = visit(f"{home}/{PAGE}#claim-local-gap", "phone")
    page.locator("#claim-local-gap").wait_for()
    assert sum(page.locator(".section").evaluate_all("(all) => all.map((one) => one.open)")) == 1
    choose(page, "Outcome", "not reproduced")
    rows = page.locator(".interactive .result")
    assert rows.evaluate_all(SHOWN) == len(results(published, outcome="not reproduced"))


def test_it_is_there_without_scripts_and_in_the_single_file(home, one_file, visit, browser):
    context = browser.browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{home}/{PAGE}")
        assert page.locator(".static .strip").first.is_visible()
    finally:
        context.close()
    page, _ = visit(one_file.as_uri())
    plot = page.locator("[data-interactive=claims]")
    assert plot.locator(".strip").count() > 50 and plot.get_by_role("combobox").count() == 5
