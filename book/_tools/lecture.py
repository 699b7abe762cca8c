"""The main figures of the book for a lecture, as SVG and PNG, and slides made from them.

Main figures are those of the front page and the first numbered figure of every notebook.  Their SVG
files are in ``book/_generated/figures``; each names the PNG of the committed notebook that it was
drawn for, so that a stale one is found.  The PNG files are copied from the notebooks by the build.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import yaml

from collapse_utils.sweeps.execute import read_notebook

from .contents import notebooks
from .pictures import Picture

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

FOLDER = Path("book") / "_generated" / "figures"
# figures that no notebook draws -> the page that shows them and what it is called
FRONT = {"headline": ("intro", "Front page"), "regimes": ("ten_minutes", "One loop, four regimes")}
SLIDES = "book/slides.html"
MARK = "<!-- drawn for {} -->"
AS_SVG = """%matplotlib inline
%config InlineBackend.figure_formats = ["svg"]
%config InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}
import matplotlib
matplotlib.rcParams["svg.hashsalt"] = "book"  # the same names of parts each time"""


@dataclass(frozen=True)
class Drawing:
    """One main figure as SVG: ``mark`` is a checksum of what it shows, ``draw`` returns its XML."""

    mark: str
    draw: Callable[[], str]

    def is_current(self, path: Path) -> bool:
        return path.is_file() and MARK.format(self.mark) in path.read_text(encoding="utf-8")

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.draw().rstrip()}\n{MARK.format(self.mark)}\n", encoding="utf-8")


def licence(root: Path) -> str:
    """The line that a slide with a figure of the book shows."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    address = config["html"]["baseurl"].rstrip("/")
    return f"Figure from {config['title']}, {address}, CC BY 4.0"


@dataclass(frozen=True)
class Main:
    """The main figure of a committed notebook: the first numbered one that a cell shows."""

    notebook: Path
    place: int  # of the cell that draws it
    caption: str
    png: bytes


def of_notebooks(root: Path) -> dict[str, Main]:
    """Name -> main figure of every notebook that has one, in reading order."""
    return {name: main for path in notebooks(root) for name, main in _main(path)}


def _main(path: Path) -> Iterator[tuple[str, Main]]:
    for place, cell in enumerate(read_notebook(path).cells):
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("name", "").startswith("fig") and (shown := _pictures(cell)):
            caption = " ".join(figure.get("caption", "").split())
            yield figure["name"], Main(path, place, caption, base64.b64decode(shown[0]))
            return


def _pictures(cell: nbformat.NotebookNode) -> list[str]:
    """The pictures that a cell shows, in base 64."""
    data = [output.get("data", {}) for output in cell.get("outputs", ())]
    return [one["image/png"] for one in data if "image/png" in one]


def drawn_by(main: Main) -> str:
    """Run a notebook up to its main figure, which reads results and trains nothing; the SVG."""
    import papermill

    path, notebook = main.notebook, read_notebook(main.notebook)
    setup = nbformat.v4.new_code_cell(AS_SVG)
    notebook.cells = [setup, *notebook.cells[: main.place + 1]]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        nbformat.write(notebook, copy)
        run = papermill.execute_notebook(
            str(copy), None, cwd=str(path.parent), progress_bar=False, kernel_name="python3"
        )
    data = [output.get("data", {}) for output in run.cells[-1].outputs]
    return next(one["image/svg+xml"] for one in data if "image/svg+xml" in one)


def _of_picture(picture: Picture) -> Drawing:
    def draw() -> str:
        written = io.BytesIO()
        picture.write(written, format="svg", metadata={"Date": None})
        return written.getvalue().decode("utf-8")

    return Drawing(picture.digest, draw)


def drawings(root: Path, pictures: dict[Path, Picture]) -> dict[Path, Drawing]:
    """Path -> every main figure as SVG; ``pictures`` are the generated ones."""
    front = {p.stem: _of_picture(one) for p, one in pictures.items() if "-phone" not in p.stem}
    cells = {
        name: Drawing(hashlib.sha256(main.png).hexdigest(), partial(drawn_by, main))
        for name, main in of_notebooks(root).items()
    }
    return {root / FOLDER / f"{name}.svg": one for name, one in {**front, **cells}.items()}


def _drawn(root: Path) -> dict[str, Main | None]:
    """Names of the figures that were drawn, those of the front pages (None) first."""
    cells = of_notebooks(root)
    every = {**dict.fromkeys(FRONT), **cells}
    return {n: main for n, main in every.items() if (root / FOLDER / f"{n}.svg").is_file()}


def files(root: Path) -> dict[str, bytes]:
    """Path from the root -> the SVG and the PNG of every main figure that was drawn, as the build
    offers them: with title, caption and licence inside.
    """
    made = {}
    for name, main in _drawn(root).items():
        about = About(*_title_and_caption(root, name, main), licence(root))
        svg = (root / FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        png = main.png if main else (root / FOLDER.parent / f"{name}.png").read_bytes()
        path = (FOLDER / name).as_posix()
        made |= {f"{path}.svg": about.in_svg(svg).encode(), f"{path}.png": about.in_png(png)}
    return made


def _title_and_caption(root: Path, name: str, main: Main | None) -> tuple[str, str]:
    """The title of the page that shows a figure, and the caption of the figure."""
    if main:
        lines = "\n".join(cell.source for cell in read_notebook(main.notebook).cells).splitlines()
        title = next((line[2:] for line in lines if line.startswith("# ")), name)
        return title, main.caption
    path = root / FOLDER.parent / f"{name}.md"  # with the figure and its caption, as generated
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    caption = re.search(rf":name: fig-{name}\n\n(.*?)\n```", text, re.S)
    return FRONT[name][1], " ".join(caption[1].split()) if caption else ""


@dataclass(frozen=True)
class About:
    """What a figure's file says of itself, so that a copy still names its source and licence."""

    title: str
    caption: str
    licence: str

    def in_svg(self, text: str) -> str:
        """The SVG with a title, and with caption and licence as its description."""
        title, words = (html.escape(one) for one in (self.title, f"{self.caption} {self.licence}"))
        start, head, rest = re.split(r"(<svg\b[^>]*>)", text, maxsplit=1)
        return f"{start}{head}\n <title>{title}</title>\n <desc>{words.strip()}</desc>{rest}"

    def in_png(self, content: bytes) -> bytes:
        """The PNG with the same pixels, and with the keywords that PNG has for these texts."""
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        texts, written = PngInfo(), io.BytesIO()
        with Image.open(io.BytesIO(content)) as image:
            named = {"Title": self.title, "Description": self.caption, "Copyright": self.licence}
            for keyword, words in named.items():
                texts.add_itxt(keyword, words)
            image.save(written, "PNG", pnginfo=texts, optimize=True)
        return written.getvalue()


def listing(root: Path) -> str:
    """The main figures with their downloads, for the lecturer's page."""
    lines = []
    for name, main in _drawn(root).items():
        place = f"/{FOLDER.as_posix()}/{name}"
        links = f"{{download}}`{name}.svg <{place}.svg>`, {{download}}`{name}.png <{place}.png>`"
        if main is None:
            page, title = FRONT[name]
            lines.append(f"- [{title}]({page}): {links}")
        else:
            where = f"{{numref}}`{name}`, [](../notebooks/{main.notebook.stem})"
            lines.append(f"- {where}: {links}")
    return "\n".join([*lines, ""])


# The slides, from the built pages

STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; font: 1.1rem/1.45 system-ui, sans-serif; }
section { box-sizing: border-box; min-height: 100vh; padding: 2vh 4vw 7vh; display: flex;
  flex-direction: column; gap: 1.5vh; break-after: page; }
.one section:not(:target) { display: none; }
h1, h2 { margin: 0; line-height: 1.2; }
section img { flex: 1 1 0; min-height: 0; max-width: 100%; max-height: 68vh; object-fit: contain;
  background: #fff; border-radius: 6px; padding: 8px; box-sizing: border-box; }
p { margin: 0; max-width: 70em; }
.licence { font-size: 0.75em; opacity: 0.85; }
nav { position: fixed; right: 1rem; bottom: 0.7rem; display: flex; gap: 0.6rem; }
nav :is(a, button) { font: inherit; color: inherit; }
@media print {
  @page { size: A4 landscape; margin: 1cm; }
  nav { display: none; }
  .one section:not(:target) { display: flex; }
  section { min-height: 0; height: 18.6cm; padding: 0; }
}
"""
SCRIPT = """
"use strict";
const slides = [...document.querySelectorAll("section")];
const place = () => Math.max(slides.findIndex((slide) => "#" + slide.id === location.hash), 0);
const status = document.querySelector("output");
function show(i) {
  location.replace("#" + slides[Math.min(Math.max(i, 0), slides.length - 1)].id);
}
function tell() {
  status.textContent = `${place() + 1} / ${slides.length}`;
  scrollTo(0, 0);
}
const moves = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };
addEventListener("keydown", (event) => {
  const move = event.key === "Home" ? -slides.length : event.key === "End" ? slides.length
    : moves[event.key];
  if (!move || event.target.closest("button, a")) return;
  event.preventDefault();
  show(place() + move);
});
document.querySelector("#back").addEventListener("click", () => show(place() - 1));
document.querySelector("#next").addEventListener("click", () => show(place() + 1));
addEventListener("hashchange", tell);
document.body.classList.add("one");
show(place());
tell();
"""


def _caption(soup: BeautifulSoup, name: str) -> tuple[str, str]:
    """Caption as HTML and alternative text of a figure on a built page."""
    picture = soup.select_one(f"img[src$='/{name}.png'], [id='{name}'] img")
    if picture is None:
        raise ValueError(f"the built pages have no figure {name}")
    figure = picture.find_parent("figure")
    words = figure and figure.find("figcaption")
    if not words:  # a picture whose caption is the next paragraph, or has none
        following = picture.find_next("p")
        lead = following and following.find("strong")
        words = following if lead and lead.get_text().startswith("Figure") else None
    if not words:
        return html.escape(picture["alt"]), picture["alt"]
    for tag in words.select(".headerlink, a.download"):
        tag.decompose()
    for tag in words.find_all(["a", "p"]):
        tag.unwrap()
    text = re.sub(r"\s+\.$", "", words.decode_contents().strip())  # what a download leaves behind
    return text, picture["alt"]


def slides(root: Path, site: Path) -> str:
    """One page with a slide for the book and one for every main figure; needs no other file, but
    for the mathematics of a caption.
    """
    from bs4 import BeautifulSoup

    def read(page: str) -> BeautifulSoup:
        return BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")

    def title(soup: BeautifulSoup) -> str:
        return html.escape(soup.select_one("h1").find(string=True).strip())

    line, first = html.escape(licence(root)), f"book/{FRONT['headline'][0]}"
    book = title(read(first))
    parts = [f'<section id="slide-1"><h1>{book}</h1><p class="licence">{line}</p></section>']
    for number, (name, main) in enumerate(_drawn(root).items(), 2):
        page = f"notebooks/{main.notebook.stem}" if main else f"book/{FRONT[name][0]}"
        soup = read(page)
        words, alt = _caption(soup, name)
        picture = base64.b64encode((root / FOLDER / f"{name}.svg").read_bytes()).decode()
        parts.append(
            f'<section id="slide-{number}"><h2>{title(soup)}</h2>'
            f'<img src="data:image/svg+xml;base64,{picture}" alt="{html.escape(alt)}">'
            f'<p>{words}</p><p class="licence">{line}</p></section>'
        )
    body = "\n".join(parts)
    formulas = '<script defer src="../_static/mathjax/tex-chtml.js"></script>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Slides: {book}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'  # none is asked for
        f"<style>{STYLE}</style>{formulas if re.search(r'class=.math', body) else ''}</head>"
        f'<body><main>{body}</main><nav aria-label="Slides"><button id="back">Back</button>'
        '<output></output><button id="next">Next</button><a href="teaching.html">Leave</a></nav>'
        f"<script>{SCRIPT}</script></body></html>\n"
    )
