"""The built book in a browser with the network closed: everything loads, shows and fits."""

from __future__ import annotations

import base64
import io
import re
import urllib.request
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from chromium import barriers, html_pages

from book._tools import downloads, lecture
from book._tools.contents import pages
from book._tools.single import anchor

ROOT = Path(__file__).resolve().parents[2]
VIEWS = [("desktop", "light"), ("desktop", "dark"), ("phone", "light")]

UNTYPESET = """[...document.querySelectorAll('.math')].filter(
    e => !e.querySelector('mjx-container') || e.querySelector('mjx-merror'))
    .map(e => e.textContent.slice(0, 60))"""
UNLOADED = """[...document.images].filter(i => !(i.complete && i.naturalWidth > 0))
    .map(i => i.src.slice(0, 120))"""
NO_ALT = """[...document.querySelectorAll('article img')].filter(
    i => !i.alt.trim() || i.alt.includes('_images/')).map(i => i.src.slice(0, 80))"""
TOO_WIDE = """(() => {
    const wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= wide) return [];
    return [...document.querySelectorAll('article *')]
      .filter(e => e.getBoundingClientRect().right > wide + 1).slice(0, 5)
      .map(e => e.tagName + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right))
      .concat(['page ' + document.documentElement.scrollWidth + ' > ' + wide]); })()"""


def test_every_page_of_the_contents_is_built(site):
    missing = [page for page in pages(ROOT) if not (site / f"{page}.html").is_file()]
    assert not missing


def test_the_site_is_small(site):
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size < 20e6, f"{size / 1e6:.1f} MB"


@pytest.mark.parametrize("name", [f"{page}.html" for page in pages(ROOT)])
@pytest.mark.parametrize(("width", "mode"), VIEWS)
def test_page(home, visit, name, width, mode):
    page, log = visit(f"{home}/{name}", width, mode)
    assert log.complaints(home) == []
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    assert page.evaluate(UNLOADED) == []
    assert page.evaluate(UNTYPESET) == []
    assert page.evaluate(TOO_WIDE) == []
    if mode == "light" and width == "desktop":
        assert page.evaluate(NO_ALT) == []
        assert page.title().strip()
    assert barriers(page) == []


def test_a_barrier_would_be_found(home, visit):
    page, _ = visit(f"{home}/book/glossary.html")
    pale = '<img src=x><span style="color: #bbb">pale</span>'
    page.locator("article p").first.evaluate(
        "(paragraph, html) => { paragraph.innerHTML = html; }", pale
    )
    assert {barrier.split()[0] for barrier in barriers(page)} == {"image-alt", "color-contrast"}


def test_a_complaint_would_be_heard(home, visit):
    page, log = visit(f"{home}/book/glossary.html")
    assert log.complaints(home) == []
    page.evaluate(
        """async () => {
          console.error('loud');
          setTimeout(() => { throw new Error('thrown'); });
          for (const address of ['/missing.png', 'http://example.com/'])
            await fetch(address).catch(() => 0);
        }"""
    )
    complaints = log.complaints(home)
    for part in (
        "console: loud",
        "exception: thrown",
        "status 404",
        "failed request: http",
        "request to another host",
    ):
        assert [complaint for complaint in complaints if complaint.startswith(part)], part


def test_mathematics_was_there_to_typeset(home, visit):
    page, _ = visit(f"{home}/notebooks/01_linear.html")
    assert page.locator("mjx-container").count() > 0


@pytest.mark.parametrize(("width", "shape"), [("desktop", ""), ("phone", "-phone")])
def test_a_picture_with_two_shapes_shows_the_one_for_this_page(home, visit, width, shape):
    page, _ = visit(f"{home}/book/intro.html", width)
    shown = page.evaluate(
        """[...document.querySelectorAll('article img')].filter(i => i.getClientRects().length)
        .map(i => i.src.split('/').pop())"""
    )
    assert shown == [f"headline{shape}.png"]


@pytest.mark.parametrize("section", ["01_linear", "02_language", "03_images", "04_molecules"])
def test_a_figure_of_several_panels_keeps_its_letters_readable_on_a_phone(home, visit, section):
    page, _ = visit(f"{home}/notebooks/{section}.html", "phone")
    scales = page.evaluate(
        """[...document.querySelectorAll('.cell_output img')].filter(i => i.naturalWidth > 900)
        .map(i => i.clientWidth / i.naturalWidth)"""
    )
    assert scales and min(scales) > 0.55  # drawn at 12 points, 18 pixels: 10 pixels at the least


def test_in_dark_mode_plots_are_dark_and_faces_stay_as_they_are(home, visit):
    page, _ = visit(f"{home}/notebooks/03_images.html", mode="dark")
    shown = page.evaluate(
        """[...document.querySelectorAll('.cell_output img')].filter(i => i.clientWidth)
        .map(i => ['photo' in i.dataset, getComputedStyle(i).filter])"""
    )
    assert [False, "invert(0.92) hue-rotate(180deg)"] in shown
    assert all((style == "none") is photo for photo, style in shown)


def test_dropdowns_are_open_in_print_alone(home, visit):
    page, _ = visit(f"{home}/notebooks/03_images.html")
    count = "document.querySelectorAll('details[open]').length"
    total = page.locator("details").count()  # with those of outputs
    assert page.locator("details.above-output").count() > 0 == page.evaluate(count)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(count) == total
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(count) == 0


@pytest.mark.parametrize("name", ["02_language", "04_molecules"])
def test_no_sheet_of_a_printed_chapter_is_nearly_empty(home, visit, name):
    """Such as one that holds the title of a dropdown, or a caption, alone."""
    import pypdfium2

    page, _ = visit(f"{home}/notebooks/{name}.html")
    with pypdfium2.PdfDocument(io.BytesIO(page.pdf(format="A4"))) as document:
        sheets = [np.asarray(sheet.render(scale=0.5).to_pil().convert("L")) for sheet in document]
    dark = [((sheet < 150).sum(axis=1) > 2).mean() for sheet in sheets[:-1]]  # share of the lines
    assert min(dark) > 0.03, f"sheet {1 + int(np.argmin(dark))}"


SCROLLING = """() => [...document.querySelectorAll('article *')]
    .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
    .filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
    .map(e => [e.tagName, e.tabIndex, getComputedStyle(e, '::before').content])"""


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("book/data", "DIV"),  # a table of a page
        ("notebooks/02_language", "DIV"),  # a table of a notebook
        ("notebooks/01_linear", "MJX-CONTAINER"),  # a formula
        ("book/playground", "DIV"),  # the values of an interactive
    ],
)
def test_what_scrolls_on_a_phone_says_so_and_takes_the_focus(home, visit, name, tag):
    page, _ = visit(f"{home}/{name}.html", "phone")
    boxes = page.evaluate(SCROLLING)
    assert tag in {box[0] for box in boxes}
    assert all(box[1:] == [0, '"↔ scroll sideways"'] for box in boxes), boxes


def test_a_browser_need_not_fetch_the_shape_that_it_does_not_show(site):
    images = re.findall(
        r"<img[^>]*only-(?:wide|phone)[^>]*>",
        (site / "book/intro.html").read_text(encoding="utf-8"),
    )
    assert len(images) == 2 and all('loading="lazy"' in image for image in images)


def test_the_first_page_leads_to_the_book(home, visit):
    page, log = visit(f"{home}/index.html", settled=False)
    page.wait_for_url("**/book/intro.html")  # the page sends the browser on at a moment of its own
    # A slow browser asks for an icon before it is redirected; the redirecting page has none.
    assert [complaint for complaint in log.complaints(home) if "favicon.ico" not in complaint] == []


def test_search_finds_a_word(home, visit):
    page, log = visit(f"{home}/search.html?q=accumulate")
    page.locator("#search-results li").first.wait_for()
    assert log.complaints(home) == []


@pytest.mark.parametrize("name", pages(ROOT))
def test_a_shared_link_has_a_preview(site, name):
    soup = BeautifulSoup((site / f"{name}.html").read_bytes(), "html.parser")
    preview = {tag["property"]: tag["content"] for tag in soup.select("meta[property^='og:']")}
    base = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
    assert preview["og:url"] == f"{base}{name}.html"
    assert preview["og:title"] and len(preview["og:description"]) > 20
    assert (site / preview["og:image"].removeprefix(base)).is_file()
    assert preview["og:image:alt"]


def links(site: Path, name: str, selector: str = "a[href]") -> list[Tag]:
    """The links of a page as it was built."""
    return BeautifulSoup((site / name).read_bytes(), "html.parser").select(selector)


def test_links_inside_the_book_lead_somewhere(site, home):
    broken = []
    for name in html_pages(site):
        targets = {urljoin(f"{home}/{name}", link["href"]) for link in links(site, name)}
        for target in (
            target.removeprefix(home + "/") for target in targets if target.startswith(home)
        ):
            path, _, anchor = target.partition("#")
            file = site / (path.partition("?")[0] or "index.html")
            text = (
                file.read_text(encoding="utf-8")
                if file.suffix == ".html" and file.is_file()
                else ""
            )
            if not file.is_file() or (anchor and text and f'id="{anchor}"' not in text):
                broken.append(f"{name} -> {target}")
    assert broken == []


def test_next_leads_through_the_book_in_the_order_of_the_contents(site, home):
    order = [f"{home}/{name}.html" for name in pages(ROOT)]
    for page, following in zip(order, [*order[1:], None], strict=True):
        targets = [
            urljoin(page, link["href"])
            for link in links(site, page.removeprefix(home + "/"), "a.right-next")
        ]
        assert targets == ([following] if following else []), page


@pytest.mark.parametrize("name", pages(ROOT))
def test_a_page_has_one_title_and_skips_no_level_of_heading(site, name):
    article = BeautifulSoup((site / f"{name}.html").read_bytes(), "html.parser").select_one(
        "article"
    )
    levels = [int(heading.name[1]) for heading in article.find_all(re.compile(r"^h[1-6]$"))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(lower - upper <= 1 for upper, lower in pairwise(levels)), levels


def test_the_first_stop_of_the_keyboard_is_the_link_that_skips_to_the_text(home, visit):
    page, _ = visit(f"{home}/notebooks/02_language.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#main-content') !== null")


@pytest.mark.parametrize(
    "name", [*(page for page in pages(ROOT) if page.startswith("notebooks/")), "book/data"]
)
def test_a_page_offers_its_data(site, home, name):
    section = None if name == "book/data" else name.partition("_")[2]
    expected = downloads.files(ROOT, section)
    offered = links(site, f"{name}.html", "article a.download[download]")
    saved = [link["download"] for link in offered]
    names = [downloads.offered(path).name for path in expected]
    assert [link.text.rpartition("/")[2] for link in offered] == names
    assert any(path.name == "metrics.csv" for path in expected)
    assert saved == [
        "-".join(downloads.offered(path).relative_to(ROOT / "results").parts) for path in expected
    ]
    assert len(set(saved)) == len(saved)
    for link, path in zip(offered, expected, strict=True):
        target = urljoin(f"{home}/{name}.html", link["href"])
        assert target.startswith(home) and target.endswith(f"/{downloads.offered(path).name}")
        with urllib.request.urlopen(target) as answer:
            assert answer.read() == downloads.content(path), f"{target} is not {path}"


@pytest.mark.parametrize("name", [page for page in pages(ROOT) if page.startswith("notebooks/")])
def test_the_colab_button_opens_this_release(site, name):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    slug = repository["url"].removeprefix("https://github.com/")
    expected = (
        f"https://colab.research.google.com/github/{slug}/blob/{repository['branch']}/{name}.ipynb"
    )
    assert expected in [link["href"] for link in links(site, f"{name}.html", "a[href*=colab]")]


@pytest.mark.parametrize(("width", "mode"), VIEWS)
def test_the_single_file_opens_from_the_disk_and_needs_nothing_else(one_file, visit, width, mode):
    page, log = visit(one_file.as_uri(), width, mode)
    assert log.complaints(one_file.as_uri()) == []
    assert {address.partition(":")[0] for address in log.requests} <= {"file", "data", "blob"}
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    assert page.evaluate(UNLOADED) == []
    assert page.evaluate(UNTYPESET) == []
    assert page.locator("mjx-container").count() > 100
    assert page.evaluate(TOO_WIDE) == []
    assert barriers(page) == []


def test_the_single_file_holds_every_page_and_every_link_in_it_leads_somewhere(one_file, visit):
    page, _ = visit(one_file.as_uri(), settled=False)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    links = page.evaluate(
        "[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href').slice(0, 120))"
    )
    data = page.evaluate(
        "[...document.querySelectorAll('a.download')].map(a => [a.download, a.href])"
    )
    assert len(ids) == len(set(ids))
    sets = ".sd-tab-set"
    assert page.locator(sets).count() == page.locator(f"{sets} > input:checked").count() > 0
    assert {anchor(name) for name in pages(ROOT)} <= set(ids)
    assert [
        link for link in links if not link.startswith(("#", "data:", "https://", "http://"))
    ] == []
    assert [link for link in links if link.startswith("#") and link[1:] not in ids] == []
    offered = {(name, base64.b64decode(address.partition(",")[2])) for name, address in data}
    drawn = {Path(name).name: content for name, content in lecture.files(ROOT).items()}
    assert offered == {*drawn.items()} | {
        (downloads.saved_as(downloads.offered(path).relative_to(ROOT)), downloads.content(path))
        for path in downloads.files(ROOT)
    }
