"""The scorecard: every claim with the paper's number, ours, the verdict, and links to what shows
and registers it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from collapse_utils import sections
from collapse_utils.evidence import claims, reported, results
from collapse_utils.evidence.claims import OURS, Claim, Page
from collapse_utils.evidence.verdicts import NOT_RUN, OUTCOMES, REPRODUCED, Verdict

from . import registration
from .contents import page_of
from .headline import DATA

BADGES = {"READ": "primary", "DIGITISED": "info", "DERIVED": "warning", "RECALLED": "secondary"}
TITLES = {  # sections without a module of their own
    "own_model": "Your own model",
    "bias": "Bias under accumulation",
    "gaussian": "Gaussians, words and lost tails",
    "families": "The constant π²/6, and where it ends",
}
LONG = "smoke-orl"  # the small autoencoders, of which the chapter on bias shows chains of 50 fits
REDUCED, FULL, OWN = "at reduced scale", "at the paper's scale", "not in the paper"
SHORT = 7  # letters of a commit

# section -> claims, with verdicts by results
Judged = dict[str, list[tuple[Claim, dict[str, Verdict]]]]


@dataclass(frozen=True)
class Place:
    """Where a table is: in the book, which knows badges and labels, or in the README, which has
    paths alone.
    """

    root: Path
    in_book: bool
    registered: dict[str, dict]
    repository: str  # its address

    def link(self, text: str, claim: Claim) -> str:
        if self.in_book:
            return f"[{text}](#{claim.shown})"
        page = page_of(self.root, claim.page.section)
        return f"[{text}]({page})" if page else text

    def data(self, text: str, section: str, name: str) -> str:
        return text if self.in_book else f"[{text}](results/{section}/{name})"

    def tag(self, name: str) -> str:
        return f"{{bdg-{BADGES[name]}-line}}`{name}`" if self.in_book else f"({name})"

    def registration(self, claim: Claim) -> str:
        """The commit that registered a claim, with a link; empty for one that no commit holds
        yet.
        """
        commit = self.registered.get(claim.id, {}).get("commit", "")
        return (
            f"registered in [{commit[:SHORT]}]({self.repository}/commit/{commit})" if commit else ""
        )


def place(root: Path, in_book: bool) -> Place:
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    address = config.get("repository", {}).get("url", "")
    return Place(root, in_book, registration.read(root), address)


def title(section: str) -> str:
    return TITLES.get(section) or sections.module(section).TITLE


def judged(root: Path) -> Judged:
    """Section -> every claim, each before its details, with its verdict on each of the results that
    it reads.
    """
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
    """What a column of results is called: its data, and its preset where several were run."""
    preset, _, source = name.partition("-")
    if page.section == "own_model":
        return "ORL faces"
    if name == LONG:
        return "ORL faces, 50 fits"
    if not source:
        return "the paper's grid"
    several = [other for other in page.results if other.partition("-")[2] == source]
    return DATA.get(source, source) + (f", {preset}" if len(several) > 1 else "")


def scale_of(section: str, name: str) -> str:
    """How the scale of results compares with the paper's: the linear grid is its own; of the rest
    the preset says it.
    """
    if section in TITLES:
        return OWN
    return FULL if section == "linear" or name.startswith("paper-") else REDUCED


def full(root: Path, judged: Judged, in_book: bool) -> str:
    """A table of claims for every section."""
    here, lines = place(root, in_book), []
    for section, rows in judged.items():
        page = rows[0][0].page
        heads = [here.data(name_of(page, name), section, name) for name in page.results]
        lines += [f"### {title(section)}", ""]
        lines += [f"| claim | the paper | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
        lines += [_row(claim, verdicts, here) for claim, verdicts in rows if not claim.detail_of]
        lines += [""]
    return "\n".join(lines)


def _row(claim: Claim, verdicts: dict[str, Verdict], here: Place) -> str:
    claimed = next((verdict.claimed for verdict in verdicts.values() if verdict.claimed), "")
    cells = [
        _lines(
            here.link(claim.statement, claim),
            f"{claim.effect}, claimed {claimed}" if claimed else claim.effect,
            here.registration(claim),
        ),
        _paper(claim, here),
        *(_ours(claim, name, verdicts.get(name), here) for name in claim.page.results),
    ]
    return f"| {' | '.join(cells)} |"


def _lines(*parts: str) -> str:
    return "<br>".join(part for part in parts if part)


def _paper(claim: Claim, here: Place) -> str:
    if claim.where == OURS and not claim.reported:
        return "our own"
    where = "our own" if claim.where == OURS else claim.where
    home = here.root / "results"
    values = reported.paper_effects(claim, home)
    span = (
        " to ".join(dict.fromkeys(number(end) for end in (min(values), max(values))))
        if values
        else ""
    )
    unit = claim.unit_of(reported.paper_metric(claim, home)) if values else ""
    note = f"({claim.reported['note']})" if "note" in claim.reported else ""
    badges = " ".join(here.tag(tag) for tag in reported.tags(claim, home))
    return _lines(where, " ".join(part for part in (span, unit, note, badges) if part))


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def _ours(claim: Claim, name: str, verdict: Verdict | None, here: Place) -> str:
    if verdict is None or verdict.outcome == NOT_RUN:
        return NOT_RUN
    outcome = verdict.outcome if verdict.outcome == REPRODUCED else f"**{verdict.outcome}**"
    kind = registration.kind(claim, name, here.registered)
    return _lines(
        f"{outcome} {scale_of(claim.page.section, name)}",
        interval(verdict),
        f"({verdict.beside})" if verdict.beside else "",
        f"{kind}; {verdict.note}" if verdict.note else kind,
    )


def interval(verdict: Verdict) -> str:
    """The effect with its interval, on one line; with p where the test has no interval."""
    shown = claims.text(verdict.effect).replace(", ", ",\u00a0")
    return shown if "[" in shown else f"{shown}, p = {verdict.p:.2g}"


def details(root: Path, judged: Judged) -> str:
    """The further tests of claims about a rise, in one table."""
    lines = ["| claim | data | effect | outcome |", "|---|---|---|---|"]
    for rows in judged.values():
        for claim, verdicts in rows:
            if not claim.detail_of:
                continue
            for name in claim.page.results:
                verdict = verdicts.get(name)
                if verdict is None or verdict.outcome == NOT_RUN:
                    shown, outcome = "", NOT_RUN
                else:
                    shown = _lines(
                        f"{claim.effect}, claimed {verdict.claimed}",
                        interval(verdict),
                        verdict.note,
                    )
                    outcome = (
                        verdict.outcome
                        if verdict.outcome == REPRODUCED
                        else f"**{verdict.outcome}**"
                    )
                lines.append(
                    f"| {claim.statement} | {name_of(claim.page, name)} | {shown} | {outcome} |"
                )
    return "\n".join([*lines, ""])


def short(root: Path, judged: Judged, up: str) -> str:
    """How many claims of each section came out how, on each of the results; ``up`` leads to the
    root.
    """
    lines = ["| experiment | data | the paper's claims | our own |", "|---|---|---|---|"]
    for section, rows in judged.items():
        page = rows[0][0].page
        notebook = page_of(root, section)
        link = f"[{title(section)}]({up}{notebook})" if notebook else title(section)
        for name in page.results:
            read = [
                (claim, verdicts[name])
                for claim, verdicts in rows
                if name in verdicts and not claim.detail_of
            ]
            paper = Counter(verdict.outcome for claim, verdict in read if claim.where != OURS)
            ours = Counter(verdict.outcome for claim, verdict in read if claim.where == OURS)
            lines.append(
                f"| {link} | {name_of(page, name)} | {_counted(paper)} | {_counted(ours)} |"
            )
    return "\n".join([*lines, ""])


def _counted(outcomes: Counter) -> str:
    return ", ".join(f"{outcomes[name]} {name}" for name in OUTCOMES if outcomes[name]) or "none"


def families(judged: Judged) -> list[tuple[str, list[Verdict]]]:
    """The verdicts that a correction for many claims counts: those of the scorecard, and those with
    their details.
    """
    every = [
        (claim, verdict)
        for rows in judged.values()
        for claim, verdicts in rows
        for verdict in verdicts.values()
    ]
    main = [verdict for claim, verdict in every if not claim.detail_of]
    return [
        ("the scorecard", main),
        ("the scorecard and its details", [verdict for _, verdict in every]),
    ]
