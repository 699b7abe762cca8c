"""The words of the front page and of the README's head, from results, presets and verdicts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from collapse_utils.evidence.claims import OURS, Claim
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, REPRODUCED, UNDECIDED, Verdict
from collapse_utils.language.config import PRESETS as LANGUAGE

from . import scorecard
from .headline import Panel

NAMES = {
    "linear": "linear regression",
    "language": "language models",
    "images": "faces",
    "molecules": "molecules",
}
SQUARES = {REPRODUCED: "\u25a0", UNDECIDED: "\u25a1", NOT_REPRODUCED: "\u2715"}
COLD = "accumulate-variety-cold"  # the claim on what samples lose at temperature 0.3


@dataclass(frozen=True)
class Outcome:
    """One of the paper's claims on the main data of its experiment."""

    claim: Claim
    verdict: Verdict


def papers_claims(judged: scorecard.Judged) -> list[Outcome]:
    """The paper's claims, each on the first of its results: the real data of its experiment."""
    found = []
    for rows in judged.values():
        for claim, verdicts in rows:
            name = claim.page.results[0]
            decided = name in verdicts and verdicts[name].outcome in SQUARES
            if claim.where != OURS and not claim.detail_of and decided:
                found.append(Outcome(claim, verdicts[name]))
    return found


def _span(panels: list[Panel], regime: str) -> str:
    """The smallest and the largest final loss over panels, relative to the first fit, with their
    experiments.
    """
    in_order = sorted(panels, key=lambda panel: panel.growth(regime))
    low, high = in_order[0], in_order[-1]
    if low is high:
        return f"{low.growth(regime):.2g} ({NAMES[low.section]})"
    return (
        f"{low.growth(regime):.2g} ({NAMES[low.section]}) to {high.growth(regime):.2g} "
        f"({NAMES[high.section]})"
    )


def bullets(first: list[Panel], judged: scorecard.Judged) -> list[str]:
    """The answer in sentences that contain the numbers."""
    neural = [
        panel
        for panel in first
        if panel.section != "linear" and "accumulate_subsample" in panel.curves
    ]
    lines = [
        "**Replacing** real data with synthetic data makes every model worse. The final loss is "
        f"{_span(first, 'replace')} times the first.",
        "**Accumulating** synthetic data beside the real data prevents most of it: "
        f"{_span(first, 'accumulate')} times.",
        *_at_equal_size(neural),
    ]
    return [*lines, *_cold(judged)]


def _at_equal_size(panels: list[Panel]) -> list[str]:
    """What is left of the advantage if the training set does not grow; empty until that was run."""
    if not panels:
        return []
    rises = [
        panel
        for panel in panels
        if panel.fit("accumulate_subsample", -1).low > panel.fit("replace", 0).high
    ]
    names = " and ".join(NAMES[panel.section] for panel in rises)
    return [
        "**Part of that is more training data.** Cut back to the size of the first training set, "
        f"accumulation ends at {_span(panels, 'accumulate_subsample')} times the first loss"
        + (
            f"; it is above its start for {names} (the 95% intervals do not overlap)."
            if names
            else "."
        ),
    ]


def _cold(judged: scorecard.Judged) -> list[str]:
    """What the loss does not show: the variety of samples at temperature 0.3."""
    for rows in judged.values():
        for claim, verdicts in rows:
            verdict = verdicts.get(claim.page.results[0])
            if claim.id == COLD and verdict is not None:
                kept = verdict.effect.mean
                return [
                    "**The loss does not see everything.** At sampling temperature 0.3 the loss "
                    f"under accumulation stays where it was, while its samples keep {kept:.0%} of "
                    "their variety (distinct word pairs)."
                ]
    return []


def count(outcomes: list[Outcome]) -> str:
    """How many of the paper's claims came out how, in one sentence."""
    counts = Counter(outcome.verdict.outcome for outcome in outcomes)
    failed = [
        outcome.claim.statement for outcome in outcomes if outcome.verdict.outcome == NOT_REPRODUCED
    ]
    text = (
        f"Of the {len(outcomes)} claims of the paper that we test, {counts[REPRODUCED]} are "
        f"reproduced, {counts[UNDECIDED]} undecided and {counts[NOT_REPRODUCED]} not reproduced"
    )
    return text + (f" ({'; '.join(failed)})." if failed else ".")


def strip(outcomes: list[Outcome]) -> str:
    """A square for each of the paper's claims, which leads to where its page shows it."""
    return " ".join(
        f"[{SQUARES[outcome.verdict.outcome]}](#{outcome.claim.shown})" for outcome in outcomes
    )


def smallness(root: Path) -> str:
    """How small our language models are beside the paper's, from the preset and the published size
    of the data.
    """
    path = root / "results" / "planning" / "assumptions.csv"
    if not path.is_file():
        return ""
    assumed = pd.read_csv(path).set_index("name")["value"]
    return (
        f"Our runs are small: one of our language models reads {LANGUAGE['cpu'].stories:,} "
        f"stories, one of the paper's {int(assumed['language_items']):,}. Directions can be "
        "compared; sizes of effects cannot."
    )


def page(root: Path, first: list[Panel], judged: scorecard.Judged) -> str:
    """The answer on the front page."""
    outcomes = papers_claims(judged)
    listed = "\n".join(f"- {line}" for line in bullets(first, judged))
    return f"{listed}\n\n{count(outcomes)}\n\n{strip(outcomes)}\n\n{smallness(root)}\n"


def readme(first: list[Panel], judged: scorecard.Judged) -> str:
    """The answer in the README, which has no labels to link to."""
    listed = "\n".join(f"- {line}" for line in bullets(first, judged))
    return f"{listed}\n\n{count(papers_claims(judged))}\n"
