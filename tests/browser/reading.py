"""Checks of what a reader meets on a page: length, captions, numbers, words, cut code, search.

Each check takes a page in a browser and returns its findings, one string each.  To list the
findings of some pages:

    python tests/browser/reading.py --site _build/html book/intro notebooks/02_language
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chromium import html_pages, launched, missing, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Expressions that slow a reader down, each with its inflections; the house style names plain ones.
BANNED = (
    r"stands?(?!-)",
    r"h(?:old|olds|eld) against",
    r"go(?:es|ing)? on",
    r"t(?:ell|ells|old) (?:\w+ ){0,2}apart",
    r"(?:is|are) told",
    r"leads? to",
    r"at hand",
    r"from nothing",
    r"so do we",
    r"nothing but",
    r"turn(?:s|ed)? over",
    r"the truth about",
)
BANNED_WORDS = re.compile(r"\b(?:" + "|".join(BANNED) + r")\b", re.IGNORECASE)
ASSIGNMENT = re.compile(r"\b(?:preset|seeds|regimes|variants|recompute|data|results|runs) = ")

# Pictures in cards are decoration, and of a picture with two shapes one has the caption.
UNCAPTIONED = """() => {
    const decoration = '.sd-card, .only-phone, mjx-container, noscript, [role=presentation]';
    const pictures = [...document.querySelectorAll('article :is(img, canvas, svg[role=img])')]
      .filter(e => !e.closest(decoration));
    const tables = [...document.querySelectorAll('article table')].filter(
      e => !e.closest('.field-list, .highlighttable, [role=presentation]'));
    return [...pictures, ...tables].map(e => {
      const figure = e.closest('figure');
      const caption = e.querySelector('caption') ?? figure?.querySelector('figcaption');
      const words = (e.alt || e.textContent).trim().replace(/\\s+/g, ' ').slice(0, 50);
      const name = e.tagName.toLowerCase() + ' ' + words;
      if (!caption) return 'no caption: ' + name;
      const text = caption.cloneNode(true);
      text.querySelectorAll('.caption-number, .headerlink').forEach(e => e.remove());
      const sentences = text.textContent.match(/[.?!](?=\\s|$)/g) ?? [];
      return sentences.length < 2 ? 'a caption of less than two sentences: ' + name : null;
    }).filter(finding => finding);
}"""
UNNUMBERED = """() => [...document.querySelectorAll('article :is(figcaption, caption)')].map(
  caption => {
    const text = caption.textContent.trim().slice(0, 50);
    const number = caption.querySelector('.caption-number')?.textContent.trim();
    if (!number) return 'no number: ' + text;
    const id = caption.closest('[id]:is(figure, table, div)')?.id;
    const references = [...document.querySelectorAll('article a[href^="#"] .std-numref')];
    return references.some(e => decodeURIComponent(e.closest('a').hash.slice(1)) == id)
      ? null : 'the text never refers to ' + number;
}).filter(finding => finding)"""
TEXT = """() => {
    const article = document.querySelector('article').cloneNode(true);
    const silent = 'pre, code, script, style, button, .headerlink, mjx-container';
    article.querySelectorAll(silent).forEach(e => e.remove());
    return article.textContent;
}"""
CUT = """(boxes) => [...document.querySelectorAll('article :is(' + boxes + ')')]
    .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
    .map(e => [e.scrollWidth - e.clientWidth, e.textContent.trim().slice(0, 50)])
    .map(([excess, text]) => excess + ' pixels too wide: ' + text)"""
# Visible words of headings, text and captions; of tables, code, formulas and interactives none.
LENGTH = """() => {
    const silent = 'pre, code, script, style, button, table, svg, mjx-container, .headerlink, '
      + '[data-interactive]';
    const article = document.querySelector('article');
    const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    let words = 0;
    while (texts.nextNode()) {
      const around = texts.currentNode.parentElement;
      if (around.checkVisibility() && !around.closest(silent))
        words += (texts.currentNode.data.match(/[\\p{L}\\p{N}]\\S*/gu) ?? []).length;
    }
    return [document.documentElement.scrollHeight, words];
}"""
MOST = (6000, 1200)  # pixels and words of a page at 1280 pixels, its dropdowns closed
# Pages with limits of their own.
LIMITS = {
    "book/intro": (1800, 350),  # two screens
    "book/ten_minutes": (6000, 1300),  # sums up seventeen papers
    "book/claims": (16600, 1600),  # a row for each result of each claim; filters shorten it
}
OPENED = "document.querySelectorAll('details').forEach(part => { part.open = true; })"
SEARCH_IN_VIEW = """() => {
    const entries = '.search-button, .search-button-field, form.bd-search';
    return [...document.querySelectorAll(entries)].map(e => e.getBoundingClientRect()).some(
      b => b.width && b.top >= 0 && b.left >= 0
        && b.bottom <= innerHeight && b.right <= innerWidth);
}"""
DESKTOP = {"width": 1280, "height": 900}
SHEET = {"width": 718, "height": 1047}  # A4 with margins of 1 cm, in CSS pixels
SCREENS = ({"width": 1366, "height": 768}, {"width": 390, "height": 844})


def length(page: Page) -> list[str]:
    """More pixels or words than a page may have, as a reader first sees it."""
    page.set_viewport_size(DESKTOP)
    name = "/".join(page.url.partition("#")[0].removesuffix(".html").split("/")[-2:])
    counts = zip(page.evaluate(LENGTH), LIMITS.get(name, MOST), ("pixels", "words"), strict=True)
    return [f"{count} {unit}, more than {most}" for count, most, unit in counts if count > most]


def captions(page: Page) -> list[str]:
    """Figures and tables without a caption of two or three sentences."""
    return page.evaluate(UNCAPTIONED)


def numbers(page: Page) -> list[str]:
    """Captions without a number, and numbers that the text of the page never refers to."""
    return page.evaluate(UNNUMBERED)


def banned(text: str) -> list[str]:
    """The banned expressions in a text, each with what surrounds it."""
    text = " ".join(text.split())
    return [
        f"... {text[max(match.start() - 30, 0) : match.end() + 20]} ..."
        for match in BANNED_WORDS.finditer(text)
    ]


def words(page: Page) -> list[str]:
    """Banned expressions in what the page says, without its code."""
    return banned(page.evaluate(TEXT))


def code(page: Page) -> list[str]:
    """Code, printed output and tables of interactives that are cut off at 1280 pixels."""
    page.evaluate(OPENED)
    return page.evaluate(CUT, "pre, .interactive .scroll")


def printed(page: Page) -> list[str]:
    """Code and tables that are cut off on a sheet of A4."""
    page.evaluate(OPENED)
    page.emulate_media(media="print")
    page.set_viewport_size(SHEET)
    findings = page.evaluate(CUT, "pre, .cell_output .output, .pst-scrollable-table-container")
    page.emulate_media(media="screen")
    page.set_viewport_size(DESKTOP)
    return findings


def search(page: Page) -> list[str]:
    """Widths at which a reader who opens the page does not see where to search."""
    findings = []
    for screen in SCREENS:
        page.set_viewport_size(screen)
        page.reload()
        if not page.evaluate(SEARCH_IN_VIEW):
            findings.append(f"no search button or field in view at {screen['width']} pixels")
    page.set_viewport_size(DESKTOP)
    return findings


CHECKS: dict[str, Callable[[Page], list[str]]] = {
    check.__name__: check for check in (length, captions, numbers, words, code, printed, search)
}


def excerpts(page: Page) -> list[str]:
    """Search results whose excerpt shows the assignments of a parameters cell instead of prose."""
    page.locator("#search-results li").first.wait_for()
    page.wait_for_load_state("networkidle")  # each excerpt is cut from its page
    return [
        text[:80]
        for text in page.locator("#search-results .context").all_inner_texts()
        if len(ASSIGNMENT.findall(text)) > 1  # one alone may be part of a sentence
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=Path("_build/html"))
    parser.add_argument(
        "pages", nargs="*", help="book/intro notebooks/02_language ...; every page if none is given"
    )
    options = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 2
    names = options.pages or [name.removesuffix(".html") for name in html_pages(options.site)]
    with serve(options.site) as home, launched() as browser:
        for name in names:
            page, _ = browser.open(f"{home}/{name}.html")
            for label, check in CHECKS.items():
                findings = check(page)
                print(f"{name}: {label}: {len(findings)}", *findings, sep="\n    ")
            page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
