"""The words of the front page and of the README's head, from results, presets and verdicts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from collapse_utils.evidence.claims import OURS, Claim
from collapse_utils.evidence.statistics import Estimate
from collapse_utils.evidence.verdicts import NOT_REPRODUCED, REPRODUCED, UNDECIDED, Verdict
from collapse_utils.language.config import PRESETS as LANGUAGE

from .headline import NAMES, Panel
from .scorecard import Judged

SQUARES = {REPRODUCED: "\u25a0", UNDECIDED: "\u25a1", NOT_REPRODUCED: "\u2715"}
# at temperature 0.3 under accumulate: the claim on what samples lose, and that on the loss
COLD, COLD_LOSS = "accumulate-variety-cold", "accumulate-stays-cold"
EXCEPTION = "gpt2-accumulate-stays"  # in the second bullet


@dataclass(frozen=True)
class Outcome:
    """One of the paper's claims on the main data of its experiment."""

    claim: Claim
    verdict: Verdict


def papers_claims(judged: Judged) -> list[Outcome]:
    """The paper's claims, each on the first of its results: the real data of its experiment."""
    outcomes = []
    for rows in judged.values():
        for claim, verdicts in rows:
            name = claim.page.results[0]
            decided = name in verdicts and verdicts[name].outcome in SQUARES
            if claim.where != OURS and not claim.detail_of and decided:
                outcomes.append(Outcome(claim, verdicts[name]))
    return outcomes


WIDE = 1.5  # a ratio whose interval spans more than this factor is shown with its interval


def _short(ratio: Estimate) -> str:
    return f"{ratio.mean:.0f}" if ratio.mean > 10 else f"{ratio.mean:.2f}"


def _joined(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _each(panels: list[Panel], regime: str, named: bool = True) -> str:
    """The final loss / the first of every panel, with its experiment if it is to be named."""
    words = []
    for panel in panels:
        ratio = panel.growth(regime)
        number = ratio.text(2) if ratio.high > WIDE * ratio.low else _short(ratio)
        words.append(f"{number} ({NAMES[panel.section]})" if named else number)
    return _joined(words)


def bullets(first: list[Panel], judged: Judged) -> list[str]:
    """The answer in sentences that contain the numbers."""
    first = sorted(first, key=lambda panel: panel.growth("replace").mean)
    several = len(first) > 1
    lines = [
        "**Replacing** real data with samples makes every model worse: the final loss is "
        f"{_each(first, 'replace')} times the first.",
        "**Accumulating** samples beside the real data prevents most of it: "
        f"{'in the same order ' * several}{_each(first, 'accumulate', named=not several)} times."
        f"{_exception(judged)}",
        *_at_equal_size([panel for panel in first if panel.control]),
    ]
    return [*lines, *_cold(judged)]


def _exception(judged: Judged) -> str:
    """Where the loss rises under accumulate, against the paper; empty where it does not."""
    found = _on_main_data(judged, EXCEPTION)
    if found is None or found[1].outcome != NOT_REPRODUCED:
        return ""
    claim, verdict = found
    unit = claim.unit_of(claim.metric)
    rise = f"{verdict.effect.text(3)} {unit}"
    return f" Not for GPT-2: at temperature 1, later losses are {rise} higher."


def _on_main_data(judged: Judged, name: str) -> tuple[Claim, Verdict] | None:
    """A claim by its id, with its verdict on the first of its results that has one."""
    for rows in judged.values():
        for claim, verdicts in rows:
            if claim.id == name and claim.page.results[0] in verdicts:
                return claim, verdicts[claim.page.results[0]]
    return None


def _at_equal_size(panels: list[Panel]) -> list[str]:
    """What is left of the advantage if the training set does not grow; empty until that was run."""
    helped = [panel for panel in panels if panel.control.low > 1]
    others = [NAMES[panel.section] for panel in panels if panel.control.low <= 1]
    if not helped:
        return []
    kept = f"; for {_joined(others)} it changes little" if others else ""
    return [
        "**Part of that is more training data.** At equal size, accumulation ends at "
        f"{_each(helped, 'accumulate_subsample')} times{kept}."
    ]


def _cold(judged: Judged) -> list[str]:
    """What the loss does not show: the variety of samples at temperature 0.3."""
    samples, losses = (_on_main_data(judged, name) for name in (COLD, COLD_LOSS))
    if samples is None or losses is None:
        return []
    (_, variety), (claim, loss) = samples, losses
    unit = claim.unit_of(claim.metric)
    return [
        "**The loss does not see everything.** At temperature 0.3, accumulation changes "
        f"later losses by {loss.effect.text(3)} {unit}; the final samples keep "
        f"{variety.effect.mean:.0%} of their distinct token pairs."
    ]


def count(outcomes: list[Outcome]) -> str:
    """How many of the paper's claims came out how, in one sentence."""

    def named(outcome: str) -> str:
        chosen = [one.claim for one in outcomes if one.verdict.outcome == outcome]
        of = Counter(NAMES[claim.page.section] for claim in chosen)
        several = len(of) > 1
        words = ", ".join(f"{count} of {name}" if several else name for name, count in of.items())
        return f"{len(chosen)} {outcome} {SQUARES[outcome]}" + (f" ({words})" if chosen else "")

    reproduced = sum(one.verdict.outcome == REPRODUCED for one in outcomes)
    return (
        f"{len(outcomes)} tests of the paper's claims: {reproduced} reproduced "
        f"{SQUARES[REPRODUCED]}, "
        f"{named(UNDECIDED)} and {named(NOT_REPRODUCED)}."
    )


def strip(outcomes: list[Outcome]) -> str:
    """A square for each of the paper's claims, which leads to where its page shows it."""
    return " ".join(
        f"[{SQUARES[outcome.verdict.outcome]}](#{outcome.claim.shown})" for outcome in outcomes
    )


def smallness(root: Path) -> str:
    """How small our language models are compared with the paper's."""
    path = root / "results" / "planning" / "assumptions.csv"
    if not path.is_file():
        return ""
    from collapse_utils.language.fit import new_model  # imports transformers: seconds
    from collapse_utils.language.model import PAPER_SIZES, parameters

    assumed = pd.read_csv(path).set_index("name")["value"]
    ours = LANGUAGE["trained"]
    count = parameters(new_model(ours, 0)) / 1e6
    sizes = sorted(size.parameters / 1e6 for size in PAPER_SIZES.values())
    return (
        f"Our language models have {count:.1f} million parameters and read "
        f"{ours.stories:,} stories; the paper's have {sizes[0]:.0f} to {sizes[-1]:.0f} million "
        f"and {assumed['language_items'] / 1e6:.1f} million. Compare directions, not sizes."
    )


def answer(first: list[Panel], judged: Judged) -> str:
    """The answer on the front page."""
    return "\n".join(f"- {line}" for line in bullets(first, judged)) + "\n"


def certainty(root: Path, judged: Judged) -> str:
    """How many claims hold, each as a square, and how small the runs are."""
    outcomes = papers_claims(judged)
    return f"{count(outcomes)}\n\n{strip(outcomes)}\n\n{smallness(root)}\n"


def readme(first: list[Panel], judged: Judged) -> str:
    """The answer in the README, which has no labels to link to."""
    return f"{answer(first, judged)}\n{count(papers_claims(judged))}\n"
