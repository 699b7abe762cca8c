"""The scorecard: every claim with the paper's number, our number, the verdict and links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from collapse_utils import sections
from collapse_utils.evidence import claims, reported, results
from collapse_utils.evidence.claims import OURS, Claim
from collapse_utils.evidence.verdicts import NOT_RUN, REPRODUCED, Verdict
from collapse_utils.pages.names import results_name
from collapse_utils.pages.tables import on_one_line

from . import registration
from .explorer import METRICS
from .tables import captioned, markdown

BADGES = {"READ": "primary", "DIGITISED": "info", "DERIVED": "warning", "RECALLED": "secondary"}
TITLES = {  # sections without a module of their own
    "own_model": "Your own model",
    "bias": "Bias under accumulation",
    "gaussian": "Gaussians, words and lost tails",
    "families": "The constant π²/6, and where it ends",
    "mixing": "What real data are worth",
    "sharpening": "What the loss cannot see",
    "scale": "Scale",
}
REDUCED, FULL, OWN = "at reduced scale", "at the paper's scale", "not in the paper"
SHORT = 7  # letters of a commit that are shown
SIMULATED = {  # the metrics of simulations, which the explorer does not show
    "value": "simulated value",
    "formula_error": "relative distance to the formula",
    "prediction_error": "mean distance to the prediction over the later fits",
    "rise": "rise",
    "log_loss": "log-loss",
}

# section -> claims, with verdicts by results
Judged = dict[str, list[tuple[Claim, dict[str, Verdict]]]]


@dataclass(frozen=True)
class Registry:
    """The commits that registered the claims, for links to them."""

    registered: dict[str, dict]
    repository: str  # its address

    @classmethod
    def read(cls, root: Path) -> Registry:
        config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
        return cls(registration.read(root), config.get("repository", {}).get("url", ""))

    def link(self, claim: Claim) -> str:
        """The commit that registered a claim, as a link; empty if no commit has it yet."""
        commit = self.registered.get(claim.id, {}).get("commit", "")
        address = f"{self.repository}/commit/{commit}"
        return f"registered in [{commit[:SHORT]}]({address})" if commit else ""


def title(section: str) -> str:
    return TITLES.get(section) or sections.module(section).TITLE


def judged(root: Path) -> Judged:
    """Section -> every claim, before its details, with its verdict on each of its results."""
    judgements: Judged = {}
    frames: dict[tuple[str, str], pd.DataFrame] = {}
    folder = root / "results"
    for claim in claims.load():
        verdicts = {}
        for name in claim.outcomes:
            key = claim.page.section, name
            if not (folder / claim.page.section / name).is_dir():
                continue  # not collected yet
            if key not in frames:
                frames[key] = results.named(*key, folder)
            verdicts[name] = claims.judge(claims.on(claim, name), frames[key])
        judgements.setdefault(claim.page.section, []).append((claim, verdicts))
    return judgements


def scale_of(section: str, name: str) -> str:
    """The scale of results compared with the paper's, in words."""
    if section in TITLES:
        return OWN
    return FULL if section == "linear" or name.startswith("paper-") else REDUCED


def tested(claim: Claim, verdicts: dict[str, Verdict]) -> str:
    """What was tested, in one sentence."""
    claimed = next((verdict.claimed for verdict in verdicts.values() if verdict.claimed), "")
    names = claim.options.get("metrics") or [claim.metric]
    titles = [(METRICS | SIMULATED).get(name, name).partition(" (")[0] for name in names]
    subject = f"For the {' and the '.join(titles)}, we test"
    return f"{subject} {f'whether {claim.effect} is {claimed}' if claimed else claim.effect}."


def anchor(claim: Claim) -> str:
    """The id of a claim on the claims page."""
    return "claim-" + claim.id.replace(".", "-").replace("_", "-")


def full(root: Path, judged: Judged) -> str:
    """A table of claims for every section, in a dropdown."""
    registry = Registry.read(root)
    return "\n".join(
        _folded(section, _table(root, rows, registry)) for section, rows in judged.items()
    )


def _folded(section: str, table: str) -> str:
    name = f"table-claims-{section.replace('_', '-')}"
    caption = (
        f"{title(section)}: every claim with its results. Below a claim is what was tested and the "
        "commit that registered it."
    )
    return (
        f"``````{{dropdown}} {title(section)}\n{{numref}}`{name}` lists the claims.\n\n"
        f"{captioned(table, caption, name)}``````\n"
    )


def _table(root: Path, rows: list[tuple[Claim, dict[str, Verdict]]], registry: Registry) -> str:
    lines = (
        (
            _lines(
                f"[{claim.statement}](#{claim.shown})",
                tested(claim, verdicts),
                registry.link(claim),
            ),
            _paper(claim, root / "results"),
            "<br><br>".join(_ours(claim, verdicts, registry)) or NOT_RUN,
        )
        for claim, verdicts in rows
        if not claim.detail_of
    )
    return markdown(["claim", "the paper", "our results"], lines)


def _lines(*parts: str) -> str:
    return "<br>".join(part for part in parts if part)


def _paper(claim: Claim, folder: Path) -> str:
    """Where the paper makes a claim, its number, and the tags of the source."""
    if claim.where == OURS and not claim.reported:
        return "our own"
    where = "our own" if claim.where == OURS else claim.where
    span = unit = ""
    if values := reported.paper_effects(claim, folder):
        span = " to ".join(dict.fromkeys(number(end) for end in (min(values), max(values))))
        unit = claim.unit_of(reported.paper_metric(claim, folder))
    note = f"({claim.reported['note']})" if "note" in claim.reported else ""
    badges = " ".join(f"{{bdg-{BADGES[tag]}-line}}`{tag}`" for tag in reported.tags(claim, folder))
    return _lines(where, " ".join(part for part in (span, unit, note, badges) if part))


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def _ours(claim: Claim, verdicts: dict[str, Verdict], registry: Registry) -> list[str]:
    """The verdict of each of our results on a claim, with its effect and notes."""
    cells = []
    for name in claim.outcomes:
        verdict = verdicts.get(name)
        if verdict is None or verdict.outcome == NOT_RUN:
            continue
        kind = registration.kind(claim, name, registry.registered)
        data, scale = results_name(claim.page, name), scale_of(claim.page.section, name)
        cells.append(
            _lines(
                f"{data}: {_outcome(verdict)}, {scale}",
                interval(verdict),
                f"({verdict.beside})" if verdict.beside else "",
                f"{kind}; {verdict.note}" if verdict.note else kind,
            )
        )
    return cells


def _outcome(verdict: Verdict) -> str:
    return verdict.outcome if verdict.outcome == REPRODUCED else f"**{verdict.outcome}**"


def interval(verdict: Verdict) -> str:
    """The effect with its interval, on one line; with p if the test has no interval."""
    shown = on_one_line(claims.text(verdict.effect))
    return shown if "[" in shown else f"{shown}, p = {verdict.p:.2g}"


def details(root: Path, judged: Judged) -> str:
    """The further tests of claims about a rise, in one table."""
    registry, lines = Registry.read(root), []
    for claim, verdicts in (row for rows in judged.values() for row in rows if row[0].detail_of):
        statement = f'<span id="{anchor(claim)}"></span>{claim.statement}'
        cells = "<br><br>".join(_ours(claim, verdicts, registry)) or NOT_RUN
        lines.append((_lines(statement, tested(claim, verdicts)), cells))
    return captioned(
        markdown(["claim", "our results"], lines),
        "Further tests of the claims about a rise. A lowest step is that of the least certain pair "
        "of fits.",
        "table-claim-details",
    )


def families(judged: Judged) -> list[tuple[str, list[Verdict]]]:
    """The sets of verdicts to correct for their number: the scorecard without and with details."""
    pairs = [
        (claim, verdict)
        for rows in judged.values()
        for claim, verdicts in rows
        for verdict in verdicts.values()
    ]
    main = [verdict for claim, verdict in pairs if not claim.detail_of]
    return [
        ("the scorecard", main),
        ("the scorecard and its details", [verdict for _, verdict in pairs]),
    ]
