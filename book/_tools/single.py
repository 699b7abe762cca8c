"""The built book as one HTML file, with every page, picture, style sheet and table inside.

It is made from the pages of the built site, so that both have the same content.  The file needs
neither a network nor other files; a browser can show and print it.
"""

from __future__ import annotations

import base64
import html
import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from collapse_utils.durable.files import write_text
from collapse_utils.errors import InputError

from .build import mathjax_folder
from .contents import built_page, page_title, pages
from .interactive import FOLDER

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

ID_ATTRIBUTES = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
REMOVED = "script:not([type='application/json']), a.headerlink"  # JSON has an interactive's data
IMPORT = re.compile(r"""@import\s+(?:url\()?['"]([^'"]+)['"]\)?\s*;""")
URL = re.compile(r"""url\(\s*(['"]?)(?!data:)([^'")]+)\1\s*\)""")
STYLE = """
body { max-width: 60rem; margin: 0 auto; padding: 1rem; display: block; }
.bd-article { padding: 1rem 0 3rem; break-before: page; }
.bd-article + .bd-article { border-top: 1px solid var(--pst-color-border); }
mjx-container[jax="SVG"] > svg { max-width: none; }
"""
# The theme's style sheets read the reader's choice of light or dark from this attribute.
COLOUR_MODE = (
    "document.documentElement.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches "
    "? 'dark' : 'light';"
)
OWN_SCRIPTS = f"script[src*='/reach.js'], script[src*='/{FOLDER}/']"


def data_uri(path: Path) -> str:
    """A file as an address that contains its content."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def style_sheet(path: Path) -> str:
    """A style sheet with the files that it imports; of fonts only the compact format."""

    def embedded(match: re.Match) -> str:
        file = path.parent / urlsplit(match[2]).path
        return (
            f"url({data_uri(file)})" if file.is_file() and file.suffix != ".ttf" else "url(data:,)"
        )

    text = URL.sub(embedded, path.read_text(encoding="utf-8"))
    return IMPORT.sub(lambda match: style_sheet(path.parent / match[1]), text)


def anchor(page: str, name: str = "") -> str:
    """The id of a page in the single file, or of the element ``name`` on it; the ids of several
    pages are often the same.
    """
    return page.replace("/", "-") + (f"--{name}" if name else "")


def link_target(site: Path, names: list[str], page: str, address: str) -> str | None:
    """The address of a link in the single file; None for a page that the file lacks."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return address
    file = (site / page).parent / unquote(parts.path) if parts.path else site / f"{page}.html"
    name = file.resolve().relative_to(site.resolve()).as_posix()
    if name.removesuffix(".html") in names:
        return "#" + anchor(name.removesuffix(".html"), parts.fragment)
    return data_uri(file) if file.is_file() and file.suffix != ".html" else None


def article(site: Path, names: list[str], page: str, soup: BeautifulSoup) -> Tag:
    """The text of a page, with ids and links that fit the single file."""
    text = soup.select_one("article.bd-article")
    for tag in text.select(REMOVED):
        tag.decompose()
    for tag in text.find_all(id=True):
        tag["id"] = anchor(page, tag["id"])
    for tag in text.select("input[type=radio][name]"):  # of the tabs of this page alone
        tag["name"] = anchor(page, tag["name"])
    for name in ID_ATTRIBUTES:
        for tag in text.find_all(attrs={name: True}):
            tag[name] = " ".join(anchor(page, part) for part in tag[name].split())
    for tag in text.select("img[src]"):
        tag["src"] = link_target(site, names, page, tag["src"])
    for tag in text.select("a[href]"):
        if tag.has_attr("download"):
            tag["download"] = tag["download"] or unquote(Path(tag["href"]).name)
        address = link_target(site, names, page, tag["href"])
        if address is None or (address.startswith("data:image/") and tag.img):
            tag.unwrap()  # the link of a picture is to the picture itself
        else:
            tag["href"] = address
    text["id"] = anchor(page)
    return text


def files_of(
    site: Path, soups: dict[str, BeautifulSoup], selector: str, attribute: str
) -> list[Path]:
    """The files that the pages load by the tags of ``selector``, each once, in page order."""
    paths = [
        (site / name).parent / urlsplit(tag[attribute]).path
        for name, soup in soups.items()
        for tag in soup.select(selector)
    ]
    return list(dict.fromkeys(path.resolve() for path in paths))


def script(text: str) -> str:
    """A script element, in which nothing looks like the markup of the page around it."""
    return (
        "<script>" + text.replace("</script", "<\\/script").replace("<!--", "<\\!--") + "</script>"
    )


def single(root: Path, site: Path, output: Path) -> Path:
    """Write the book that was built into ``site`` as one file.

    Raises
    ------
    InputError : a page of the table of contents is missing.
    """
    names = pages(root)
    missing = [name for name in names if not (site / f"{name}.html").is_file()]
    if missing:
        raise InputError(
            "--site", str(site), f"a built book with the page {missing[0]}.html: make site"
        )
    soups = {name: built_page(site, name) for name in names}
    sheets = files_of(site, soups, "link[rel=stylesheet]", "href")
    scripts = files_of(site, soups, OWN_SCRIPTS, "src")
    settings = [
        tag.string
        for tag in soups[names[0]].select("script")
        if (tag.string or "").startswith("window.MathJax")
    ]
    titles = {name: html.escape(page_title(soup)) for name, soup in soups.items()}
    entries = "".join(
        f'<li><a href="#{anchor(name)}">{title}</a></li>' for name, title in titles.items()
    )
    parts = [
        "<!DOCTYPE html>\n"
        '<html lang="en" data-theme="light">\n'
        "<head>\n"
        '<meta charset="utf-8">\n'
        f"<title>{titles[names[0]]}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        *(f"<style>{style_sheet(sheet)}</style>" for sheet in sheets),
        f"<style>{STYLE}</style>",
        script(COLOUR_MODE),
        *(script(text) for text in settings),
        "</head>\n<body>",
        f'<nav aria-label="Contents"><ol>{entries}</ol></nav>\n<main>',
        *(str(article(site, names, name, soup)) for name, soup in soups.items()),
        "</main>",
        *(script(path.read_text(encoding="utf-8")) for path in scripts),
        # the bundle that draws formulas as SVG, which needs neither fonts nor other files
        script((mathjax_folder() / "tex-svg-full.js").read_text(encoding="utf-8")),
        "</body>\n</html>\n",
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, "\n".join(parts), durable=False)
    return output
