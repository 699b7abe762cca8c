"""The claims of the paper and our own, from ``book/claims.yml``, and their verdicts on results.

The file states for each claim where the paper makes it, which test decides it, which results it
reads, and the outcome.  The outcome is written there by hand: if a changed result reverses it, the
tests fail until somebody has reviewed it and revised the prose.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ..errors import InputError, one_of
from . import effects, scaling, shares
from .results import shipped
from .rows import SCALES, Rows, arm_options, joined
from .statistics import Estimate
from .verdicts import NOT_RUN, OUTCOMES, TWO_LOOKS, Part, Verdict, decide

OURS = "ours"  # in place of a passage of the paper: a control or a claim of our own
DETAILS = {  # further tests of a claim -> what they add to its statement
    "trends_up": "the fits are in order (Page's trend test)",
    "never_falls": "no step falls by more than {limit}",
    "stays_equal": "the later fits lie on average within {limit} of the first, on both sides",
    "levels_off": "it levels off, within a factor of {limit}",
}
EQUIVALENCE_TESTS = ("stays_equal", "stays_near", "levels_off")  # of both sides of a margin
SHARE_TESTS = ("makes_share", "second_fit_share")  # their effect is a share of a rise
UNITLESS_TESTS = ("trends_up", "grows_as_harmonic", *SHARE_TESTS)
SLOPE_UNITS = {"slopes_up": " per fit", "falls_with": " per doubling"}
MOST_NAMES = 3  # of models in a note; of more the note gives the number


@dataclass(frozen=True)
class Page:
    """What the claims of one section share; each has a page of the book."""

    section: str
    metric: str
    scale: str
    results: tuple[str, ...]  # real data first, then the built-in default
    units: dict[str, str] = field(default_factory=dict)  # metric -> unit of a difference
    models: dict[str, str] = field(default_factory=dict)  # name -> fields of the variant it is


@dataclass(frozen=True)
class Claim:
    """One statement that results can decide."""

    id: str
    page: Page
    statement: str
    where: str  # in the paper; ``ours`` for a control
    test: str
    options: dict
    shown: str  # the label of the cell that shows it
    outcomes: dict[str, str]  # results -> outcome
    metric: str  # of the page, unless the claim has its own
    scale: str  # likewise
    tag: str = ""  # how certain it is that the paper says so
    variant: str = ""
    variant_on: dict[str, str] = field(default_factory=dict)  # results -> the variant there
    unit: str = ""
    beside: str = ""  # a metric in whose unit the effect is shown as well
    models: tuple[str, ...] = ()  # the claim must hold for each of these that was run
    # The rows that the paper reports: {where: ..., models: [...], until: the last iteration that
    # counts, note: what differs}
    reported: dict = field(default_factory=dict)
    # The prediction that registered the claim before it was in claims.yml: file#id in results/
    predicted: str = ""
    detail_of: str = ""  # the claim of which this is a detail

    def rows(self, frame: pd.DataFrame, model: str = "") -> Rows:
        """The rows that the claim reads for one of its models."""
        return Rows(frame, self.metric, self.scale, self.variant, model)

    @property
    def ratio(self) -> bool:
        """Whether the effect is a ratio, and not a difference."""
        return self.scale == "ratio" and self.test not in (*SHARE_TESTS, *shares.NO_RATIOS)

    @property
    def effect(self) -> str:
        """The effect that the claim is about, in words."""
        return effects.describe(self.test, self.options, self.scale)

    def unit_of(self, metric: str) -> str:
        """The unit of an effect on ``metric``; empty for a ratio or a test without unit."""
        if self.unit or self.ratio or self.test in (*UNITLESS_TESTS, *shares.TESTS):
            return self.unit
        return self.page.units.get(metric, "") + SLOPE_UNITS.get(self.test, "")

    def claimed(self, verdict: Verdict) -> str:
        """Where the effect is claimed to lie, such as ``> 0 nats per token``."""
        unit = f" {self.unit_of(self.metric)}".rstrip()
        limit = self.options.get("limit")
        if self.test == "follows_theory":
            return f"within {limit:.0%} of 1"
        if self.test in EQUIVALENCE_TESTS:
            return (
                f"from {1 / limit:.3g} to {limit:.3g}"
                if self.ratio
                else f"within {limit:.3g}{unit} of 0"
            )
        return f"{'>' if verdict.sign > 0 else '<'} {verdict.threshold:.3g}{unit}"

    def claimed_range(self, verdict: Verdict) -> tuple[float, float]:
        """The same range as numbers; an open end is infinite."""
        limit = self.options.get("limit")
        if self.test == "follows_theory":
            return 1 / (1 + limit), 1 + limit
        if self.test in EQUIVALENCE_TESTS:
            return (1 / limit, limit) if self.ratio else (-limit, limit)
        return (verdict.threshold, math.inf) if verdict.sign > 0 else (-math.inf, verdict.threshold)


def file() -> Path:
    """The path of ``claims.yml``, in the installed package or in the source tree."""
    if path := shipped("claims.yml", "book/claims.yml"):
        return path
    raise InputError("claims.yml", "", "a package installed with its claims, or a source tree")


@functools.cache
def load(path: Path | None = None) -> tuple[Claim, ...]:
    """Every claim in the file's order, each followed by its details; InputError names an error."""
    content = yaml.safe_load((path or file()).read_text(encoding="utf-8"))
    pages = {}
    for section, fields in content["sections"].items():
        pages[section] = Page(section, **{**fields, "results": tuple(fields["results"])})
        one_of(f"scale of {section}", pages[section].scale, SCALES)
    loaded: dict[str, Claim] = {}
    for entry in content["claims"]:
        for claim in _claims(entry, pages):
            if claim.id in loaded:
                raise InputError("id", claim.id, "another id for every claim")
            loaded[claim.id] = claim
    return tuple(loaded.values())


def _claims(entry: dict, pages: dict[str, Page]) -> list[Claim]:
    """The claim of an entry of the file, and its details."""
    entry = dict(entry)
    name, details = entry.get("id", ""), entry.pop("details", {})
    page = pages[one_of(f"{name}: section", entry.pop("section", ""), pages)]
    missing = {"id", "statement", "where", "test", "shown", "outcomes"} - set(entry)
    unknown = set(entry) - {each.name for each in dataclasses.fields(Claim)}
    if missing or unknown:
        raise InputError(
            f"{name}: fields",
            ", ".join(sorted(missing | unknown)),
            "the fields of a claim, all that it needs",
        )
    defaults = {"options": {}, "metric": page.metric, "scale": page.scale}
    models = tuple(entry.pop("models", ()))
    claim = Claim(page=page, models=models, **(defaults | entry))
    return [_checked(each) for each in (claim, *_details(claim, details))]


def _details(claim: Claim, entries: dict[str, dict]) -> list[Claim]:
    """The details of a claim, from test -> options and outcomes."""
    details = []
    for test, entry in entries.items():
        one_of(f"{claim.id}: details", test, DETAILS)
        options = {name: value for name, value in entry.items() if name != "outcomes"}
        limit = options.get("limit", 0.0)
        unit = claim.page.units.get(claim.metric, "")
        percent = claim.ratio and test == "never_falls"
        margin = f"{limit:.0%}" if percent else f"{limit:g} {unit}".strip()
        details.append(
            dataclasses.replace(
                claim,
                id=f"{claim.id}.{test}",
                detail_of=claim.id,
                statement=f"{claim.statement}: {DETAILS[test].format(limit=margin)}",
                test=test,
                options={**claim.options, **options},
                outcomes=entry.get("outcomes", {}),
            )
        )
    return details


def _checked(claim: Claim) -> Claim:
    """The claim; InputError names a value that is not allowed."""
    one_of("test", claim.test, effects.TESTS)
    one_of(f"{claim.id}: scale", claim.scale, SCALES)
    for model in claim.models:
        one_of(f"{claim.id}: models", model, claim.page.models)
    for where in (*claim.outcomes, *claim.variant_on):
        one_of(f"{claim.id}: outcomes", where, claim.page.results)
    for outcome in claim.outcomes.values():
        one_of(f"{claim.id}: outcomes", outcome, OUTCOMES)
    return claim


def of(section: str) -> list[Claim]:
    """The claims of one section, without their details."""
    return [claim for claim in load() if claim.page.section == section and not claim.detail_of]


def on(claim: Claim, name: str) -> Claim:
    """The claim with the variant that it reads in the results called ``name``."""
    return dataclasses.replace(claim, variant=claim.variant_on.get(name, claim.variant))


def details(claim: Claim) -> list[Claim]:
    """The details of a claim."""
    return [each for each in load() if each.detail_of == claim.id]


def page(section: str) -> Page:
    """What the claims of a section share; InputError for a section without claims."""
    for claim in load():
        if claim.page.section == section:
            return claim.page
    raise InputError("section", section, "a section with claims in claims.yml")


def of_each_source(names: Iterable[str]) -> list[str]:
    """The first name of every data source, such as ``cpu-bible``: its largest preset."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.partition("-")[2], name)
    return list(first.values())


def arms(claim: Claim, model: str = "") -> list[tuple[str, str]]:
    """The (regime, variant) of the chains that a claim reads."""
    for kind in (shares, scaling):
        if claim.test in kind.TESTS:
            return kind.arms(**claim.options)
    pairs = []
    for arm in claim.options.values():
        if isinstance(arm, str | dict):
            options = arm_options(arm)
            pairs.append((options["regime"], joined(model, options.get("variant", claim.variant))))
    return pairs


def every_arm(claim: Claim) -> set[tuple[str, str]]:
    """The (regime, variant) of the chains that a claim reads, for all of its models."""
    models = [claim.page.models[name] for name in claim.models] or [""]
    return {arm for model in models for arm in arms(claim, model)}


def chains(claim: Claim, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the chains that a claim reads; of a grid, which has no chains, all rows."""
    if "variant" not in frame:
        return frame
    pairs = every_arm(claim)
    return frame[[pair in pairs for pair in zip(frame["regime"], frame["variant"], strict=True)]]


def models_in(claim: Claim, frame: pd.DataFrame) -> dict[str, str]:
    """Name -> fields of each model of a claim that was run; without models, both are empty."""
    if not claim.models:
        return {"": ""}
    present = set(zip(frame["regime"], frame["variant"], strict=True))
    fields = {name: claim.page.models[name] for name in claim.models}
    return {name: model for name, model in fields.items() if present & set(arms(claim, model))}


def parts(claim: Claim, frame: pd.DataFrame, metric: str = "") -> list[Part]:
    """The parts of a claim for all of its models; ``metric`` replaces the claim's own."""
    claim = dataclasses.replace(claim, metric=metric or claim.metric)
    test = effects.TESTS[claim.test]
    return [
        part
        for model in models_in(claim, frame).values()
        for part in test(claim.rows(frame, model), **claim.options)
    ]


def judge(claim: Claim, frame: pd.DataFrame) -> Verdict:
    """The verdict on a claim; *not run* if ``frame`` lacks a regime or variant that it needs.

    Rows with ``look`` 2 are of seeds that were added after the first results had been seen.  A part
    that reads such seeds is decided at the level of two looks.
    """
    used = chains(claim, frame)
    added = set(used[used["look"] > 1]["seed"]) if "look" in used else set()
    decided = [
        dataclasses.replace(part, level=TWO_LOOKS) if added & set(part.seeds) else part
        for part in parts(claim, frame)
    ]
    verdict = decide(claim.statement, decided)
    if verdict.outcome == NOT_RUN:
        return verdict
    notes = [_steps(claim, frame)] if claim.test == "slopes_up" else []
    if claim.models:
        run = list(models_in(claim, frame))
        notes.append(" and ".join(run) if len(run) <= MOST_NAMES else f"{len(run)} models")
    if any(part.level == TWO_LOOKS for part in decided):
        notes.append(f"two looks: p < {TWO_LOOKS} needed")
    return dataclasses.replace(
        verdict,
        claimed=claim.claimed(verdict),
        note="; ".join(notes),
        beside=_beside(claim, frame, verdict),
    )


def _steps(claim: Claim, frame: pd.DataFrame) -> str:
    """How many steps between successive fits rise, in words."""
    counts = [
        effects.steps_up(claim.rows(frame, model), **claim.options)
        for model in models_in(claim, frame).values()
    ]
    rising, steps = np.sum(counts, axis=0)
    return f"{rising} of {steps} steps rise"


def _beside(claim: Claim, frame: pd.DataFrame, verdict: Verdict) -> str:
    """The effect in the unit of another metric, with the margin of the claim if it has one."""
    if not claim.beside or claim.test == "trends_up" or claim.beside not in set(frame["metric"]):
        return ""
    mean = parts(claim, frame, claim.beside)[verdict.part].estimate().mean
    unit = claim.unit_of(claim.beside)
    effect = f"{mean:.3f} {unit}" if abs(mean) < 1 else f"{mean:.2f} {unit}"
    if not verdict.threshold:
        return effect
    means = chains(claim, frame).groupby("metric")["value"].mean()
    ratio = means[claim.beside] / means[claim.metric]
    return f"{effect}, margin {verdict.threshold * ratio:.2g}"


def text(effect: Estimate) -> str:
    """An effect with its interval, to two significant digits of its shorter half."""
    half = min(effect.mean - effect.low, effect.high - effect.mean)
    if not math.isfinite(half) or half <= 0:
        return effect.text(2)
    digits = min(4, max(0, 1 - math.floor(math.log10(half))))
    if 0 < effect.low < 0.5 * 10**-digits:  # a ratio: its lower end must not be shown as 0
        mean, low, high = (
            np.format_float_positional(value, digits, fractional=False, trim="-")
            for value, digits in ((effect.mean, 2), (effect.low, 1), (effect.high, 2))
        )
        return f"{mean} [{low}, {high}]"
    return effect.text(digits)
