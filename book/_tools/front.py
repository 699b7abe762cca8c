"""The text of the front page and of the README's head, from results, presets and verdicts."""

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
# claims on accumulate at temperature 0.3: on the variety of the samples, and on the loss
COLD, COLD_LOSS = "accumulate-variety-cold", "accumulate-stays-cold"
EXCEPTION = "gpt2-accumulate-stays"  # the claim of the exception in the second bullet
WIDE = 1.5  # a ratio whose interval spans more than this factor is shown with its interval


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


def _short(ratio: Estimate) -> str:
    return f"{ratio.mean:.0f}" if ratio.mean > 10 else f"{ratio.mean:.2f}"


def _joined(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _each(panels: list[Panel], regime: str, named: bool = True) -> str:
    """The final loss / the first of every panel, with the name of its experiment if ``named``."""
    words = []
    for panel in panels:
        ratio = panel.growth(regime)
        number = ratio.text(2) if ratio.high > WIDE * ratio.low else _short(ratio)
        words.append(f"{number} ({panel.name})" if named else number)
    return _joined(words)


def bullets(first: list[Panel], judged: Judged) -> list[str]:
    """The answer, in sentences with its numbers."""
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
    """Where the loss rises under accumulate, unlike in the paper; empty if it does not."""
    result = _on_main_data(judged, EXCEPTION)
    if result is None or result.verdict.outcome != NOT_REPRODUCED:
        return ""
    return f" Not for GPT-2: at temperature 1, later losses are {_effect(result)} higher."


def _on_main_data(judged: Judged, name: str) -> Outcome | None:
    """The claim ``name`` with its verdict on the first of its results; None without a verdict."""
    for rows in judged.values():
        for claim, verdicts in rows:
            if claim.id == name and claim.page.results[0] in verdicts:
                return Outcome(claim, verdicts[claim.page.results[0]])
    return None


def _effect(result: Outcome) -> str:
    """The effect of a claim, with its unit."""
    claim = result.claim
    return f"{result.verdict.effect.text(3)} {claim.unit_of(claim.metric)}"


def _at_equal_size(panels: list[Panel]) -> list[str]:
    """The part of the advantage that is due to more training data; empty if that was not run."""
    smaller = [panel for panel in panels if panel.control.low > 1]
    others = [panel.name for panel in panels if panel.control.low <= 1]
    if not smaller:
        return []
    unchanged = f"; for {_joined(others)} it changes little" if others else ""
    return [
        "**Part of that is more training data.** At equal size, accumulation ends at "
        f"{_each(smaller, 'accumulate_subsample')} times{unchanged}."
    ]


def _cold(judged: Judged) -> list[str]:
    """What the loss does not show: the variety of samples at temperature 0.3."""
    variety, loss = (_on_main_data(judged, name) for name in (COLD, COLD_LOSS))
    if variety is None or loss is None:
        return []
    return [
        "**The loss does not see everything.** At temperature 0.3, accumulation changes "
        f"later losses by {_effect(loss)}; the final samples keep "
        f"{variety.verdict.effect.mean:.0%} of their distinct token pairs."
    ]


def count(outcomes: list[Outcome]) -> str:
    """How many of the paper's claims have each outcome, in one sentence."""

    def counted(outcome: str) -> str:
        chosen = [each.claim for each in outcomes if each.verdict.outcome == outcome]
        counts = Counter(NAMES[claim.page.section] for claim in chosen)
        several = len(counts) > 1
        words = [f"{count} of {name}" if several else name for name, count in counts.items()]
        names = f" ({', '.join(words)})" if chosen else ""
        return f"{len(chosen)} {outcome} {SQUARES[outcome]}{names}"

    reproduced = sum(each.verdict.outcome == REPRODUCED for each in outcomes)
    return (
        f"{len(outcomes)} tests of the paper's claims: {reproduced} reproduced "
        f"{SQUARES[REPRODUCED]}, "
        f"{counted(UNDECIDED)} and {counted(NOT_REPRODUCED)}."
    )


def squares(outcomes: list[Outcome]) -> str:
    """A square for each of the paper's claims, as a link to where its page shows it."""
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
    """How many claims hold, a square for each, and how small our models are."""
    outcomes = papers_claims(judged)
    return f"{count(outcomes)}\n\n{squares(outcomes)}\n\n{smallness(root)}\n"


def readme(first: list[Panel], judged: Judged) -> str:
    """The answer in the README, which cannot link to labels."""
    return f"{answer(first, judged)}\n{count(papers_claims(judged))}\n"
