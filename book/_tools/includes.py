"""The numbers in the prose: book/_generated and the README's table, from results/ and claims.yml.

Everything here is made from committed files, so that a test can make it again and compare: text by
its content, pictures by the digest of the results that they carry.
"""

from __future__ import annotations

from pathlib import Path

from collapse_utils.durable.files import write_text

from . import (
    claims_json,
    data_sets,
    downloads,
    error_rates,
    front,
    planning,
    schematic,
    scorecard,
    teaching,
    versions,
)
from .benchmarks import front_door, page
from .contents import page_of
from .headline import Panel, first_of_each, panels
from .pictures import Picture, opening
from .tables import captioned

GENERATED = Path("book") / "_generated"
MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"  # around what is generated in the README
NO_RESULTS = "No results have been collected into `results/` yet: `make reference` makes them.\n"
NO_TIMES = "What `make book` and `make test` take was not measured yet.\n"
LEGEND = (
    "**Figure 1.** Loss on held-out real data, divided by the loss of the first fit, on "
    "logarithmic axes; lower is better. Filled marks are our means over seeds with 95% intervals "
    "(over repeats in linear regression). Open marks are the paper's values: Llama 12M, faces, "
    "and the local loss of molecules."
)
NOTE = (
    "Means with 95% intervals over seeds (over repeats in linear regression), made from the files "
    "that *data* leads to. *Offline*: the data come with a pip dependency or are drawn from the "
    "seed, so that anybody can repeat the row; other data have to be fetched first."
)
# of a picture: what its name ends with, and how many panels stand beside one another
SHAPES = {"": 2, "-phone": 1}


def table(root: Path, found: list[Panel], up: str) -> str:
    """First and last fits, a row for each panel; ``up`` leads from the page to the root."""
    lines = [
        "| experiment | first fit | last fit, replace | last fit, accumulate |",
        "|---|---|---|---|",
    ]
    for panel in found:
        page = page_of(root, panel.section)
        title = f"[{panel.title}]({up}{page})" if page else panel.title
        fits = [panel.fit("replace", 0), panel.fit("replace", -1), panel.fit("accumulate", -1)]
        # an interval stays on one line
        values = " | ".join(fit.text(panel.digits).replace(", ", ",\u00a0") for fit in fits)
        about = f"{panel.data}, {panel.about}, {panel.fits} fits{', *offline*' * panel.offline}"
        lines.append(
            f"| {title}, {panel.measure}: {about} ([data]({up}results/{panel.file})) | {values} |"
        )
    return "\n".join([*lines, "", NOTE, ""])


def pictures(root: Path, found: list[Panel]) -> dict[Path, Picture]:
    """Every generated picture: one for wide pages and one for phones of each."""
    drawn = {f"regimes{name}": schematic.picture(columns) for name, columns in SHAPES.items()}
    if found:
        drawn |= {
            f"headline{name}": opening(first_of_each(found), columns)
            for name, columns in SHAPES.items()
        }
    return {root / GENERATED / f"{name}.png": picture for name, picture in drawn.items()}


def shown(name: str, alt: str) -> str:
    """A picture on a page of the book: the wide one, and on a phone the tall one (book.css shows
    one of the two).
    """
    return "\n".join(
        f"```{{image}} _generated/{name}{shape}.png\n"
        f":alt: {alt}\n"
        f":class: only-{'phone' if shape else 'wide'}\n"
        ":width: 100%\n"
        ":loading: lazy\n"
        "```\n"
        for shape in SHAPES
    )


def in_words(found: list[Panel]) -> str:
    return " ".join(panel.sentence() for panel in first_of_each(found))


def headline(found: list[Panel]) -> str:
    """Figure 1 with its caption."""
    if not found:
        return NO_RESULTS
    link = "[The figure as one PNG](_generated/headline.png)"
    return f"{shown('headline', in_words(found))}\n{LEGEND} {link}.\n"


def for_readme(found: list[Panel], judged: scorecard.Judged) -> str:
    """Figure 1 and the answer, as GitHub shows them."""
    if not found:
        return NO_RESULTS
    path = (GENERATED / "headline.png").as_posix()
    image = f'<a href="{path}"><img src="{path}" alt="{in_words(found)}"></a>'
    return f"{image}\n\n{LEGEND}\n\n{front.readme(first_of_each(found), judged)}"


def between_marks(text: str, name: str, part: str) -> str:
    """``text`` with ``part`` between the marks of ``name``; as it is if it has no such marks."""
    before, begin, rest = text.partition(MARKS[0].format(name))
    _, end, after = rest.partition(MARKS[1].format(name))
    return f"{before}{begin}\n{part}{end}{after}" if begin and end else text


def texts(root: Path, found: list[Panel]) -> dict[Path, str]:
    """Path -> content of every generated text."""
    folder, readme = root / GENERATED, root / "README.md"
    judged = scorecard.judged(root)
    wanted = {
        folder / "front.md": front.page(root, first_of_each(found), judged)
        if found
        else NO_RESULTS,
        folder / "headline.md": headline(found),
        folder / "headline_table.md": table(root, found, "../") if found else NO_RESULTS,
        folder / "regimes.md": shown("regimes", schematic.sentence()),
        folder / "scorecard.md": scorecard.full(root, judged),
        folder / "claim_details.md": scorecard.details(root, judged),
        folder / "multiplicity.md": error_rates.multiplicity_table(scorecard.families(judged)),
        folder / "claims.json": claims_json.text(root, judged),
        folder / "error_rates.md": error_rates.table(),
        folder / "speed.md": page(root),
        folder / "front_door.md": front_door(root) or NO_TIMES,
        folder / "data.md": captioned(
            downloads.table(root),
            "The files of results. Folders are named after section, preset and data.",
            "table-files",
        ),
        folder / "data_kinds.md": captioned(
            downloads.kinds(root),
            "The kinds of files. A kind has the same columns in every folder.",
            "table-kinds",
        ),
        **{
            folder / name: text
            for pages in (planning.pages, versions.pages, data_sets.generated, teaching.generated)
            for name, text in pages(root).items()
        },
    }
    text = readme.read_text(encoding="utf-8")
    parts = {
        "results": for_readme(found, judged),
        "times": front_door(root) or NO_TIMES,
    }
    for name, part in parts.items():
        text = between_marks(text, name, part)
    wanted[readme] = text
    return wanted


def update(root: Path, write: bool) -> list[Path]:
    """The generated files that were out of date; ``write`` brings them up to date."""
    found, stale = panels(root / "results"), []
    if write:
        (root / GENERATED).mkdir(parents=True, exist_ok=True)
    for path, picture in pictures(root, found).items():
        if not picture.is_current(path):
            stale.append(path)
            if write:
                picture.save(path)
    for path, text in texts(root, found).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if write:
                write_text(path, text)
    return stale
