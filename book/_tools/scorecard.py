"""The scorecard: every claim with the paper's number, ours, the verdict and a link to what shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from collapse_utils import sections
from collapse_utils.evidence import claims, results
from collapse_utils.evidence.claims import OURS, Claim, Page
from collapse_utils.evidence.verdicts import NOT_RUN, OUTCOMES, REPRODUCED, Verdict

from .contents import page_of
from .headline import DATA

BADGES = {"READ": "primary", "DIGITISED": "info", "DERIVED": "warning", "RECALLED": "secondary"}
TITLES = {"own_model": "Your own model"}  # sections without a module of their own


Judged = dict[str, list[tuple[Claim, dict[str, Verdict]]]]  # section -> claims, with verdicts by results


@dataclass(frozen=True)
class Place:
    """Where a table stands: in the book, which knows badges and labels, or in the README, which has paths alone."""

    root: Path
    in_book: bool

    def link(self, text: str, claim: Claim) -> str:
        if self.in_book:
            return f"[{text}](#{claim.shown})"
        page = page_of(self.root, claim.page.section)
        return f"[{text}]({page})" if page else text

    def data(self, text: str, section: str, name: str) -> str:
        return text if self.in_book else f"[{text}](results/{section}/{name})"

    def tag(self, name: str) -> str:
        return f"{{bdg-{BADGES[name]}-line}}`{name}`" if self.in_book else f"({name})"


def title(section: str) -> str:
    return TITLES.get(section) or sections.module(section).TITLE


def judged(root: Path) -> Judged:
    """Section -> every claim with its verdict on each of the results that it reads."""
    found: Judged = {}
    frames: dict[tuple[str, str], pd.DataFrame] = {}
    home = root / "results"
    for claim in claims.load():
        verdicts = {}
        for name in claim.outcomes:
            key = claim.page.section, name
            if not (home / claim.page.section / name).is_dir():
                continue  # not collected yet
            if key not in frames:
                frames[key] = results.named(*key, home)
            verdicts[name] = claims.judge(claim, frames[key])
        found.setdefault(claim.page.section, []).append((claim, verdicts))
    return found


def name_of(page: Page, name: str) -> str:
    """What a column of results is called: its data and its preset."""
    preset, _, source = name.partition("-")
    if page.section == "own_model":
        return "faces"
    return f"{DATA.get(source, source)}, {preset}" if source else "simulated grid"


def full(root: Path, judged: Judged, in_book: bool) -> str:
    """A table of claims for every section."""
    place, lines = Place(root, in_book), []
    for section, found in judged.items():
        page = found[0][0].page
        heads = [place.data(name_of(page, name), section, name) for name in page.results]
        lines += [f"### {title(section)}", ""]
        lines += [f"| claim | the paper | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
        lines += [_row(claim, verdicts, page, place) for claim, verdicts in found]
        lines += [""]
    return "\n".join(lines)


def _row(claim: Claim, verdicts: dict[str, Verdict], page: Page, place: Place) -> str:
    what = place.link(claim.statement, claim)
    if verdicts:
        what += f"<br>{claim.effect} {next((v.claimed for v in verdicts.values() if v.claimed), '')}"
    return f"| {what} | {_paper(claim, place)} | {' | '.join(_ours(verdicts.get(name)) for name in page.results)} |"


def _paper(claim: Claim, place: Place) -> str:
    if claim.where == OURS and not claim.reported:
        return "our own"
    where = "not claimed there" if claim.where == OURS else claim.where
    values = claims.paper_effects(claim, place.root / "results")
    span = " to ".join(dict.fromkeys(number(end) for end in (min(values), max(values)))) if values else ""
    span += f" ({claim.reported['note']})" if "note" in claim.reported else ""
    badges = " ".join(place.tag(tag) for tag in claims.tags(claim, place.root / "results"))
    return "<br>".join(part for part in (where, f"{span} {badges}".strip()) if part)


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def _ours(verdict: Verdict | None) -> str:
    if verdict is None or verdict.outcome == NOT_RUN:
        return NOT_RUN
    interval = claims.text(verdict.effect).replace(", ", ",\u00a0")  # an interval stays on one line
    outcome = verdict.outcome if verdict.outcome == REPRODUCED else f"**{verdict.outcome}**"
    return f"{outcome}<br>{interval}"


def short(root: Path, judged: Judged, up: str) -> str:
    """How many claims of each section came out how, on each of the results; ``up`` leads to the root."""
    lines = ["| experiment | results | the paper's claims | our own |", "|---|---|---|---|"]
    for section, found in judged.items():
        page = found[0][0].page
        notebook = page_of(root, section)
        link = f"[{title(section)}]({up}{notebook})" if notebook else title(section)
        for name in page.results:
            read = [(claim, verdicts[name]) for claim, verdicts in found if name in verdicts]
            paper = Counter(verdict.outcome for claim, verdict in read if claim.where != OURS)
            ours = Counter(verdict.outcome for claim, verdict in read if claim.where == OURS)
            lines.append(f"| {link} | {name_of(page, name)} | {_counted(paper)} | {_counted(ours)} |")
    return "\n".join([*lines, ""])


def _counted(outcomes: Counter) -> str:
    return ", ".join(f"{outcomes[name]} {name}" for name in OUTCOMES if outcomes[name]) or "none"
