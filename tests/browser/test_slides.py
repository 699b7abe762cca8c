"""The slides in a browser: every main figure, by keyboard, on a phone, in print, from the disk."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from chromium import barriers, serve

from book._tools import lecture

ROOT = Path(__file__).resolve().parents[2]
SIZES = "(all) => all.map((image) => [image.naturalWidth, image.alt.length])"
FITS = """() => [...document.querySelectorAll('section')].every((slide) =>
    slide.scrollHeight <= slide.clientHeight + 1 && slide.scrollWidth <= slide.clientWidth + 1)"""


@pytest.fixture(scope="module")
def slides(site):
    with serve(site) as home:
        yield f"{home}/{lecture.SLIDES}"


def shown(page) -> list[str]:
    """The slides that are in view."""
    return [one.get_attribute("id") for one in page.locator("section:visible").all()]


def test_the_keyboard_and_the_buttons_move_through_the_slides(slides, visit):
    page, log = visit(slides)
    figures = sorted((ROOT / lecture.FOLDER).glob("*.svg"))
    last = len(figures) + 1  # and one slide for the book
    assert shown(page) == ["slide-1"]
    for key, place in (("ArrowRight", 2), ("PageDown", 3), ("ArrowLeft", 2), ("Home", 1)):
        page.keyboard.press(key)
        assert shown(page) == [f"slide-{place}"]
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert shown(page) == [f"slide-{last}"]
    assert page.locator("output").inner_text() == f"{last} / {last}"
    page.get_by_role("button", name="Back").press("Enter")
    assert shown(page) == [f"slide-{last - 1}"]
    page.reload()
    assert shown(page) == [f"slide-{last - 1}"]
    sizes = page.locator("section img").evaluate_all(SIZES)
    assert len(sizes) == len(figures) and all(width and alt for width, alt in sizes)
    lines = page.locator("section .licence").all_text_contents()
    assert lines == [lecture.licence(ROOT)] * last
    assert log.complaints(slides.removesuffix(f"/{lecture.SLIDES}")) == []


@pytest.mark.parametrize(
    ("width", "mode"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]
)
def test_a_slide_is_readable(slides, visit, width, mode):
    page, _ = visit(slides, width, mode)
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert barriers(page) == []


def test_print_has_one_sheet_for_each_slide(slides, visit):
    import pypdfium2

    page, _ = visit(slides)
    count = page.locator("section").count()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1047, "height": 718})  # A4 across, with margins of 1 cm
    assert page.evaluate(FITS)
    with pypdfium2.PdfDocument(io.BytesIO(page.pdf(prefer_css_page_size=True))) as document:
        assert len(document) == count


def test_the_slides_open_from_the_disk(site, visit):
    page, log = visit((site / lecture.SLIDES).as_uri())
    page.keyboard.press("End")
    assert page.locator("section:visible img").count() == 1
    assert log.complaints("file:") == []
