"""The table of what we predicted before the runs, and of the outcomes."""

from __future__ import annotations

from pathlib import Path

import yaml

from collapse_utils.evidence import claims
from collapse_utils.evidence.verdicts import NOT_RUN
from collapse_utils.pages.names import DATA, results_name
from collapse_utils.pages.tables import on_one_line

from . import predictions
from .scorecard import Judged
from .tables import captioned, markdown

OF_CLAIMS = {  # section whose predictions are outcomes of claims -> the beginning of its results
    "language": "trained-",
    "scale": "scale-",
}
QUESTIONS = {  # statistic of results/predictions.yml -> its question
    "growth": "grows like Hₜ, or like a line",
    "bounded": "grows like Hₜ, or like a sum that converges",
    "late_change": "still rises after fit 21, or levels off",
    "final_ratio": "log of the final loss / the first",
    "final_gap": "log of the final loss / that of {over}",
}
CHAINS = {  # entry of that file -> its chains
    "long-faces": "faces, 50 fits",
    "long-molecules": "molecules, 50 fits",
    "long-own-model": "own model, 200 fits",
    "long-own-model-named": "own model, 200 fits",
    "long-language": "language models, 50 fits",
    "long-language-named": "language models, 50 fits",
    "langevin-molecules": "GeoDiff's own sampler",
    "geometry-molecules": "rough geometry alone",
    "faces-by-seed": "faces, own photographs for each seed",
    "faces-by-seed-subsample": "faces, own photographs for each seed",
}
Row = tuple[str, str, str, str, str]


def rows(root: Path, judged: Judged) -> list[Row]:
    """Chains, question, expected outcome, outcome and effect of every prediction that was run."""
    of_claims = [row for section in OF_CLAIMS for row in _of_claims(root, judged, section)]
    return [*of_claims, *_of_statistics(root)]


def _of_claims(root: Path, judged: Judged, section: str) -> list[Row]:
    """The predictions of a section that are outcomes of its claims."""
    verdicts = {
        claim.id: (claim, name, verdict)
        for claim, by_name in judged.get(section, [])
        for name, verdict in by_name.items()
        if name.startswith(OF_CLAIMS[section]) and verdict.outcome != NOT_RUN
    }
    path = root / "results" / section / predictions.FILE
    if not path.is_file():
        return []
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["predictions"]
    lines = []
    for entry in entries:
        if entry["id"] in verdicts:
            claim, name, verdict = verdicts[entry["id"]]
            effect = on_one_line(claims.text(verdict.effect))
            kind = "scaling study" if section == "scale" else "language models"
            chains = f"{kind} ({results_name(claim.page, name)})"
            lines.append((chains, claim.statement, entry["expected"], verdict.outcome, effect))
    return lines


def _of_statistics(root: Path) -> list[Row]:
    """The predictions that are outcomes of statistics."""
    table = predictions.outcomes(root / "results")
    lines = []
    for each in table.to_dict("records"):
        if each["outcome"] == predictions.NOT_RUN:
            continue
        over = CHAINS.get(each["over"], each["over"].replace("_", "-"))
        question = QUESTIONS[each["statistic"]].format(over=over)
        chains = f"{CHAINS[each['id']]} ({DATA.get(each['source'], each['source'])})"
        regime = each["regime"].replace("_", "-")
        expected = f"{each['expected']} (probability {each['probability']})"
        effect = on_one_line(each["value"])
        lines.append((chains, f"{regime}: {question}", expected, each["outcome"], effect))
    return lines


def text(root: Path, judged: Judged) -> str:
    """How many predictions came true, and the table."""
    scored = rows(root, judged)
    if not scored:
        return ""
    right = sum(expected.partition(" (")[0] == outcome for _, _, expected, outcome, _ in scored)
    unclear = sum(outcome == predictions.UNDECIDED for *_, outcome, _ in scored)
    sentence = (
        f"We wrote predictions down before their chains were run; {len(scored)} are tested so far. "
        f"Came true: {right}; undecided: {unclear}; wrong: {len(scored) - right - unclear}."
    )
    head = ("chains", "prediction about", "expected", "came out", "effect")
    lines = [[cell.replace("H_t", "Hₜ").replace("S_t", "Sₜ") for cell in row] for row in scored]
    caption = (
        "What we predicted before the runs, and what came out. Effects are means over chains with "
        "95% intervals, of the least certain part where a claim has several. The rules are in the "
        "files `predictions.yml` in `results/`, `results/language/` and `results/scale/`."
    )
    return f"{sentence}\n\n{captioned(markdown(head, lines), caption, 'table-predictions')}"
