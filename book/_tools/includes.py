"""The numbers in the prose: book/_generated and the README's table, from results/ and claims.yml.

Everything here is made from committed files, so that a test can make it again and compare: text by its content, pictures
by the digest of the results that they carry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from collapse_utils.durable.files import write_text
from collapse_utils.evidence.verdicts import NOT_RUN, REPRODUCED

from . import claims_json, downloads, error_rates, planning, schematic, scorecard, versions
from .benchmarks import front_door, page
from .contents import page_of
from .headline import REGIMES, Panel, first_of_each, panels
from .pictures import Picture, opening

GENERATED = Path("book") / "_generated"
MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"  # around what is generated in the README
NO_RESULTS = "No results have been collected into `results/` yet: `make reference` makes them.\n"
NO_TIMES = "What `make book` and `make test` take was not measured yet.\n"
LEGEND = (
    "Error on real data that no model was trained on, by model-fitting iteration; lower is better. Bands are 95% intervals; "
    "where none is seen it is narrower than the line."
)
NOTE = (
    "Means with 95% intervals over seeds (over repeats in linear regression), made from the files that *data* leads to. "
    "*Offline*: the data come with a pip dependency or are drawn from the seed, so that anybody can repeat the row; other "
    "data have to be fetched first."
)
EQUAL_TRAINING = {  # claims on accumulate, subsampled to the size of the first data set -> what they say
    "llama-subsample-below-replace": "below replace",
    "images-subsample": "below replace",
    "local-subsample": "below replace",
    "llama-subsample-rises": "above its first fit",
    "images-subsample-rises": "above its first fit",
    "local-subsample-rises": "above its first fit",
}
SHAPES = {"": 2, "-phone": 1}  # of a picture: what its name ends with, and how many panels stand beside one another


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
        values = " | ".join(fit.text(panel.digits).replace(", ", ",\u00a0") for fit in fits)  # an interval stays on one line
        about = f"{panel.data}, {panel.about}, {panel.fits} fits{', *offline*' * panel.offline}"
        lines.append(f"| {title}, {panel.measure}: {about} ([data]({up}results/{panel.file})) | {values} |")
    return "\n".join([*lines, "", NOTE, ""])


def pictures(root: Path, found: list[Panel]) -> dict[Path, Picture]:
    """Every generated picture: one for wide pages and one for phones of each."""
    drawn = {f"regimes{name}": schematic.picture(columns) for name, columns in SHAPES.items()}
    if found:
        drawn |= {f"headline{name}": opening(first_of_each(found), columns) for name, columns in SHAPES.items()}
    return {root / GENERATED / f"{name}.png": picture for name, picture in drawn.items()}


def shown(name: str, alt: str) -> str:
    """A picture on a page of the book: the wide one, and on a phone the tall one (book.css shows one of the two)."""
    return "\n".join(
        f"```{{image}} _generated/{name}{shape}.png\n:alt: {alt}\n:class: only-{'phone' if shape else 'wide'}\n"
        ":width: 100%\n:loading: lazy\n```\n"
        for shape in SHAPES
    )


def in_words(found: list[Panel]) -> str:
    return " ".join(panel.sentence() for panel in first_of_each(found))


def _of(count: int, every: int, what: str) -> str:
    return f"every {what}" if count == every else f"{count or 'none'} of the {every} {what}s"


def answer(found: list[Panel], judged: scorecard.Judged, up: str) -> str:
    """What holds, in three sentences whose numbers lead to their files."""
    first = first_of_each(found)

    def where(holds: Callable[[Panel], bool]) -> str:
        return _of(sum(map(holds, first)), len(first), "panel")

    def growth(regime: str) -> str:
        numbers = [f"[{panel.growth(regime):.3g}]({up}results/{panel.file})" for panel in first]
        return f"{', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else numbers[0]

    worse, still = (
        where(lambda panel, regime=regime: panel.fit(regime, -1).low > panel.fit(regime, 0).high) for regime in REGIMES
    )
    apart = where(lambda panel: panel.fit("replace", -1).low > panel.fit("accumulate", -1).high)
    return (
        f"Where synthetic data **replace** the real data, the last model is worse than the first in {worse}: its loss on "
        f"real data is {growth('replace')} times the first one's, in the order of the panels. "
        f"Where they **accumulate** beside the real data, it is {growth('accumulate')} times the first one's, worse than "
        f"it in {still}, and below replace in {apart} (*worse* and *below*: the 95% intervals do not overlap). "
        f"{at_equal_training(judged, up)}\n"
    )


def at_equal_training(judged: scorecard.Judged, up: str) -> str:
    """What is left of accumulate's advantage when it trains no longer than replace; empty until that was run."""
    outcomes: dict[str, list[str]] = {"below replace": [], "above its first fit": []}
    for rows in judged.values():
        for claim, verdicts in rows:
            name = claim.page.results[0]
            if name in verdicts and claim.id in EQUAL_TRAINING:
                outcomes[EQUAL_TRAINING[claim.id]].append(verdicts[name].outcome)
    below, above = outcomes.values()
    if len(below + above) < len(EQUAL_TRAINING) or NOT_RUN in below + above:
        return ""
    fewer, more = (_of(found.count(REPRODUCED), len(found), "neural experiment") for found in (below, above))
    return (
        "Part of this is that accumulate trains on more: cut down at random to the size of the first data set, real and "
        f"synthetic alike, it still ends below replace in {fewer}, but above its own first fit in {more} "
        f"([verdicts]({up}book/claims.md))."
    )


def headline(found: list[Panel], judged: scorecard.Judged) -> str:
    """The answer: the figure and what holds."""
    if not found:
        return NO_RESULTS
    link = "[The figure as one PNG](_generated/headline.png)"
    return f"{shown('headline', in_words(found))}\n{LEGEND} {link}.\n\n{answer(found, judged, '../')}"


def for_readme(root: Path, found: list[Panel], judged: scorecard.Judged) -> str:
    """The same for the README, as GitHub shows it."""
    if not found:
        return NO_RESULTS
    path = (GENERATED / "headline.png").as_posix()
    image = f'<a href="{path}"><img src="{path}" alt="{in_words(found)}"></a>'
    return f"{image}\n\n{LEGEND}\n\n{answer(found, judged, '')}\n{table(root, found, '')}"


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
        folder / "headline.md": headline(found, judged),
        folder / "headline_table.md": table(root, found, "../") if found else NO_RESULTS,
        folder / "regimes.md": shown("regimes", schematic.sentence()),
        folder / "scorecard.md": scorecard.full(root, judged, in_book=True),
        folder / "claim_details.md": scorecard.details(root, judged),
        folder / "multiplicity.md": error_rates.multiplicity_table(scorecard.families(judged)),
        folder / "claims.json": claims_json.text(root, judged),
        folder / "scorecard_short.md": scorecard.short(root, judged, "../"),
        folder / "error_rates.md": error_rates.table(),
        folder / "speed.md": page(root),
        folder / "front_door.md": front_door(root) or NO_TIMES,
        folder / "data.md": downloads.table(root),
        folder / "data_kinds.md": downloads.kinds(root),
        **{folder / name: text for name, text in {**planning.pages(root), **versions.pages(root)}.items()},
    }
    text = readme.read_text(encoding="utf-8")
    parts = {
        "results": for_readme(root, found, judged),
        "scorecard": scorecard.full(root, judged, in_book=False),
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
