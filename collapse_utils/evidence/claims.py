"""The claims of the paper and our controls, from ``book/claims.yml``, held against results.

The file says of each claim where the paper makes it, which test decides it, which results it reads and what came out.  What
came out is written there by hand, after looking: a changed result that turns a verdict over fails the tests until somebody
has changed the file, and the prose with it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from .. import paths
from ..errors import InputError
from . import effects, results
from .effects import Part, Rows
from .statistics import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED, Estimate, Verdict, all_of, decide

OUTCOMES = (REPRODUCED, NOT_REPRODUCED, UNDECIDED, NOT_RUN)
OURS = "ours"  # a control or a claim of our own: the paper says nothing of it
REPORTED = "reported"  # as a limit: the paper's own effect


@dataclass(frozen=True)
class Page:
    """What the claims of one section share."""

    section: str
    metric: str
    scale: str
    unit: str
    results: tuple[str, ...]  # real data first, then the embedded default; of one data source, the largest preset first


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
    outcomes: dict[str, str]  # results -> what came out
    tag: str = ""  # how sure we are that the paper says so
    variant: str = ""
    metric: str = ""
    # Which reported rows are the paper's: {where: ..., models: [...], until: the last iteration taken, note: what differs}
    reported: dict = field(default_factory=dict)

    def rows(self, frame: pd.DataFrame) -> Rows:
        return Rows(frame, self.metric or self.page.metric, self.page.scale, self.variant)

    @property
    def effect(self) -> str:
        """What the number of this claim is, in words."""
        return effects.EFFECTS[self.test].format(against="less" if self.page.scale == "difference" else "over")

    def claimed(self, verdict: Verdict) -> str:
        """Where the effect is claimed to lie, such as ``> 0 nats``."""
        if self.test == "follows_theory":
            return f"within {self.options['limit']:.0%} of 1"
        unit = f" {self.page.unit}" if self.page.unit and self.page.scale == "difference" else ""
        return f"{'>' if verdict.sign > 0 else '<'} {verdict.threshold:.3g}{unit}"


def file() -> Path:
    """The file of claims: the copy inside an installed package, or a source tree's."""
    if path := paths.shipped("claims.yml", "book/claims.yml"):
        return path
    raise InputError("claims.yml", "", "a package installed with its claims, or a source tree")


@functools.cache
def load(path: Path | None = None) -> tuple[Claim, ...]:
    """Every claim, in the file's order; InputError names the claim and the field that is wrong."""
    content = yaml.safe_load((path or file()).read_text(encoding="utf-8"))
    pages = {}
    for section, given in content["sections"].items():
        pages[section] = Page(section, **{**given, "results": tuple(given["results"])})
        if pages[section].scale not in effects.SCALES:
            raise InputError(f"scale of {section}", pages[section].scale, "one of " + ", ".join(effects.SCALES))
    found: dict[str, Claim] = {}
    for entry in content["claims"]:
        claim = _claim(entry, pages)
        if claim.id in found:
            raise InputError("id", claim.id, "another id for every claim")
        found[claim.id] = claim
    return tuple(found.values())


def _claim(entry: dict, pages: dict[str, Page]) -> Claim:
    entry = dict(entry)
    name = entry.get("id", "")
    section = entry.pop("section", "")
    if section not in pages:
        raise InputError(f"{name}: section", section, "one of " + ", ".join(pages))
    missing = {"id", "statement", "where", "test", "shown", "outcomes"} - set(entry)
    unknown = set(entry) - {each.name for each in dataclasses.fields(Claim)}
    if missing or unknown:
        raise InputError(f"{name}: fields", ", ".join(sorted(missing | unknown)), "the fields of a claim, all that it needs")
    claim = Claim(page=pages[section], **{"options": {}, **entry})
    effects.check(claim.test)
    for where, outcome in claim.outcomes.items():
        if where not in claim.page.results:
            raise InputError(f"{name}: outcomes", where, "one of " + ", ".join(claim.page.results))
        if outcome not in OUTCOMES:
            raise InputError(f"{name}: outcomes", outcome, "one of " + ", ".join(OUTCOMES))
    return claim


def of(section: str) -> list[Claim]:
    """The claims of one section."""
    return [claim for claim in load() if claim.page.section == section]


def page(section: str) -> Page:
    """What the claims of a section share; InputError for a section without any."""
    for claim in load():
        if claim.page.section == section:
            return claim.page
    raise InputError("section", section, "one that claims.yml has claims of")


def of_each_source(names: Iterable[str]) -> list[str]:
    """Of names of results, such as ``cpu-bible``, the first of every data source: that at its largest preset."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.partition("-")[2], name)
    return list(first.values())


def parts(claim: Claim, frame: pd.DataFrame, root: Path | None = None) -> list[Part]:
    """The effects of a claim; a limit that is the paper's own is taken from the reported rows."""
    options = dict(claim.options)
    if options.get("limit") == REPORTED:
        options["limit"] = max(_worst(claim, own) for own in reported_frames(claim, root))
    return effects.TESTS[claim.test](claim.rows(frame), **options)


def _worst(claim: Claim, frame: pd.DataFrame) -> float:
    found = effects.TESTS[claim.test](claim.rows(frame), **{**claim.options, "limit": 0.0})
    return max(found[0].effects)


def judge(claim: Claim, frame: pd.DataFrame, root: Path | None = None) -> Verdict:
    """The verdict on a claim; *not run* where ``frame`` lacks a regime or variant that it needs."""
    found = [decide(claim.statement, part.effects, part.threshold, part.sign) for part in parts(claim, frame, root)]
    if not found:  # nothing that would say what is claimed of it
        return decide(claim.statement, [], 0.0, +1)
    verdict = all_of(claim.statement, found)
    return dataclasses.replace(verdict, claimed=claim.claimed(verdict))


def reported_frames(claim: Claim, root: Path | None = None) -> list[pd.DataFrame]:
    """The paper's rows that speak of a claim, one frame a model, in the form of our own results.

    Every regime starts from the same first fit, so a curve that lacks it takes it from the same source.
    """
    path = results.root(root) / "reported" / f"{claim.page.section}.csv"
    if not claim.reported or not path.is_file():
        return []
    rows = results.read_csv(path)
    rows = rows[rows["where"] == claim.reported["where"]].assign(seed=0)
    rows = rows[rows["iteration"] <= claim.reported.get("until", math.inf)]
    defaults = {"model": "", "temperature": 1.0, "metric": claim.page.metric}
    rows = rows.assign(**{name: value for name, value in defaults.items() if name not in rows})
    # The paper's rows know the temperature, and no other field by which our variants differ.
    named = [rows[rows["temperature"] == _temperature(variant)].assign(variant=variant) for variant in variants(claim)]
    frames = []
    for model in claim.reported.get("models", [""]):
        own = pd.concat([part[part["model"] == model] for part in named])
        first = rows[(rows["model"] == model) & (rows["iteration"] == 1)].drop_duplicates("metric")
        lacking = [key for key, curve in own.groupby(["regime", "variant"]) if 1 not in set(curve["iteration"])]
        added = [first.assign(regime=regime, variant=variant) for regime, variant in lacking]
        frames.append(pd.concat([own, *added], ignore_index=True))
    return frames


def variants(claim: Claim) -> list[str]:
    """The variants that a claim reads."""
    arms = [arm["variant"] for arm in claim.options.values() if isinstance(arm, dict) and "variant" in arm]
    return sorted({claim.variant, *arms})


def _temperature(variant: str) -> float:
    fields = dict(part.split("=") for part in variant.split(",") if part)
    return float(fields.get("temperature", 1.0))


def paper_effects(claim: Claim, root: Path | None = None) -> list[float]:
    """The effect of a claim in the paper's own numbers, a value a model: of the part that stands weakest."""
    found = []
    for frame in reported_frames(claim, root):
        values = [(part.sign * (part.effects[0] - part.threshold), part.effects[0])
                  for part in parts(claim, frame, root) if part.effects]  # fmt: skip
        found += [min(values)[1]] if values else []
    return found


def tags(claim: Claim, root: Path | None = None) -> list[str]:
    """How sure the paper's numbers of a claim are: the tags of its reported rows, else the tag of the claim."""
    found = sorted({tag for frame in reported_frames(claim, root) for tag in frame["tag"]})
    return found or [claim.tag] * bool(claim.tag)


def text(effect: Estimate) -> str:
    """An effect with its interval, in as many decimals as its size needs."""
    return effect.text(3 if abs(effect.mean) < 10 else 1)
