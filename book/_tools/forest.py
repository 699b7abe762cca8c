"""The claims as a forest plot: each effect with its interval and the claimed range.

The plot is HTML with a small SVG for each result, made from ``claims.json``.  It needs no script;
the script of the interactive adds filters.
"""

from __future__ import annotations

import html
import json
import math
from pathlib import Path

from collapse_utils.evidence.claims import OURS
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED

from . import scorecard
from .explorer import Json

SOURCE = Path("book") / "_generated" / "claims.json"
EDGE, MARGIN = 32.0, 4.0  # per cent of the width: where the claimed range begins, and both sides
AT = '<svg x="{x:.2f}%" y="50%" overflow="visible">'
MARKS = {  # the shape of an outcome, so that colour is not needed
    REPRODUCED: '<circle cx="{x:.2f}%" cy="50%" r="5"/>',
    NOT_REPRODUCED: f'{AT}<path d="M-5 -5 5 5M-5 5 5 -5"/></svg>',
}
OPEN = '<circle class="open" cx="{x:.2f}%" cy="50%" r="4.5"/>'
PAPER = f'{AT}<path class="paper" d="M0 -7 5 0 0 7 -5 0z"/></svg>'


def forest(folder: Path) -> Json:
    """The data of the filters; ``folder`` has the results."""
    shown = claims(folder)
    sections = list(dict.fromkeys(claim["section"] for claim in shown))
    return {"sections": [[name, scorecard.title(name)] for name in sections]}


def claims(folder: Path) -> list[Json]:
    """The claims of ``claims.json`` without their details."""
    path = folder.resolve().parent / SOURCE
    content = json.loads(path.read_text(encoding="utf-8"))
    return [claim for claim in content["claims"] if not claim["detail_of"]]


def paper_effects(claim: Json) -> list[float]:
    """The paper's effects, if they have the unit of ours."""
    return claim["paper"]["effects"] if claim["paper"]["unit"] == claim["unit"] else []


def results_of(claim: Json) -> list[Json]:
    """The results of a claim that were run."""
    return [result for result in claim["results"] if result["outcome"] != NOT_RUN]


class Scale:
    """The positions of the numbers of one claim, in per cent of the width.

    The claimed range is on the right and begins at ``EDGE``.  Ratios are on a logarithmic axis.
    Every claim has its own scale, on which all of its numbers fit.
    """

    def __init__(self, claim: Json):
        ran = results_of(claim)
        low, high = ran[0]["claimed_range"]
        numbers = [result["effect"][name] for result in ran for name in ("mean", "low", "high")]
        shown = [v for v in (low, high, *numbers, *paper_effects(claim)) if v is not None]
        self.log = claim["ratio"] and min(shown) > 0
        sign = 1 if low is not None else -1
        self.edge = self._value(low if low is not None else high)
        self.other = self._value(high) if low is not None and high is not None else None
        distances = [sign * (self._value(value) - self.edge) for value in shown]
        left = (EDGE - MARGIN) / (max(-min(distances), 0) or 1e-9)
        right = (100 - EDGE - MARGIN) / (max(*distances, 0) or 1e-9)
        self.scale = sign * min(left, right)

    def _value(self, number: float) -> float:
        return math.log(number) if self.log else number

    def position(self, number: float | None, open_end: float = 0.0) -> float:
        """The position of a number; ``open_end`` for the open end of an interval."""
        if number is None:
            return open_end
        return EDGE + self.scale * (self._value(number) - self.edge)

    def claimed(self) -> tuple[float, float]:
        """Both ends of the claimed range."""
        end = 100.0 if self.other is None else EDGE + self.scale * (self.other - self.edge)
        return EDGE, end


def svg(scale: Scale, result: Json, paper: list[float]) -> str:
    """One result: the claimed range, the interval, the effect, and the paper's effects."""
    begin, end = scale.claimed()
    effect = result["effect"]
    mean = scale.position(effect["mean"])
    ends = sorted((scale.position(effect["low"]), scale.position(effect["high"], 100.0)))
    if effect["low"] is None and effect["high"] is None:  # a test without an interval
        ends = [mean, mean]
    mark = MARKS.get(result["outcome"], OPEN).format(x=mean)
    return (
        '<svg class="strip" aria-hidden="true">'
        f'<rect class="claimed" x="{begin:.2f}%" width="{end - begin:.2f}%" height="100%"/>'
        f'<line class="edge" x1="{begin:.2f}%" x2="{begin:.2f}%" y2="100%"/>'
        f'<line x1="{ends[0]:.2f}%" x2="{ends[1]:.2f}%" y1="50%" y2="50%"/>{mark}'
        + "".join(PAPER.format(x=scale.position(value)) for value in paper)
        + "</svg>"
    )


def numbers(result: Json) -> str:
    """An effect with its interval, to one digit beyond the first of the interval's width."""
    mean, low, high = (result["effect"][name] for name in ("mean", "low", "high"))
    if low is None or high is None:
        return f"{mean:.3g}"
    digits = min(max(1 - math.floor(math.log10(high - low)), 0), 4) if high > low else 2
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def result_item(scale: Scale, claim: Json, result: Json) -> str:
    """One result as an item of a list, with the attributes that the filters read."""
    filters = {name: result[name] for name in ("outcome", "data", "evidence")}
    attributes = " ".join(f'data-{name}="{html.escape(text)}"' for name, text in filters.items())
    outcome = result["outcome"].replace(" ", "-")
    return (
        f'<li class="result {outcome}" {attributes}>'
        f'<span class="data">{html.escape(result["data"])}</span>'
        f"{svg(scale, result, paper_effects(claim))}"
        f'<span class="outcome">{result["outcome"]}</span> '
        f'<span class="number">{numbers(result)}</span></li>'
    )


def claim_block(claim: Json) -> str:
    """A claim with what was tested, and an item for each of its results."""
    ran = results_of(claim)
    name = f"claim-{claim['id']}"
    source = "ours" if claim["in_the_paper"] == OURS else "paper"
    where = "our own claim" if source == "ours" else f"the paper, {claim['in_the_paper']}"
    statement = html.escape(claim["statement"])
    if claim["page"]:
        statement = f'<a href="../{"/".join(claim["page"].split("/")[-2:])}">{statement}</a>'
    scale = Scale(claim) if ran else None
    items = "".join(result_item(scale, claim, result) for result in ran)
    return (
        f'<div class="claim" id="{name}" data-section="{claim["section"]}" data-source="{source}">'
        f'<p class="statement">{statement} <span class="where">({html.escape(where)})</span> '
        f'<a class="self" href="#{name}" aria-label="Link to this claim">#</a></p>'
        f'<p class="tested">{html.escape(claim["tested"])}</p>'
        + (f"<ul>{items}</ul>" if items else f'<p class="tested">{NOT_RUN.capitalize()}.</p>')
        + "</div>"
    )


def count(shown: list[Json]) -> str:
    """What these claims came to, as "9 claims with 12 results: 11 reproduced, 1 undecided"."""
    ran = [result["outcome"] for claim in shown for result in results_of(claim)]
    outcomes = (REPRODUCED, UNDECIDED, NOT_REPRODUCED)
    parts = [f"{ran.count(outcome)} {outcome}" for outcome in outcomes if outcome in ran]
    results = f" with {len(ran)} results: {', '.join(parts)}" if ran else ""
    return f"{len(shown)} claims{results}"


def static(data: Json, folder: Path) -> str:
    """The whole plot: an experiment is a dropdown, which the script closes on a phone."""
    shown = claims(folder)
    parts = []
    for section, title in data["sections"]:
        chosen = [claim for claim in shown if claim["section"] == section]
        parts.append(
            f'<details class="section" open><summary class="head">{html.escape(title)}'
            f' <span class="count">{count(chosen)}</span></summary>'
            f"{''.join(map(claim_block, chosen))}</details>"
        )
    return "".join(parts)
