"""Pictures of every page of the book in light, dark, phone width and print: ``make screenshots``.

A page is one picture, however long it is.  Its print is a PDF and a picture of each sheet of A4.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chromium import Chromium, html_pages, launched, missing, serve

VIEWS = {"light": ("desktop", "light"), "dark": ("desktop", "dark"), "phone": ("phone", "light")}
DOTS_PER_POINT = 1.5  # 108 dpi: small print can be read
MARGIN = dict.fromkeys(("top", "right", "bottom", "left"), "1cm")  # as browsers print


def picture(chromium: Chromium, address: str, view: str, path: Path) -> None:
    """The whole page as a PNG."""
    page, _ = chromium.open(address, *VIEWS[view])
    page.screenshot(path=path, full_page=True, animations="disabled")
    page.close()


def print_out(chromium: Chromium, address: str, path: Path) -> None:
    """The page as a printer gets it: a PDF, and beside it one PNG a sheet."""
    import pypdfium2

    page, _ = chromium.open(address)
    page.pdf(path=path, format="A4", print_background=True, margin=MARGIN)
    page.close()
    with pypdfium2.PdfDocument(path) as document:
        for number, sheet in enumerate(document, start=1):
            sheet.render(scale=DOTS_PER_POINT).to_pil().save(path.with_suffix(f".{number:02d}.png"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=Path("_build/html"))
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"))
    parser.add_argument(
        "pages", nargs="*", help="book/intro notebooks/02_language ...; every page if none is given"
    )
    options = parser.parse_args()
    if reason := missing():
        print(reason, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    names = [f"{page.removesuffix('.html')}.html" for page in options.pages] or html_pages(
        options.site
    )
    with serve(options.site) as home, launched() as chromium:
        for name in names:
            stem = options.out / name.removesuffix(".html").replace("/", "-")
            for view in VIEWS:
                picture(chromium, f"{home}/{name}", view, stem.with_suffix(f".{view}.png"))
            print_out(chromium, f"{home}/{name}", stem.with_suffix(".print.pdf"))
            print(stem, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
