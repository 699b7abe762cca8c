"""The built book in a browser with the network closed: everything loads, shows and fits, also on a phone."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import re
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from devtools import Browser, executable, html_pages, serve

from book._tools.build import build
from book._tools.contents import pages
from book._tools.downloads import files, saved_as
from book._tools.single import anchor, single

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(executable() is None, reason="Chromium is not installed (apt-get install chromium)")

UNTYPESET = """[...document.querySelectorAll('.math')].filter(
    e => !e.querySelector('mjx-container') || e.querySelector('mjx-merror')).map(e => e.textContent.slice(0, 60))"""
UNLOADED = "[...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.src.slice(0, 120))"
NO_ALT = """[...document.querySelectorAll('article img')].filter(
    i => !i.alt.trim() || i.alt.includes('_images/')).map(i => i.src.slice(0, 80))"""
TOO_WIDE = """(() => { const wide = document.documentElement.clientWidth;
    return document.documentElement.scrollWidth <= wide ? [] : [...document.querySelectorAll('article *')]
      .filter(e => e.getBoundingClientRect().right > wide + 1).slice(0, 5)
      .map(e => e.tagName + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right)).concat(
        ['page ' + document.documentElement.scrollWidth + ' > ' + wide]); })()"""

BARRIERS = """(async () => {
    document.querySelectorAll('details').forEach(part => { part.open = true; });  // folded code is read too
    const found = await axe.run(document, {resultTypes: ['violations']});
    return found.violations.filter(rule => ['serious', 'critical'].includes(rule.impact)).flatMap(
      rule => rule.nodes.map(node => rule.id + ' ' + node.target.join(' ') + ': ' + node.any.map(a => a.message)[0]));
    })()"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The accessibility checker axe-core; the package around it drives browsers that are not used here."""
    package = importlib.util.find_spec("axe_core_python")
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The published book, built from what is committed."""
    output = tmp_path_factory.mktemp("site")
    return build(ROOT, "site", committed=True, output=output).parent


@pytest.fixture(scope="module")
def home(site):
    with serve(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


def test_every_page_of_the_contents_is_built(site):
    missing = [page for page in pages(ROOT) if not (site / f"{page}.html").is_file()]
    assert not missing


def test_the_site_is_small(site):
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size < 20e6, f"{size / 1e6:.1f} MB"


@pytest.mark.parametrize("name", [f"{page}.html" for page in pages(ROOT)])
@pytest.mark.parametrize(("width", "mode"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")])
def test_page(home, browser, axe, name, width, mode):
    with browser.page(f"{home}/{name}", width, mode) as page:
        assert page.complaints(home) == []
        assert page.evaluate("document.documentElement.dataset.theme") == mode
        assert page.evaluate(UNLOADED) == []
        assert page.evaluate(UNTYPESET) == []
        assert page.evaluate(TOO_WIDE) == []
        if mode == "light" and width == "desktop":
            assert page.evaluate(NO_ALT) == []
            assert page.evaluate("document.title").strip()
        page.evaluate(f"{axe}; true")
        assert page.evaluate(BARRIERS) == []


def test_a_barrier_would_be_found(home, browser, axe):
    with browser.page(f"{home}/book/glossary.html") as page:
        script = "document.querySelector('article p').innerHTML = '<img src=x><span style=\"color: #bbb\">pale</span>'"
        page.evaluate(f"{axe}; {script}")
        assert {found.split()[0] for found in page.evaluate(BARRIERS)} == {"image-alt", "color-contrast"}


def test_mathematics_was_there_to_typeset(home, browser):
    with browser.page(f"{home}/book/intro.html") as page:
        assert page.evaluate("document.querySelectorAll('mjx-container').length") > 0


@pytest.mark.parametrize(("width", "shape"), [("desktop", ""), ("phone", "-phone")])
def test_a_picture_with_two_shapes_shows_the_one_for_this_page(home, browser, width, shape):
    with browser.page(f"{home}/book/intro.html", width) as page:
        shown = page.evaluate(
            """[...document.querySelectorAll('article img')].filter(i => i.getClientRects().length)
            .map(i => i.src.split('/').pop())"""
        )
        assert shown == [f"headline{shape}.png", f"regimes{shape}.png"]


@pytest.mark.parametrize("section", ["01_linear", "02_language", "03_images", "04_molecules"])
def test_a_figure_of_several_panels_keeps_its_letters_readable_on_a_phone(home, browser, section):
    with browser.page(f"{home}/notebooks/{section}.html", "phone") as page:
        page.evaluate("document.querySelectorAll('article img').forEach(i => i.loading = 'eager'); true")
        scales = page.evaluate(
            """[...document.querySelectorAll('.cell_output img')].filter(i => i.naturalWidth > 900)
            .map(i => i.clientWidth / i.naturalWidth)"""
        )
        assert scales and min(scales) > 0.55  # drawn at 12 points, 18 pixels: 10 pixels at the least


def test_a_browser_need_not_fetch_the_shape_that_it_does_not_show(site):
    images = re.findall(r"<img[^>]*only-(?:wide|phone)[^>]*>", (site / "book/intro.html").read_text(encoding="utf-8"))
    assert len(images) == 4 and all('loading="lazy"' in image for image in images)


def test_the_first_page_leads_to_the_book(home, browser):
    with browser.page(f"{home}/index.html") as page:
        where = ""
        for _ in range(500):  # the page sends the browser on at a moment of its own
            with contextlib.suppress(RuntimeError):  # between two pages there is nothing to ask
                where = page.evaluate("location.pathname")
            if where == "/book/intro.html":
                break
            time.sleep(0.02)
        assert where == "/book/intro.html"
        # A slow browser asks for an icon before it is sent on; the page that sends it has none, and needs none.
        assert [told for told in page.complaints(home) if "favicon.ico" not in told] == []


def test_search_finds_a_word(home, browser):
    with browser.page(f"{home}/search.html?q=accumulate") as page:
        script = """new Promise(done => { let left = 100; const look = () => {
            const found = document.querySelectorAll('#search-results li').length;
            (found || !left--) ? done(found) : setTimeout(look, 50); }; look(); })"""
        assert page.evaluate(script) > 0
        assert page.complaints(home) == []


def test_links_inside_the_book_lead_somewhere(site, home, browser):
    broken = []
    for name in html_pages(site):
        with browser.page(f"{home}/{name}") as page:
            links = page.evaluate(
                "[...document.querySelectorAll('a[href]')].map(a => a.href).filter(h => h.startsWith(location.origin))"
            )
        for link in {link.removeprefix(home + "/") for link in links}:
            path, _, anchor = link.partition("#")
            file = site / (path.partition("?")[0] or "index.html")
            text = file.read_text(encoding="utf-8") if file.suffix == ".html" and file.is_file() else ""
            if not file.is_file() or (anchor and text and f'id="{anchor}"' not in text):
                broken.append(f"{name} -> {link}")
    assert broken == []


@pytest.mark.parametrize("name", [*(page for page in pages(ROOT) if page.startswith("notebooks/")), "book/data"])
def test_a_page_offers_its_data(home, browser, name):
    section = None if name == "book/data" else name.partition("_")[2]
    wanted = files(ROOT, section)
    with browser.page(f"{home}/{name}.html") as page:
        links = page.evaluate("[...document.querySelectorAll('article a.download[download]')].map(a => a.href)")
        texts = page.evaluate("[...document.querySelectorAll('article a.download[download]')].map(a => a.textContent)")
        saved = page.evaluate("[...document.querySelectorAll('article a.download[download]')].map(a => a.download)")
    assert [text.rpartition("/")[2] for text in texts] == [path.name for path in wanted]
    assert any(path.name == "metrics.csv" for path in wanted)
    assert saved == ["-".join(path.relative_to(ROOT / "results").parts) for path in wanted]
    assert len(set(saved)) == len(saved)
    for link, path in zip(links, wanted, strict=True):
        assert link.startswith(home) and link.endswith(f"/{path.name}")
        with urllib.request.urlopen(link) as answer:
            assert answer.read() == path.read_bytes(), f"{link} is not {path}"


@pytest.mark.parametrize("name", [page for page in pages(ROOT) if page.startswith("notebooks/")])
def test_the_colab_button_opens_this_release(home, browser, name):
    import yaml

    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    slug = repository["url"].removeprefix("https://github.com/")
    wanted = f"https://colab.research.google.com/github/{slug}/blob/{repository['branch']}/{name}.ipynb"
    with browser.page(f"{home}/{name}.html") as page:
        assert wanted in page.evaluate("[...document.querySelectorAll('a[href*=colab]')].map(a => a.href)")


@pytest.fixture(scope="module")
def one_file(site, tmp_path_factory) -> Path:
    """The whole book as one file, alone in a folder."""
    return single(ROOT, site, tmp_path_factory.mktemp("single") / "book.html")


@pytest.mark.parametrize(("width", "mode"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")])
def test_the_single_file_opens_from_the_disk_and_needs_nothing_else(one_file, browser, axe, width, mode):
    with browser.page(one_file.as_uri(), width, mode) as page:
        assert page.complaints(one_file.as_uri()) == []
        loaded = {event["request"]["url"].partition(":")[0] for event in page.events("Network.requestWillBeSent")}
        assert loaded <= {"file", "data", "blob"}
        assert page.evaluate(UNLOADED) == []
        assert page.evaluate(UNTYPESET) == []
        assert page.evaluate("document.querySelectorAll('mjx-container').length") > 100
        assert page.evaluate(TOO_WIDE) == []
        page.evaluate(f"document.documentElement.dataset.theme = '{mode}'; {axe}; true")
        assert page.evaluate(BARRIERS) == []


def test_the_single_file_holds_every_page_and_every_link_in_it_leads_somewhere(one_file, browser):
    with browser.page(one_file.as_uri()) as page:
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        links = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href').slice(0, 120))")
        data = page.evaluate("[...document.querySelectorAll('a.download')].map(a => [a.download, a.href])")
    assert len(ids) == len(set(ids))
    assert {anchor(name) for name in pages(ROOT)} <= set(ids)
    assert [link for link in links if not link.startswith(("#", "data:", "https://", "http://"))] == []
    assert [link for link in links if link.startswith("#") and link[1:] not in ids] == []
    offered = {(name, base64.b64decode(address.partition(",")[2])) for name, address in data}
    opening = ROOT / "book" / "_generated" / "headline.png"  # the front page offers its figure, too
    assert offered == {(saved_as(path.relative_to(ROOT)), path.read_bytes()) for path in [*files(ROOT), opening]}
