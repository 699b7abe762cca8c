"""The reader's browser: an installed Chromium, driven by Playwright, that reaches no other host.

Nothing here downloads a browser.  ``find`` looks for one, ``launched`` starts it, and
``Chromium.open`` opens a page.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import importlib.util
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # any other host is unreachable
)
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WIDTHS: dict[str, dict[str, Any]] = {"desktop": DESKTOP, "phone": PHONE}

TIMEOUT = 30_000  # milliseconds that a step may take before it fails

# Wait until mathematics is typeset, lazy pictures are loaded and no script is running.
SETTLE = """() => (async () => {
    await (window.MathJax?.startup?.promise ?? true);
    for (const image of document.images) image.loading = 'eager';
    window.scrollTo(0, document.documentElement.scrollHeight);
    await new Promise(done => requestAnimationFrame(done));
    window.scrollTo(0, 0);
    await Promise.race([
        Promise.all([...document.images].map(image => image.decode().catch(() => 0))),
        new Promise(done => setTimeout(done, 10000))]);
    await document.fonts.ready;
    await new Promise(done => requestIdleCallback(done));
})().then(() => { document.documentElement.dataset.settled = ''; }) && null"""
SETTLED = "html[data-settled]"

# Folded code is read too, once it has faded in.
OPENED = """() => {
    document.querySelectorAll('details').forEach(part => { part.open = true; });
    document.getAnimations().forEach(animation => animation.finish());
}"""
AXE = {"resultTypes": ["violations"], "preload": False}  # style sheets need no second download


def find() -> str | None:
    """The path of an installed Chromium or Chrome; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def missing() -> str | None:
    """What the browser tests lack on this machine, and how to get it; None if they can run."""
    for package in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed (pip install --editable '.[browser]')"
    if find() is None:
        return "no Chromium or Chrome was found (Debian: apt-get install chromium)"
    return None


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve ``folder`` on 127.0.0.1; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # one connection for many files

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "max-age=3600")  # fetched once
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Log:
    """What one page requested, and what went wrong on it so far."""

    requests: list[str] = field(default_factory=list)  # addresses
    errors: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        page.on("console", self._console)
        page.on("response", self._response)
        page.on("requestfailed", self._failed)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "assert"):
            self.errors.append(f"console: {message.text} {message.location.get('url', '')}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.errors.append(f"status {response.status}: {response.url}")

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page itself changed its mind
            self.errors.append(f"failed request: {request.url} {request.failure}")

    def complaints(self, home: str) -> list[str]:
        """Script errors, console errors, requests that failed, and requests that left ``home``."""
        own = (home, "data:", "blob:", "about:")
        strange = [address for address in self.requests if not address.startswith(own)]
        return self.errors + [f"request to another host: {address}" for address in strange]


class Chromium:
    """A running browser.  Pages of one width and mode share a context, and with it the cache."""

    def __init__(self, browser: Browser):
        self.browser = browser
        self.contexts: dict[tuple[str, str], BrowserContext] = {}

    def open(
        self, address: str, width: str = "desktop", mode: str = "light", settled: bool = True
    ) -> tuple[Page, Log]:
        """A new page at ``address``, and the log of what happened on it.

        Parameters
        ----------
        width : a key of ``WIDTHS``: "desktop" (1280 pixels) or "phone" (390 pixels).
        mode : "light" or "dark", the preference of the reader's system.
        settled : wait until mathematics, pictures and fonts are drawn, not only for the load event.
        """
        if (width, mode) not in self.contexts:
            context = self.browser.new_context(**WIDTHS[width], color_scheme=mode)
            context.set_default_timeout(TIMEOUT)
            self.contexts[width, mode] = context
        page, log = self.contexts[width, mode].new_page(), Log()
        log.follow(page)
        page.goto(address, wait_until="load")
        if settled:
            page.evaluate(SETTLE)  # returns at once; unlike a script, the wait has a time limit
            page.locator(SETTLED).wait_for(state="attached")
        return page, log


@contextlib.contextmanager
def launched() -> Iterator[Chromium]:
    """A running Chromium, closed at the end.

    While it runs, Playwright's event loop is the running loop of this thread, and other code that
    uses asyncio fails.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        try:
            yield Chromium(browser)
        finally:
            browser.close()


def barriers(page: Page, part: str | None = None) -> list[str]:
    """What axe-core finds serious or critical for readers who do not see well or use no mouse.

    Looks at what the selector ``part`` matches, or at the whole page.
    """
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(OPENED)
    return [
        f"{rule['id']} {node['target']}: {[check['message'] for check in node['any']][:1]}"
        for rule in Axe().run(page, context=part, options=AXE).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def html_pages(site: Path) -> list[str]:
    """Every page of the built book, as a path under ``site``, without Sphinx's own pages."""
    own = {"genindex.html", "search.html", "index.html"}
    paths = sorted(
        path.relative_to(site) for path in site.rglob("*.html") if "_static" not in path.parts
    )
    return [path.as_posix() for path in paths if path.as_posix() not in own]
