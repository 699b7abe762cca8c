"""Pictures of every page of the built book in light, dark and phone width: ``make screenshots``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from devtools import Browser, executable, html_pages, serve

VIEWS = (("light", "desktop", "light"), ("dark", "desktop", "dark"), ("phone", "phone", "light"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", type=Path, default=Path("_build/html"))
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    options = parser.parse_args()
    if executable() is None:
        print("Chromium is not installed (on Debian: apt-get install chromium)", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    with serve(options.site) as home, Browser() as browser:
        for name in html_pages(options.site):
            for view, width, mode in VIEWS:
                path = options.out / f"{name.removesuffix('.html').replace('/', '-')}.{view}.png"
                with browser.page(f"{home}/{name}", width, mode) as page:
                    page.screenshot(path)
                print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
