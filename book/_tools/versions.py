"""What made the published results: software, machines, time and memory.

The sources are results/<section>/<preset>-<data>/provenance.json, with one record for each chain,
and the versions in requirements.lock.  A record may lack a field, since older versions of the
package wrote fewer.
"""

from __future__ import annotations

import re
import statistics
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collapse_utils import regimes, sections
from collapse_utils.durable import progress
from collapse_utils.durable.files import read_json
from collapse_utils.pages.costs import TITLES
from collapse_utils.pages.figures import LABELS

from .tables import all_verbatim, captioned, markdown, verbatim

NO_RESULTS = "No results have been collected into `results/` yet.\n"
UNKNOWN = "not recorded"
SPACE = "\u00a0"  # a space at which no line ends


def read(root: Path) -> dict[str, list[dict]]:
    """Section -> its records, each with the name of its folder; sections in the book's order."""
    records_of: dict[str, list[dict]] = {}
    for path in (root / "results").glob("*/*/provenance.json"):
        records = [{**record, "folder": path.parent.name} for record in read_json(path)]
        section = verbatim(path.parent.parent.name)
        records_of.setdefault(section, []).extend(all_verbatim(records))
    names = [*sections.NAMES, *sorted(records_of)]
    return {
        name: sorted(records_of[name], key=_order)
        for name in dict.fromkeys(names)
        if records_of.get(name)
    }


def _order(record: dict) -> tuple:
    known = list(regimes.REGIMES)
    rank = known.index(record["regime"]) if record["regime"] in known else len(known)
    return record["folder"], record["variant"], rank, record["regime"], record["seed"]


def title(section: str) -> str:
    return TITLES.get(section, section.replace("_", " ").capitalize())


def _values(records: Iterable[dict], name: str) -> list[Any]:
    """The values of one field of the provenance, from the records that have it."""
    return [value for record in records if (value := record["provenance"].get(name)) is not None]


def _distinct(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in sorted(values))) or UNKNOWN


def _span(values: list[str]) -> str:
    """The first and the last of some dates."""
    if not values:
        return UNKNOWN
    first, last = min(values), max(values)
    return first if first == last else f"{first} to {last}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``40 s``, ``12.3 min``, ``3.5 h``; number and unit stay on one line."""
    return progress.duration(seconds, exact=True).replace(" ", SPACE)


def wall_time(records: list[dict]) -> tuple[str, str]:
    """Median and range, such as ``3.1 min`` and ``2.8 min to 4.0 min``."""
    seconds = _values(records, "wall_s")
    if not seconds:
        return UNKNOWN, ""
    low, high = duration(min(seconds)), duration(max(seconds))
    return duration(statistics.median(seconds)), "" if low == high else f"{low} to {high}"


def memory(records: list[dict]) -> str:
    peaks = _values(records, "peak_memory_mb")
    return f"{max(peaks):,.0f}{SPACE}MB" if peaks else UNKNOWN


def core_seconds(records: list[dict]) -> float:
    """Wall time times threads, all chains together."""
    return sum(
        r["provenance"].get("wall_s", 0) * r["provenance"].get("threads", 1) for r in records
    )


def hours(records: list[dict]) -> str:
    total = core_seconds(records) / 3600
    return "< 0.01" if total < 0.01 else f"{total:.2g}" if total < 10 else f"{total:,.0f}"


def totals(recorded: dict[str, list[dict]]) -> str:
    """Core hours, longest chain and memory of every section, and of all."""
    numbers = "chains", "core hours", "longest chain", "most memory"
    groups = {title(section): records for section, records in recorded.items()}
    groups["**all**"] = [record for records in recorded.values() for record in records]
    rows = []
    for name, records in groups.items():
        longest = duration(max(_values(records, "wall_s"), default=0))
        rows.append((name, str(len(records)), hours(records), longest, memory(records)))
    return markdown(("section", *numbers), rows, right=numbers)


def origin(records: list[dict]) -> list[str]:
    """Machine, commit and dates of some chains, one line for each machine and commit."""
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        groups.setdefault((machine(record), record["provenance"].get("commit")), []).append(record)
    lines = []
    for (name, commit), group in groups.items():
        dates = _span([value[:10] for value in _values(group, "finished")])
        code = f"`{commit[:7]}`" if commit else UNKNOWN
        count = f"{len(group)} chain{'s' * (len(group) != 1)}"
        lines.append(f"- {count} on {name}; commit {code}; finished {dates}")
    return lines


def machine(record: dict) -> str:
    """The machine of a chain, in words."""
    provenance = record["provenance"]
    threads = provenance.get("threads", 1)
    words = [
        provenance.get("processor") or f"a processor whose name was {UNKNOWN}",
        f"{provenance.get('cores', '?')} cores",
        f"device {provenance.get('device', UNKNOWN)}",
        f"{threads} thread{'s' * (threads != 1)} a chain",
    ]
    words += [provenance["precision"]] if "precision" in provenance else []
    return ", ".join(words)


def chains(records: list[dict]) -> str:
    """One row for every variant and regime of a table of results."""
    numbers = "chains", "median time", "range", "peak memory"
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        groups.setdefault((record["variant"], record["regime"]), []).append(record)
    rows = []
    for (variant, regime), group in groups.items():
        name = variant.replace(",", ", ") or "as the preset", LABELS.get(regime, regime)
        rows.append((*name, str(len(group)), *wall_time(group), memory(group)))
    return markdown(("variant", "regime", *numbers), rows, right=numbers)


def tables(section: str, records: list[dict]) -> list[str]:
    """The tables of a section, each with the machines of its chains."""
    lines: list[str] = []
    for folder in dict.fromkeys(record["folder"] for record in records):
        chosen = [record for record in records if record["folder"] == folder]
        about = f"preset {chosen[0]['preset']}, {chosen[0]['data']['source']}"
        name = f"table-chains-{section}-{folder}"
        caption = (
            f"{title(section)}: {about}. A row is all chains of a regime, one for each seed; "
            "memory is that of the largest process."
        )
        lines += [f"**{title(section)}: {about}** ({{numref}}`{name}`)", ""]
        lines += [*origin(chosen), "", captioned(chains(chosen), caption, name)]
    return lines


def _normalised(name: str) -> str:
    """The name of a package as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(root: Path) -> dict[str, str]:
    """Package -> version of requirements.lock; empty if there is none."""
    path = root / "requirements.lock"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pins = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_normalised(name): version.strip() for name, _, version in pins}


def required(root: Path) -> list[str]:
    """The packages that pyproject.toml requires: those of the package, then those of the book."""
    path = root / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"] if path.is_file() else {}
    texts = [
        *project.get("dependencies", ()),
        *project.get("optional-dependencies", {}).get("book", ()),
    ]
    return [re.match(r"[\w.-]+", text)[0] for text in texts]


def software(root: Path, recorded: dict[str, list[dict]]) -> str:
    """Versions in the records of the results, beside those that are pinned."""
    records = [record for section in recorded.values() for record in section]
    versions = _values(records, "versions")
    names = dict.fromkeys(name for of_chain in versions for name in of_chain)
    pins = locked(root)
    rows = [
        ("Python", _distinct(_values(records, "python")), ""),
        ("this package", _distinct(_values(records, "package_version")), ""),
    ]
    for name in {_normalised(name): name for name in [*required(root), *names]}.values():
        trained = _distinct(of_chain[name] for of_chain in versions if name in of_chain)
        rows.append((name, trained if name in names else "", pins.get(_normalised(name), "")))
    return markdown(("software", "trained the results", "pinned in `requirements.lock`"), rows)


def pages(root: Path) -> dict[str, str]:
    """The generated parts of the page, by file name."""
    recorded = read(root)
    chained = [line for section, records in recorded.items() for line in tables(section, records)]
    parts = {
        "versions_totals.md": captioned(
            totals(recorded),
            "Time and memory of the published chains. Core hours are wall time times threads.",
            "table-totals",
        ),
        "versions_chains.md": "\n".join(chained),
        "versions.md": captioned(
            software(root, recorded),
            "Versions of the software. The second column is empty where a chain does not record "
            "the library.",
            "table-software",
        ),
    }
    return {name: text if recorded else NO_RESULTS for name, text in parts.items()}
