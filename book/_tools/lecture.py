"""The main figures of the book for a lecture, as SVG and PNG, and slides made from them.

Main figures are those of the front page and the first numbered figure of every notebook.  Their SVG
files are in ``book/_generated/figures``.  Each contains the checksum of the PNG in the committed
notebook that it was drawn for, so that an outdated file is detected.  The build copies the PNG
files from the notebooks.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import yaml

from collapse_utils.sweeps.execute import read_notebook

from .contents import built_page, notebooks, page_title
from .pictures import Picture

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

FOLDER = Path("book") / "_generated" / "figures"
# figures that no notebook draws -> the page that shows them, and its title
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
    """One main figure as SVG: ``digest`` is a checksum of its content, ``draw`` returns its XML."""

    digest: str
    draw: Callable[[], str]

    def is_current(self, path: Path) -> bool:
        return path.is_file() and MARK.format(self.digest) in path.read_text(encoding="utf-8")

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.draw().rstrip()}\n{MARK.format(self.digest)}\n", encoding="utf-8")


def licence(root: Path) -> str:
    """The licence line of a slide with a figure of the book."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    address = config["html"]["baseurl"].rstrip("/")
    return f"Figure from {config['title']}, {address}, CC BY 4.0"


@dataclass(frozen=True)
class MainFigure:
    """The main figure of a committed notebook: the first numbered one that a cell shows."""

    notebook: Path
    cell: int  # index of the cell that draws it
    caption: str
    png: bytes


def of_notebooks(root: Path) -> dict[str, MainFigure]:
    """Name -> main figure of every notebook that has one, in reading order."""
    return dict(filter(None, map(_main_figure, notebooks(root))))


def _main_figure(path: Path) -> tuple[str, MainFigure] | None:
    """The name and the main figure of a notebook."""
    for index, cell in enumerate(read_notebook(path).cells):
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        pictures = _pictures(cell.get("outputs", ()), "image/png")
        if figure.get("name", "").startswith("fig") and pictures:
            caption = " ".join(figure.get("caption", "").split())
            png = base64.b64decode(pictures[0])
            return figure["name"], MainFigure(path, index, caption, png)
    return None


def _pictures(outputs: Iterable[nbformat.NotebookNode], kind: str) -> list[str]:
    """The content of all outputs of one kind, such as ``image/png``."""
    data = [output.get("data", {}) for output in outputs]
    return [contents[kind] for contents in data if kind in contents]


def drawn_by(figure: MainFigure) -> str:
    """Run a notebook up to its main figure, which reads results and trains nothing; the SVG."""
    import papermill

    path, notebook = figure.notebook, read_notebook(figure.notebook)
    setup = nbformat.v4.new_code_cell(AS_SVG)
    notebook.cells = [setup, *notebook.cells[: figure.cell + 1]]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        nbformat.write(notebook, copy)
        run = papermill.execute_notebook(
            str(copy), None, cwd=str(path.parent), progress_bar=False, kernel_name="python3"
        )
    return _pictures(run.cells[-1].outputs, "image/svg+xml")[0]


def _of_picture(picture: Picture) -> Drawing:
    def draw() -> str:
        written = io.BytesIO()
        picture.write(written, format="svg", metadata={"Date": None})
        return written.getvalue().decode("utf-8")

    return Drawing(picture.digest, draw)


def drawings(root: Path, pictures: dict[Path, Picture]) -> dict[Path, Drawing]:
    """Path -> every main figure as SVG; ``pictures`` are the generated ones."""
    drawn = {
        path.stem: _of_picture(picture)
        for path, picture in pictures.items()
        if "-phone" not in path.stem
    }
    for name, figure in of_notebooks(root).items():
        drawn[name] = Drawing(hashlib.sha256(figure.png).hexdigest(), partial(drawn_by, figure))
    return {root / FOLDER / f"{name}.svg": drawing for name, drawing in drawn.items()}


def _drawn(root: Path) -> dict[str, MainFigure | None]:
    """The figures that were drawn, by name; first those of the front pages, which are None."""
    figures = {**dict.fromkeys(FRONT), **of_notebooks(root)}
    return {
        name: figure
        for name, figure in figures.items()
        if (root / FOLDER / f"{name}.svg").is_file()
    }


def files(root: Path) -> dict[str, bytes]:
    """Path from the root -> the SVG and the PNG of every main figure that was drawn, with title,
    caption and licence inside, for the build.
    """
    contents = {}
    for name, figure in _drawn(root).items():
        metadata = Metadata(*_title_and_caption(root, name, figure), licence(root))
        svg = (root / FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        png = figure.png if figure else (root / FOLDER.parent / f"{name}.png").read_bytes()
        path = (FOLDER / name).as_posix()
        contents[f"{path}.svg"] = metadata.in_svg(svg).encode()
        contents[f"{path}.png"] = metadata.in_png(png)
    return contents


def _title_and_caption(root: Path, name: str, figure: MainFigure | None) -> tuple[str, str]:
    """The title of the page that shows a figure, and the caption of the figure."""
    if figure:
        sources = [cell.source for cell in read_notebook(figure.notebook).cells]
        lines = "\n".join(sources).splitlines()
        title = next((line[2:] for line in lines if line.startswith("# ")), name)
        return title, figure.caption
    path = root / FOLDER.parent / f"{name}.md"  # with the figure and its caption, as generated
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    caption = re.search(rf":name: fig-{name}\n\n(.*?)\n```", text, re.S)
    return FRONT[name][1], " ".join(caption[1].split()) if caption else ""


@dataclass(frozen=True)
class Metadata:
    """Texts inside a figure's file, so that a copy of it still names its source and licence."""

    title: str
    caption: str
    licence: str

    def in_svg(self, text: str) -> str:
        """The SVG with a title, and with caption and licence as its description."""
        title, description = map(html.escape, (self.title, f"{self.caption} {self.licence}"))
        start, tag, rest = re.split(r"(<svg\b[^>]*>)", text, maxsplit=1)
        return f"{start}{tag}\n <title>{title}</title>\n <desc>{description.strip()}</desc>{rest}"

    def in_png(self, content: bytes) -> bytes:
        """The PNG with the same pixels, and with the texts under PNG's keywords for them."""
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        texts, written = PngInfo(), io.BytesIO()
        with Image.open(io.BytesIO(content)) as image:
            keywords = {"Title": self.title, "Description": self.caption, "Copyright": self.licence}
            for keyword, text in keywords.items():
                texts.add_itxt(keyword, text)
            image.save(written, "PNG", pnginfo=texts, optimize=True)
        return written.getvalue()


def listing(root: Path) -> str:
    """The main figures with their downloads, for the lecturer's page."""
    lines = []
    for name, figure in _drawn(root).items():
        path = f"/{FOLDER.as_posix()}/{name}"
        links = f"{{download}}`{name}.svg <{path}.svg>`, {{download}}`{name}.png <{path}.png>`"
        if figure is None:
            page, title = FRONT[name]
            lines.append(f"- [{title}]({page}): {links}")
        else:
            where = f"{{numref}}`{name}`, [](../notebooks/{figure.notebook.stem})"
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
    caption = figure and figure.find("figcaption")
    if not caption:  # the caption is the next paragraph, or there is none
        following = picture.find_next("p")
        lead = following and following.find("strong")
        caption = following if lead and lead.get_text().startswith("Figure") else None
    if not caption:
        return html.escape(picture["alt"]), picture["alt"]
    for tag in caption.select(".headerlink, a.download"):
        tag.decompose()
    for tag in caption.find_all(["a", "p"]):
        tag.unwrap()
    # without the full stop that followed a removed download link
    return re.sub(r"\s+\.$", "", caption.decode_contents().strip()), picture["alt"]


def slides(root: Path, site: Path) -> str:
    """One page with a title slide and a slide for every main figure.  It needs no other file than
    MathJax, for the mathematics in captions.
    """
    line = html.escape(licence(root))
    title = html.escape(page_title(built_page(site, f"book/{FRONT['headline'][0]}")))
    parts = [f'<section id="slide-1"><h1>{title}</h1><p class="licence">{line}</p></section>']
    for number, (name, figure) in enumerate(_drawn(root).items(), 2):
        page = f"notebooks/{figure.notebook.stem}" if figure else f"book/{FRONT[name][0]}"
        soup = built_page(site, page)
        caption, alt = _caption(soup, name)
        picture = base64.b64encode((root / FOLDER / f"{name}.svg").read_bytes()).decode()
        parts.append(
            f'<section id="slide-{number}"><h2>{html.escape(page_title(soup))}</h2>'
            f'<img src="data:image/svg+xml;base64,{picture}" alt="{html.escape(alt)}">'
            f'<p>{caption}</p><p class="licence">{line}</p></section>'
        )
    body = "\n".join(parts)
    formulas = '<script defer src="../_static/mathjax/tex-chtml.js"></script>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Slides: {title}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'  # so that browsers request none
        f"<style>{STYLE}</style>{formulas if re.search(r'class=.math', body) else ''}</head>"
        f'<body><main>{body}</main><nav aria-label="Slides"><button id="back">Back</button>'
        '<output></output><button id="next">Next</button><a href="teaching.html">Leave</a></nav>'
        f"<script>{SCRIPT}</script></body></html>\n"
    )
