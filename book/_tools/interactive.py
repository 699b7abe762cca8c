"""The interactives of the book: their scripts, their data as JSON, and a static version of each.

The data are part of the page, because a page that is opened as a file may not read other files.
A reader without scripts sees the static version.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from collapse_utils.linear import theory
from collapse_utils.pages.figures import LABELS

from . import forest
from .explorer import Json, explorer
from .samples import faces, molecules, rows_of, stories

FOLDER = "interactive"  # in _static
SHARED = ("interactive.js", "chart.js")
STYLE = "interactive.css"
GAUSSIAN_N = 20  # items of the static version of "run your own collapse", as in collapse.js
LINEAR = {"d": 32, "T": 100}  # of the static version of the theorem explorer, as in theorem.js
STATIC_FITS = (1, 2, 5, 10, 20, 50)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table whose first column names its rows."""
    top = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    )
    return f'<table class="table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def _collapse(data: Json, folder: Path) -> str:
    """Expected variance of the fit: (1 - 1/n)^t, and prod_k (1 - 1/(n k^2)) under accumulate."""
    n = GAUSSIAN_N
    replace = ["replace", *(f"{(1 - 1 / n) ** t:.3f}" for t in STATIC_FITS)]
    products = (math.prod(1 - 1 / (n * k * k) for k in range(1, t + 1)) for t in STATIC_FITS)
    rows = [replace, ["accumulate", *(f"{value:.3f}" for value in products)]]
    text = f"Expected variance of a Gaussian fitted to n = {n} items / real variance:"
    return f"<p>{text}</p>" + table(["regime", *(f"fit {t}" for t in STATIC_FITS)], rows)


def _theorem(data: Json, folder: Path) -> str:
    """Expected test error / that of the first fit, of every regime."""
    rows = []
    for regime, label in LABELS.items():
        if regime == "accumulate_subsample":
            values = theory.subsample_growth(STATIC_FITS, **LINEAR)
        else:
            values = theory.growth(regime, STATIC_FITS)
        rows.append([label, *(f"{value:.3f}" for value in values)])
    sizes = ", ".join(f"{name} = {value}" for name, value in LINEAR.items())
    text = f"Expected test error as a multiple of that of the first fit, {sizes}:"
    return f"<p>{text}</p>" + table(["regime", *(f"fit {t}" for t in STATIC_FITS)], rows)


def _results(data: Json, folder: Path) -> str:
    """The headline metric of the final fit / that of the first, of every data source and regime."""
    rows = []
    for experiment in data["experiments"]:
        for source in experiment["data"]:
            curves = source["settings"][0]["curves"][experiment["headline"]]
            chosen = curves.get("relative", curves["absolute"])
            ends = []
            for regime in LABELS:
                t, mean, low, high = (chosen.get(regime) or [[0, None, None, None]])[-1]
                interval = f" [{low:.3g}, {high:.3g}]" if low is not None else ""
                ends.append("not run" if mean is None else f"{mean:.3g}{interval} (fit {t})")
            rows.append([f"{experiment['title']}, {source['title']}", *ends])
    text = "Loss of the final fit / loss of the first fit on real data, with 95% intervals:"
    return f"<p>{text}</p>" + table(["experiment", *LABELS.values()], rows)


def _picture(address: str, alt: str) -> str:
    return f'<img src="{address}" alt="{html.escape(alt)}">'


def _faces(data: Json, folder: Path) -> str:
    """Faces of the first and the last fit, of two regimes."""
    source = data["data"][0]
    setting = source["settings"][0]
    parts = []
    for regime in ("replace", "accumulate"):
        fits = setting["regimes"][regime]
        first, last = min(fits), max(fits)
        sheet = rows_of(setting["sheets"][regime], setting["rows"], [fits[first], fits[last]])
        about = f"{LABELS[regime]}: {source['title']} of fit {first} (above) and fit {last} (below)"
        parts.append(f"<p>{about}:</p>" + _picture(sheet, about))
    return "".join(parts)


def _stories(data: Json, folder: Path) -> str:
    """A story of the first fit, and of the last fit of two regimes."""
    source = data["data"][0]
    setting = source["settings"][0]
    regimes = setting["regimes"]
    shown = [(regime, max(regimes[regime])) for regime in ("replace", "accumulate")]
    parts = [f"<p>{html.escape(source['title'])}, {html.escape(setting['title'])}:</p>"]
    for regime, fit in [("replace", 1), *shown]:
        text = html.escape(regimes[regime][fit]["texts"][0])
        parts.append(f"<p>{LABELS[regime]}, fit {fit}:</p><blockquote><p>{text}</p></blockquote>")
    return "".join(parts)


def _molecules(data: Json, folder: Path) -> str:
    """Molecules of the last fit, of two regimes."""
    source = data["data"][0]
    parts = []
    for regime in ("replace", "accumulate"):
        last = max(source["settings"][0]["regimes"][regime])
        fit = folder / source["folder"] / "samples" / "base" / regime / f"iteration-{last:02d}"
        path = fit / "molecules.png"
        if path.is_file():
            address = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
            about = f"{LABELS[regime]}, fit {last}: real molecules above, sampled ones below"
            parts.append(f"<p>{about}:</p>" + _picture(address, about))
    return "".join(parts)


@dataclass(frozen=True)
class Interactive:
    """An interactive figure: its scripts, its data from results/, and its static version."""

    label: str  # for screen readers
    scripts: tuple[str, ...]
    data: Callable[[Path], Json]
    static: Callable[[Json, Path], str]


def _no_data(folder: Path) -> Json:
    return {}


COLLAPSE = ("chains.js", "collapse.js")
MOLECULES = ("generations.js", "molecules.js")
INTERACTIVES = {
    "collapse": Interactive("Run your own collapse", COLLAPSE, _no_data, _collapse),
    "theorem": Interactive("Theorem explorer", ("theorem.js",), _no_data, _theorem),
    "faces": Interactive("Faces by generation", ("generations.js",), faces, _faces),
    "stories": Interactive("Stories by generation", ("generations.js",), stories, _stories),
    "molecules": Interactive("Molecules by generation", MOLECULES, molecules, _molecules),
    "claims": Interactive("Claims by outcome", ("claims.js",), forest.forest, forest.static),
    "results": Interactive("Results explorer", ("results.js",), explorer, _results),
}


def as_json(data: Json) -> str:
    """JSON for a script element, in which nothing looks like the markup of the page around it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def markup(name: str, folder: Path) -> str:
    """The element that scripts turn into the interactive ``name``; ``folder`` has the results."""
    interactive = INTERACTIVES[name]
    data = interactive.data(folder)
    if [] in (data.get("data"), data.get("experiments")):
        return "<p>Nothing has been collected into the results yet that this figure can show.</p>"
    return (
        f'<div class="interactive" data-interactive="{name}" role="group" '
        f'aria-label="{interactive.label}">'
        f'<script type="application/json">{as_json(data)}</script>'
        f'<div class="static">{interactive.static(data, folder)}</div></div>'
    )


def scripts(names: Sequence[str]) -> list[str]:
    """The scripts of a page with the interactives ``names``, in the order in which they load."""
    own = [script for name in names for script in INTERACTIVES[name].scripts]
    return list(dict.fromkeys([*SHARED, *own])) if names else []
