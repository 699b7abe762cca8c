"""Headless Chromium over the DevTools protocol: what a reader's browser sees, with the network closed.

The only dependency is tornado, which comes with Jupyter.  Each page is opened in a fresh tab of one browser.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import http.server
import json
import math
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # any other host is unreachable
    "--remote-debugging-port=0",
)
WIDTHS = {"desktop": (1280, 900, False), "phone": (390, 844, True)}


def executable() -> str | None:
    """The path of a Chromium, or None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """``folder`` on 127.0.0.1; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Browser:
    """A running Chromium.  Use as a context manager."""

    def __enter__(self) -> Browser:
        self.profile = tempfile.mkdtemp(prefix="book-browser-")
        command = [executable(), *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.loop = asyncio.new_event_loop()
        self.events: list[dict] = []
        self.number = 0
        try:
            port_file, deadline = Path(self.profile) / "DevToolsActivePort", time.monotonic() + 60
            while not (port_file.is_file() and len(port_file.read_text().splitlines()) == 2):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("Chromium did not start")
                time.sleep(0.05)
            port, path = port_file.read_text().splitlines()
            address = f"ws://127.0.0.1:{port}{path}"
            self.socket = self._wait(lambda: websocket_connect(address, max_message_size=256 * 2**20), 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        with contextlib.suppress(Exception):
            self.call("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.loop.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _wait(self, start: Callable[[], Any], timeout: float) -> Any:
        """Run an asynchronous call to its end; ``start`` is called inside the loop, to which its future belongs."""

        async def call() -> Any:
            return await asyncio.wait_for(start(), timeout)

        return self.loop.run_until_complete(call())

    def _read(self, timeout: float) -> dict | None:
        try:
            message = self._wait(self.socket.read_message, timeout)
        except TimeoutError:
            return None
        if message is None:
            raise RuntimeError("Chromium has gone")
        return json.loads(message)

    def call(self, method: str, session: str | None = None, timeout: float = 60, **parameters: Any) -> dict:
        """Send a command and wait for its answer; events that arrive meanwhile are kept."""
        self.number += 1
        number, message = self.number, {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._wait(lambda: self.socket.write_message(json.dumps(message)), timeout)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            answer = self._read(left)
            if answer and answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer and "method" in answer:
                self.events.append(answer)
        raise TimeoutError(f"{method} was not answered within {timeout:.0f} s")

    @contextlib.contextmanager
    def page(self, address: str, width: str = "desktop", mode: str = "light") -> Iterator[Page]:
        """A tab at ``address``, loaded, typeset and scrolled through; closed afterwards."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            page = Page(self, session)
            page.open(address, width, mode)
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str):
        self.browser, self.session = browser, session

    def call(self, method: str, **parameters: Any) -> dict:
        return self.browser.call(method, self.session, **parameters)

    def events(self, method: str) -> list[dict]:
        """The events of that name which this tab has sent."""
        mine = [event for event in self.browser.events if event.get("sessionId") == self.session]
        return [event["params"] for event in mine if event["method"] == method]

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def resize(self, wide: int, high: int, mobile: bool) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=mobile)

    def open(self, address: str, width: str, mode: str) -> None:
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.width = WIDTHS[width]
        self.resize(*self.width)
        store = f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')"
        self.call("Page.addScriptToEvaluateOnNewDocument", source=f"try {{ {store} }} catch (e) {{}}")
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + 60
        while not self.events("Page.loadEventFired"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{address} has not loaded")
            self.evaluate("1")
            time.sleep(0.02)
        self.evaluate("window.MathJax?.startup?.promise ?? true")
        self.evaluate(
            """(async () => {
              for (const image of document.images) image.loading = 'eager';
              for (let y = 0; y < document.documentElement.scrollHeight; y += 700) {
                window.scrollTo(0, y); await new Promise(done => setTimeout(done, 10));
              }
              window.scrollTo(0, 0);
              await Promise.race([
                Promise.all([...document.images].map(image => image.decode().catch(() => 0))),
                new Promise(done => setTimeout(done, 10000))]);
              await document.fonts.ready;
            })()"""
        )
        self.evaluate("new Promise(done => setTimeout(done, 150))")  # let late requests and errors arrive

    def complaints(self, home: str) -> list[str]:
        """What went wrong while loading: script errors, console errors, requests that failed or left ``home``."""
        found = []
        for event in self.events("Runtime.exceptionThrown"):
            details = event["exceptionDetails"]
            what = details.get("exception", {}).get("description", details["text"])
            found.append(f"exception: {what[:200]} at {details.get('url')}:{details.get('lineNumber')}")
        for event in self.events("Runtime.consoleAPICalled"):
            if event["type"] in ("error", "assert"):
                found.append("console: " + " ".join(str(a.get("value", a.get("description"))) for a in event["args"]))
        for event in self.events("Log.entryAdded"):
            if event["entry"]["level"] == "error":
                found.append(f"log: {event['entry']['text']} {event['entry'].get('url', '')}")
        for event in self.events("Network.requestWillBeSent"):
            if not event["request"]["url"].startswith((home, "data:", "blob:", "about:")):
                found.append(f"request to another host: {event['request']['url']}")
        for event in self.events("Network.responseReceived"):
            if event["response"]["status"] >= 400:
                found.append(f"status {event['response']['status']}: {event['response']['url']}")
        for event in self.events("Network.loadingFailed"):
            if not event.get("canceled"):
                found.append(f"failed request: {event['errorText']}")
        return found

    def screenshot(self, path: Path) -> None:
        """The whole page as a PNG (at most 12,000 pixels high): the window is made as high as the page."""
        wide, _, mobile = self.width
        high = min(math.ceil(self.call("Page.getLayoutMetrics")["cssContentSize"]["height"]), 12000)
        self.resize(wide, high, mobile)
        self.evaluate("new Promise(done => setTimeout(done, 200))")
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


def html_pages(site: Path) -> list[str]:
    """Every page of the built book, as a path under ``site``, the ones Sphinx makes for itself left out."""
    own = {"genindex.html", "search.html", "index.html"}
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts)
    return [page for page in pages if page not in own]
