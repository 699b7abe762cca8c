"""The numbers in the prose: book/_generated and the README's table, from results/ and the notebooks' verdicts.

Everything here is made from committed files, so that a test can make it again and compare: text by its content, pictures
by the digest of the results that they carry.
"""

from __future__ import annotations

from pathlib import Path

import nbformat

from ..runs import write_text
from ..statistics import NOT_REPRODUCED, REPRODUCED, UNDECIDED
from . import data, evidence, planning, versions
from .notebooks import notebooks, read_notebook
from .panels import Panel, digest_of, draw, panels
from .speed import front_door, page

GENERATED = Path("book") / "_generated"
MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"  # around what is generated in the README
NO_RESULTS = "No results have been collected into `results/` yet: `make reference` makes them.\n"
NO_TIMES = "What `make book` and `make test` take was not measured yet.\n"
NO_VERDICTS = "No notebook of the book prints a verdict yet.\n"
NOTE = "Lower is better. Means with 95% intervals, made from the files in `results/`."


def page_of(root: Path, section: str) -> str | None:
    """The notebook of a section, as a path from the root: notebooks/02_language.ipynb."""
    found = [path for path in notebooks(root) if path.stem.partition("_")[2] == section]
    return found[0].relative_to(root).as_posix() if found else None


def table(root: Path, found: list[Panel], up: str) -> str:
    """First and last fits, a row for each panel; ``up`` leads from the page to the root."""
    lines = [
        "| experiment | measure | first fit | last fit, replace | last fit, accumulate | fits |",
        "|---|---|---|---|---|---|",
    ]
    for panel in found:
        page = page_of(root, panel.section)
        title = f"[{panel.title}]({up}{page})" if page else panel.title
        fits = [panel.fit("replace", 0), panel.fit("replace", -1), panel.fit("accumulate", -1)]
        values = " | ".join(fit.text(panel.digits).replace(", ", ",\u00a0") for fit in fits)  # an interval stays on one line
        lines.append(f"| {title}: {panel.about} | {panel.measure} | {values} | {panel.fits} |")
    return "\n".join([*lines, "", NOTE, ""])


def pictures(root: Path, found: list[Panel]) -> dict[Path, Panel]:
    """The picture of every section: its first panel."""
    wanted: dict[Path, Panel] = {}
    for panel in found:
        wanted.setdefault(root / GENERATED / f"headline-{panel.section}.png", panel)
    return wanted


def headline(root: Path, found: list[Panel]) -> str:
    """The answer: a picture of every section, side by side where there is room, and the table."""
    if not found:
        return NO_RESULTS
    lines = ["::::{grid} 1 1 2 2", ":gutter: 3", ""]
    for path, panel in pictures(root, found).items():
        lines += [":::{grid-item}", f"```{{image}} _generated/{path.name}", f":alt: {panel.sentence()}", ":width: 100%"]
        lines += ["```", ":::", ""]
    return "\n".join([*lines, "::::", "", table(root, found, "../")])


def for_readme(root: Path, found: list[Panel]) -> str:
    """The same for the README, as GitHub shows it."""
    if not found:
        return NO_RESULTS
    shown = pictures(root, found).items()
    images = " ".join(
        f'<img src="{path.relative_to(root).as_posix()}" width="48%" alt="{panel.sentence()}">' for path, panel in shown
    )
    return f"{images}\n\n{table(root, found, '')}"


def verdicts(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """(claim, outcome) of every verdict line that the notebook's checked cells have printed."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or "# NBVAL_CHECK_OUTPUT" not in cell.source:
            continue
        for output in cell.outputs:
            for line in output.get("text", "").splitlines():
                claim, _, outcome = line.strip().rpartition(": ")
                if outcome in (REPRODUCED, NOT_REPRODUCED, UNDECIDED):
                    found.append((claim, outcome))
    return found


def title(notebook: nbformat.NotebookNode) -> str:
    """The notebook's first heading."""
    lines = [line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), "")


def claims(root: Path) -> str:
    """Every verdict that the committed notebooks print, with the page that prints it."""
    lines = []
    for path in notebooks(root):
        notebook = read_notebook(path)
        link = f"[{title(notebook)}](../{path.relative_to(root).as_posix()})"
        lines += [f"| {claim} | **{outcome}** | {link} |" for claim, outcome in verdicts(notebook)]
    if not lines:
        return NO_VERDICTS
    return "\n".join(["| claim | outcome | shown in |", "|---|---|---|", *lines, ""])


def between_marks(text: str, name: str, part: str) -> str:
    """``text`` with ``part`` between the marks of ``name``; as it is if it has no such marks."""
    before, begin, rest = text.partition(MARKS[0].format(name))
    _, end, after = rest.partition(MARKS[1].format(name))
    return f"{before}{begin}\n{part}{end}{after}" if begin and end else text


def texts(root: Path, found: list[Panel]) -> dict[Path, str]:
    """Path -> content of every generated text."""
    folder, readme = root / GENERATED, root / "README.md"
    wanted = {
        folder / "headline.md": headline(root, found),
        folder / "claims.md": claims(root),
        folder / "evidence.md": evidence.table(),
        folder / "speed.md": page(root),
        folder / "front_door.md": front_door(root) or NO_TIMES,
        folder / "data.md": data.table(root),
        folder / "data_kinds.md": data.kinds(root),
        **{folder / name: text for name, text in {**planning.pages(root), **versions.pages(root)}.items()},
    }
    text = readme.read_text(encoding="utf-8")
    for name, part in (("results", for_readme(root, found)), ("times", front_door(root) or NO_TIMES)):
        text = between_marks(text, name, part)
    wanted[readme] = text
    return wanted


def update(root: Path, write: bool) -> list[Path]:
    """The generated files that were out of date; ``write`` brings them up to date."""
    found, stale = panels(root / "results"), []
    if write:
        (root / GENERATED).mkdir(parents=True, exist_ok=True)
    for path, panel in pictures(root, found).items():
        if digest_of(path) != panel.digest():
            stale.append(path)
            if write:
                draw(panel, path)
    for path, text in texts(root, found).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if write:
                write_text(path, text)
    return stale
