"""The interactives of the book: for each one its scripts, its data as JSON, and what a page without scripts shows instead.

Everything stands on the page itself, because a page that is opened as a file may not read another file.
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

from .explorer import Json, explorer
from .samples import faces, molecules, rows_of, stories

FOLDER = "interactive"  # in _static
SHARED = ("interactive.js", "chart.js")
STYLE = "interactive.css"
LABELS = {  # as in interactive.js
    "replace": "replace",
    "accumulate": "accumulate",
    "accumulate_subsample": "accumulate at equal size",
    "replace_multiple": "replace, t times the data",
}
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
    """Expected variance of a fitted Gaussian: (1 - 1/n)^t, and prod_k (1 - 1/(n k^2)) under accumulate."""
    n = GAUSSIAN_N
    replace = ["replace", *(f"{(1 - 1 / n) ** t:.3f}" for t in STATIC_FITS)]
    products = (math.prod(1 - 1 / (n * k * k) for k in range(1, t + 1)) for t in STATIC_FITS)
    rows = [replace, ["accumulate", *(f"{value:.3f}" for value in products)]]
    text = f"Expected variance of a Gaussian fitted to {n} items by maximum likelihood, as a share of the real variance:"
    return f"<p>{text}</p>" + table(["regime", *(f"fit {t}" for t in STATIC_FITS)], rows)


def _theorem(data: Json, folder: Path) -> str:
    rows = []
    for regime, label in LABELS.items():
        if regime == "accumulate_subsample":
            values = theory.subsample_growth(STATIC_FITS, **LINEAR)
        else:
            values = theory.growth(regime, STATIC_FITS)
        rows.append([label, *(f"{value:.3f}" for value in values)])
    text = f"Expected test error as a multiple of that of the first fit, d = {LINEAR['d']}, T = {LINEAR['T']}:"
    return f"<p>{text}</p>" + table(["regime", *(f"fit {t}" for t in STATIC_FITS)], rows)


def _results(data: Json, folder: Path) -> str:
    rows = []
    for experiment in data["experiments"]:
        for one in experiment["data"]:
            setting = one["settings"][0]
            curves = setting["curves"][experiment["headline"]]
            chosen = curves.get("relative", curves["absolute"])
            ends = []
            for regime in LABELS:
                t, mean, low, high = (chosen.get(regime) or [[0, None, None, None]])[-1]
                between = f" [{low:.3g}, {high:.3g}]" if low is not None else ""
                ends.append("not run" if mean is None else f"{mean:.3g}{between} (fit {t})")
            rows.append([f"{experiment['title']}, {one['title']}", *ends])
    text = "Loss of the final fit / loss of the first fit on real held-out data, with 95% intervals:"
    return f"<p>{text}</p>" + table(["experiment", *LABELS.values()], rows)


def _picture(address: str, alt: str) -> str:
    return f'<img src="{address}" alt="{html.escape(alt)}">'


def _faces(data: Json, folder: Path) -> str:
    one = data["data"][0]
    setting = one["settings"][0]
    parts = []
    for regime in ("replace", "accumulate"):
        fits = setting["regimes"][regime]
        sheet = rows_of(setting["sheets"][regime], setting["rows"], [fits[min(fits)], fits[max(fits)]])
        about = f"{one['title']} sampled by fit {min(fits)} (above) and fit {max(fits)} (below) under {LABELS[regime]}"
        parts.append(f"<p>{about}:</p>" + _picture(sheet, about))
    return "".join(parts)


def _stories(data: Json, folder: Path) -> str:
    one = data["data"][0]
    setting = one["settings"][0]
    regimes = setting["regimes"]
    shown = [
        ("replace", min(regimes["replace"])),
        *((r, max(regimes[r])) for r in ("replace", "accumulate")),
    ]
    return f"<p>{html.escape(one['title'])}, {html.escape(setting['title'])}:</p>" + "".join(
        f"<p>{LABELS[regime]}, fit {fit}:</p><blockquote><p>{html.escape(regimes[regime][fit]['texts'][0])}</p></blockquote>"
        for regime, fit in shown
    )


def _molecules(data: Json, folder: Path) -> str:
    one = data["data"][0]
    parts = []
    for regime in ("replace", "accumulate"):
        last = max(one["settings"][0]["regimes"][regime])
        path = folder / one["folder"] / "samples" / "base" / regime / f"iteration-{last:02d}" / "molecules.png"
        if path.is_file():
            address = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
            alt = f"molecules, real above and sampled below, by fit {last} under {LABELS[regime]}"
            parts.append(f"<p>{LABELS[regime]}, fit {last}, real above and sampled below:</p>" + _picture(address, alt))
    return "".join(parts)


@dataclass(frozen=True)
class Interactive:
    """One of them: what a screen reader calls it, its scripts, its data from results/, and its static version."""

    label: str
    scripts: tuple[str, ...]
    data: Callable[[Path], Json]
    static: Callable[[Json, Path], str]


INTERACTIVES = {
    "collapse": Interactive("Run your own collapse", ("chains.js", "collapse.js"), lambda folder: {}, _collapse),
    "theorem": Interactive("Theorem explorer", ("theorem.js",), lambda folder: {}, _theorem),
    "faces": Interactive("Faces by generation", ("generations.js",), faces, _faces),
    "stories": Interactive("Stories by generation", ("generations.js",), stories, _stories),
    "molecules": Interactive("Molecules by generation", ("generations.js", "molecules.js"), molecules, _molecules),
    "results": Interactive("Results explorer", ("results.js",), explorer, _results),
}


def as_json(data: Json) -> str:
    """JSON that can stand in a script element: nothing in it looks like the page's own markup."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def markup(name: str, folder: Path) -> str:
    """The element that the scripts turn into the interactive ``name``, with its data from the results in ``folder``."""
    one = INTERACTIVES[name]
    data = one.data(folder)
    if "data" in data and not data["data"]:
        return "<p>There are no samples in the results yet.</p>"
    return (
        f'<div class="interactive" data-interactive="{name}" role="group" aria-label="{one.label}">'
        f'<script type="application/json">{as_json(data)}</script>'
        f'<div class="static">{one.static(data, folder)}</div></div>'
    )


def scripts(names: Sequence[str]) -> list[str]:
    """The scripts of a page that holds the interactives ``names``, each once, in the order in which they are loaded."""
    own = [script for name in names for script in INTERACTIVES[name].scripts]
    return list(dict.fromkeys([*SHARED, *own])) if names else []
