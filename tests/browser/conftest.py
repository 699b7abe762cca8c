"""Fixtures of the browser tests: the built book, its address, and pages of it in a Chromium.

Without a Chromium these tests are skipped.  With COLLAPSE_BROWSER=required, as in the workflow,
they fail.  COLLAPSE_SITE names a folder with the built book; without it, the book is built first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import chromium

from book._tools.build import build
from book._tools.single import single

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The published book, built from what is committed."""
    if built := os.environ.get("COLLAPSE_SITE"):
        return Path(built)
    return build(ROOT, "site", committed=True, output=tmp_path_factory.mktemp("site")).parent


@pytest.fixture(scope="session")
def home(site) -> Iterator[str]:
    """The address of the published book."""
    with chromium.serve(site) as address:
        yield address


@pytest.fixture(scope="module")
def one_file(browser, site, tmp_path_factory) -> Path:  # nothing is joined without a browser
    """The whole book as one file, alone in a folder."""
    return single(ROOT, site, tmp_path_factory.mktemp("single") / "book.html")


@pytest.fixture(scope="module")  # not "session": see chromium.launched
def browser() -> Iterator[chromium.Chromium]:
    """A running Chromium."""
    if reason := chromium.missing():
        (pytest.fail if os.environ.get("COLLAPSE_BROWSER") == "required" else pytest.skip)(reason)
    with chromium.launched() as running:
        yield running


@pytest.fixture
def visit(browser) -> Iterator[Callable]:
    """``visit(address, width, mode, settled)``: a Playwright page and its log, for one test."""
    opened = []

    def visit(*args, **options):
        opened.append(browser.open(*args, **options))
        return opened[-1]

    yield visit
    for page, _ in opened:
        page.close()


def pytest_terminal_summary(terminalreporter):
    """Say in one line that the browser tests were skipped."""
    skipped = [report.nodeid for report in terminalreporter.stats.get("skipped", ())]
    count = sum("/browser/" in name for name in skipped)
    if count and (reason := chromium.missing()):
        terminalreporter.write_line(f"{count} browser tests were skipped: {reason}", yellow=True)
