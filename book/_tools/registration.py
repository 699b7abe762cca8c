"""When each claim was registered: the commit since which ``book/claims.yml`` has its definition.

    python -m book._tools register

writes ``book/registered.yml`` from the history of the repository.  A verdict is *confirmatory* if
its claim, with its test and margins, was committed before the first chain that decides it began.
Otherwise it is *exploratory*.  Wording and outcomes do not belong to the definition.  A claim that
names a prediction in ``results/`` was registered by the commit that wrote the prediction.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from collapse_utils.durable.files import write_text
from collapse_utils.errors import InputError
from collapse_utils.evidence import claims
from collapse_utils.evidence.claims import Claim

CLAIMS, REGISTERED = "book/claims.yml", "book/registered.yml"
CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
HEAD = """\
# Since which commit claims.yml, or the prediction that a claim names, has defined it as it is now,
# and which results were made after it. Written by `make register` from the history of the
# repository; not to be edited.
"""
Chain = tuple[str, str, int]  # variant, regime, seed
GRID = ("", "", 0)  # stands for the chains of a grid of simulations, which has none


def definitions(text: str) -> dict[str, dict]:
    """Claim -> what decides it (test, options, ...), from the text of any version of the file."""
    content, defined = yaml.safe_load(text), {}
    for entry in content["claims"]:
        page = content["sections"][entry["section"]]
        models = {name: page["models"][name] for name in entry.get("models", [])}
        common = {
            "section": entry["section"],
            "metric": entry.get("metric", page["metric"]),
            "scale": entry.get("scale", page["scale"]),
            "variant": entry.get("variant", ""),
            "models": models,
            **({"variant_on": entry["variant_on"]} if "variant_on" in entry else {}),
        }
        options = entry.get("options", {})
        defined[entry["id"]] = {**common, "test": entry["test"], "options": options}
        for test, detail in entry.get("details", {}).items():
            own = {name: value for name, value in detail.items() if name != "outcomes"}
            defined[f"{entry['id']}.{test}"] = {
                **common,
                "test": test,
                "options": {**options, **own},
            }
    return defined


def predictions(text: str) -> dict[str, dict]:
    """The entries of a file of predictions, by id."""
    content = yaml.safe_load(text)
    entries = content["predictions"] if isinstance(content, dict) else content
    return {entry["id"]: entry for entry in entries}


def _git(root: Path, *arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        raise InputError(
            "history", str(root), "a git repository with its whole history"
        ) from problem


def history(root: Path) -> dict[str, dict]:
    """Claim -> the commit that registered it, its date, and the results that were begun after it.

    InputError without a git repository, or in a shallow clone, where the oldest commit is not the
    first.
    """
    if _git(root, "rev-parse", "--is-shallow-repository").strip() != "false":
        raise InputError(
            "history", str(root), "a git repository with its whole history (git fetch --unshallow)"
        )
    since = _since(root, CLAIMS, definitions)
    claimed = claims.load(root / CLAIMS)
    for file in {claim.predicted.partition("#")[0] for claim in claimed if claim.predicted}:
        entries = _since(root, f"results/{file}", predictions)
        for claim in claimed:
            named, _, entry = claim.predicted.partition("#")
            if named == file and entry in entries:
                since[claim.id] = dict(entries[entry])
    begun = _all_starts(root)
    for claim in claimed:
        if claim.id in since:
            date = datetime.fromisoformat(since[claim.id]["date"])
            first = {
                name: _first(claims.on(claim, name), begun.get(f"{claim.page.section}/{name}", {}))
                for name in claim.outcomes
            }
            since[claim.id]["confirmed_by"] = [
                name for name, start in first.items() if start and date < start
            ]
    return dict(sorted(since.items()))


def _since(root: Path, file: str, read: Callable[[str], dict[str, dict]]) -> dict[str, dict]:
    """Entry of a file -> the oldest commit since which it has not changed, with its date; the file
    may have had another name.

    The history is followed from commit to parent as long as a parent has the same entry, so an
    entry keeps its date when the branch that it was written on is merged.
    """
    now = read((root / file).read_text(encoding="utf-8"))
    form = ("--full-history", "--parents", "--topo-order", "--format=%H %aI %P")
    names = _git(root, "log", "--follow", "--name-only", "--format=", "--", file).split()
    paths = sorted({file, *names})
    lines = [line.split() for line in _git(root, "log", *form, "--", *paths).splitlines()]
    content: dict[str, dict[str, dict]] = {}  # object name of a version of the file -> its entries

    def same(commit: str) -> set[str]:
        """The entries that are in a commit as they are now."""
        blob = _git(root, "ls-tree", "--format=%(objectname)", commit, "--", *paths).strip()
        if blob not in content:
            content[blob] = read(_git(root, "cat-file", "blob", blob)) if blob else {}
        return {name for name in now if content[blob].get(name) == now[name]}

    unchanged = {commit: same(commit) for commit, *_ in lines}
    followed = {lines[0][0]: unchanged[lines[0][0]]} if lines else {}
    since: dict[str, dict] = {}
    for commit, date, *parents in lines:
        names = followed.get(commit, set())
        older = {parent: names & unchanged[parent] for parent in parents}
        for parent, kept in older.items():
            followed[parent] = followed.get(parent, set()) | kept
        for name in names.difference(*older.values()):
            known = since.get(name)
            if not known or datetime.fromisoformat(date) <= datetime.fromisoformat(known["date"]):
                since[name] = {"commit": commit, "date": date}
    return since


def _all_starts(root: Path) -> dict[str, dict[Chain, datetime]]:
    """Table of results -> when each chain was first begun; for a grid, when it was committed.

    A chain that is run again, with the same configuration on the same data, gives the same numbers.
    They were known since its first run, whose time is in the history of its provenance record.
    """
    begun: dict[str, dict[Chain, datetime]] = {}
    for path in sorted((root / "results").glob("*/*/provenance.json")):
        key = path.relative_to(root).as_posix()
        table = path.parent.relative_to(root / "results").as_posix()
        commits = _git(root, "log", "--format=%H", "--diff-filter=AM", "--", key).split()
        versions = [
            path.read_text(encoding="utf-8"),
            *(_git(root, "show", f"{commit}:{key}") for commit in commits),
        ]
        records = [record for version in versions for record in json.loads(version)]
        now = {_chain(record): _made_from(record) for record in json.loads(versions[0])}
        starts = [
            (_chain(record), _start(record))
            for record in records
            if now.get(_chain(record)) == _made_from(record)
        ]
        begun[table] = {
            chain: min(start for other, start in starts if other == chain) for chain in now
        }
    for path in sorted((root / "results").glob("*/*/grid.csv")):
        key = path.relative_to(root).as_posix()
        table = path.parent.relative_to(root / "results").as_posix()
        if date := _git(root, "log", "-1", "--format=%aI", "--", key).strip():
            begun[table] = {GRID: datetime.fromisoformat(date)}
    return begun


def _chain(record: dict) -> Chain:
    return record["variant"], record["regime"], record["seed"]


def _made_from(record: dict) -> tuple[dict, dict]:
    return record["config"], record["data"]


def _start(record: dict) -> datetime:
    provenance = record["provenance"]
    return datetime.fromisoformat(provenance["finished"]) - timedelta(seconds=provenance["wall_s"])


def _first(claim: Claim, begun: dict[Chain, datetime]) -> datetime | None:
    """When the first of the chains that a claim reads was begun; None if none was."""
    arms = {(variant, regime) for regime, variant in claims.every_arm(claim)} | {GRID[:2]}
    return min((start for chain, start in begun.items() if chain[:2] in arms), default=None)


def write(root: Path) -> Path:
    """Write ``registered.yml``; returns its path."""
    path = root / REGISTERED
    write_text(path, HEAD + yaml.safe_dump(history(root), sort_keys=False, width=200))
    return path


def read(root: Path) -> dict[str, dict]:
    """The content of ``registered.yml``; empty without the file."""
    path = root / REGISTERED
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def kind(claim: Claim, name: str, registered: dict[str, dict]) -> str:
    """Whether a claim was registered before the results called ``name``, or after."""
    return (
        CONFIRMATORY
        if name in registered.get(claim.id, {}).get("confirmed_by", [])
        else EXPLORATORY
    )
