"""The generated parts of the book: book/_generated and parts of the README, from results/ and
claims.yml.

Everything is made from committed files, so that a test can make it again and compare: text by its
content, pictures by a digest of the results that is stored in them.
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
    lecture,
    planning,
    predicted,
    schematic,
    scorecard,
    speed_goals,
    teaching,
    versions,
)
from .benchmarks import NO_BENCHMARKS, make_times, speed_page, torture
from .headline import Panel, first_of_each, panels
from .pictures import Picture, opening
from .tables import captioned

GENERATED = Path("book") / "_generated"
MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"  # around what is generated in the README
NO_RESULTS = "No results have been collected into `results/` yet: `make reference` makes them.\n"
NO_TIMES = "What `make book` and `make test` take was not measured yet.\n"
LEGEND = (
    "(a) What each fit trains on, to scale. (b-e) Loss on held-out real "
    "data / that of the first fit. Filled: our means with 95% intervals. Open: the paper's values "
    "(Llama 12M; local loss)."
)
SHAPES = {"": 2, "-phone": 1}  # the suffix of a picture's name -> number of panels in a row


def pictures(root: Path, panels: list[Panel]) -> dict[Path, Picture]:
    """Path -> every generated picture, each in a version for wide pages and one for phones."""
    drawn = {f"regimes{name}": schematic.picture(columns) for name, columns in SHAPES.items()}
    if panels:
        drawn |= {
            f"headline{name}": opening(first_of_each(panels), columns)
            for name, columns in SHAPES.items()
        }
    return {root / GENERATED / f"{name}.png": picture for name, picture in drawn.items()}


def figure(name: str, alt: str, caption: str) -> str:
    """A picture with its caption, in a version for wide pages and one for phones."""
    common = f":alt: {alt}\n:width: 100%\n:loading: lazy"
    path = f"_generated/{name}"
    return (
        f"```{{image}} {path}-phone.png\n{common}\n:class: only-phone\n```\n\n"
        f"```{{figure}} {path}.png\n{common}\n:class: only-wide\n:name: fig-{name}\n\n"
        f"{caption}\n```\n"
    )


def in_words(panels: list[Panel]) -> str:
    return " ".join(panel.sentence() for panel in first_of_each(panels))


def for_readme(panels: list[Panel], judged: scorecard.Judged) -> str:
    """Figure 1 and the answer, as GitHub shows them."""
    if not panels:
        return NO_RESULTS
    path = (GENERATED / "headline.png").as_posix()
    alt = "Loss relative to the first fit, under two or three regimes, in the four experiments."
    image = f'<a href="{path}"><img src="{path}" alt="{alt}"></a>'
    caption = f"**Figure 1.** {LEGEND.partition(' Filled:')[0]}"
    return f"{image}\n\n{caption}\n\n{front.readme(first_of_each(panels), judged)}"


def between_marks(text: str, name: str, part: str) -> str:
    """``text`` with ``part`` between the marks of ``name``; unchanged without such marks."""
    before, begin, rest = text.partition(MARKS[0].format(name))
    _, end, after = rest.partition(MARKS[1].format(name))
    return f"{before}{begin}\n{part}{end}{after}" if begin and end else text


def texts(root: Path, panels: list[Panel]) -> dict[Path, str]:
    """Path -> content of every generated text."""
    folder, readme = root / GENERATED, root / "README.md"
    judged = scorecard.judged(root)
    generated = {
        folder / "front.md": front.answer(first_of_each(panels), judged) if panels else NO_RESULTS,
        folder / "front_count.md": front.certainty(root, judged),
        folder / "headline.md": figure("headline", in_words(panels), LEGEND)
        if panels
        else NO_RESULTS,
        folder / "regimes.md": figure("regimes", schematic.sentence(), schematic.CAPTION),
        folder / "scorecard.md": scorecard.full(root, judged),
        folder / "claim_details.md": scorecard.details(root, judged),
        folder / "predictions.md": predicted.text(root, judged),
        folder / "multiplicity.md": error_rates.multiplicity_table(scorecard.families(judged)),
        folder / "claims.json": claims_json.text(root, judged),
        folder / "error_rates.md": error_rates.table(),
        folder / "speed.md": speed_page(root),
        folder / "speed_goals.md": speed_goals.table(root) or NO_BENCHMARKS,
        folder / "sampling_batch.md": speed_goals.batches(root) or NO_BENCHMARKS,
        folder / "torture.md": torture(root),
        folder / "front_door.md": make_times(root) or NO_TIMES,
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
    parts = {"results": for_readme(panels, judged), "times": make_times(root) or NO_TIMES}
    for name, part in parts.items():
        text = between_marks(text, name, part)
    generated[readme] = text
    return generated


def update(root: Path, write: bool) -> list[Path]:
    """The generated files that were out of date; ``write`` brings them up to date."""
    shown, stale = panels(root / "results"), []
    if write:
        (root / GENERATED).mkdir(parents=True, exist_ok=True)
    drawn = pictures(root, shown)
    for path, picture in [*drawn.items(), *lecture.drawings(root, drawn).items()]:
        if not picture.is_current(path):
            stale.append(path)
            if write:
                picture.save(path)
    for path, text in texts(root, shown).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if write:
                write_text(path, text)
    return stale
