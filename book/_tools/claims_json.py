"""``claims.json``: every claim with effects, intervals, outcomes and links, for programs.

The ids are stable: a claim whose meaning changes gets another id.  ``book/claims.schema.json``
describes the file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import yaml

from collapse_utils.evidence import reported, results
from collapse_utils.evidence.claims import Claim
from collapse_utils.evidence.statistics import Estimate
from collapse_utils.evidence.verdicts import LEVEL, NOT_RUN, TWO_LOOKS, Verdict
from collapse_utils.pages.names import results_name

from . import registration, scorecard
from .contents import page_of
from .scorecard import Judged

SCHEMA = "claims.schema.json"
DIGITS = 10  # significant digits of a published number


def content(root: Path, judged: Judged) -> dict[str, Any]:
    """The content of ``claims.json``."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    repository = config.get("repository", {})
    site, source = config.get("html", {}).get("baseurl", ""), repository.get("url", "")
    tables = f"{source}/blob/{repository.get('branch', 'main')}/results"
    registered = registration.read(root)
    return {
        "$schema": f"{site}{SCHEMA}",
        "title": config["title"],
        "levels": {"one look": LEVEL, "two looks": TWO_LOOKS},
        "claims": [
            _claim(root, claim, verdicts, site, source, tables, registered)
            for rows in judged.values()
            for claim, verdicts in rows
        ],
    }


def text(root: Path, judged: Judged) -> str:
    """The text of ``claims.json``."""
    return json.dumps(content(root, judged), indent=1, ensure_ascii=False) + "\n"


def _claim(
    root: Path,
    claim: Claim,
    verdicts: dict[str, Verdict],
    site: str,
    source: str,
    tables: str,
    registered: dict[str, dict],
) -> dict[str, Any]:
    page = page_of(root, claim.page.section)
    entry = registered.get(claim.id, {})
    folder = root / "results"
    return {
        "id": claim.id,
        "section": claim.page.section,
        "detail_of": claim.detail_of or None,
        "statement": claim.statement,
        "in_the_paper": claim.where,
        "tags": reported.tags(claim, folder),
        "test": {
            "name": claim.test,
            "options": claim.options,
            "metric": claim.metric,
            "variant": claim.variant,
        },
        "effect": claim.effect,
        "tested": scorecard.tested(claim, verdicts),
        "ratio": claim.ratio,
        "unit": claim.unit_of(claim.metric),
        "page": f"{site}{page}.html#{claim.shown}" if page else None,
        "registered": {
            "commit": entry["commit"],
            "date": entry["date"],
            "url": f"{source}/commit/{entry['commit']}",
        }
        if entry
        else None,
        "paper": {
            "effects": [_number(value) for value in reported.paper_effects(claim, folder)],
            "unit": claim.unit_of(reported.paper_metric(claim, folder)),
            "note": claim.reported.get("note", ""),
        },
        "results": [
            {
                **_about(claim, name, tables, folder),
                **_result(claim, name, verdicts.get(name), registered),
            }
            for name in claim.outcomes
        ],
    }


def _about(claim: Claim, name: str, tables: str, folder: Path) -> dict[str, Any]:
    """Where the results called ``name`` come from."""
    section = claim.page.section
    existing = (table for table in results.TABLES if (folder / section / name / table).is_file())
    table = next(existing, None)
    return {
        "id": name,
        "data": results_name(claim.page, name),
        "scale": scorecard.scale_of(section, name),
        "table": f"{tables}/{section}/{name}/{table}" if table else None,
    }


def _result(
    claim: Claim, name: str, verdict: Verdict | None, registered: dict[str, dict]
) -> dict[str, Any]:
    """The verdict of the results called ``name`` on a claim."""
    if verdict is None or verdict.outcome == NOT_RUN:
        return {"outcome": NOT_RUN}
    return {
        "outcome": verdict.outcome,
        "evidence": registration.kind(claim, name, registered),
        "effect": _estimate(verdict.effect),
        "claimed": verdict.claimed,
        "claimed_range": [_number(end) for end in claim.claimed_range(verdict)],
        "p": _number(verdict.p),
        "level": verdict.level,
        "parts": verdict.parts,
        "beside": verdict.beside,
        "note": verdict.note,
    }


def _estimate(effect: Estimate) -> dict[str, Any]:
    return {
        "mean": _number(effect.mean),
        "low": _number(effect.low),
        "high": _number(effect.high),
        "observations": effect.n,
    }


def _number(value: float) -> float | None:
    """A number, rounded; infinite and undefined bounds are null, since JSON has no other."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
