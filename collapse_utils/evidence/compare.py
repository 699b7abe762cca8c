"""Whether fresh runs reproduce the published numbers.

On the same software and processor, the bits must be equal.  Another processor rounds in another
order, and training amplifies the difference.  There the headline metric must agree within
``TOLERANCE``, which is several times the largest difference that we saw between two machines.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pandas as pd

from .. import sections
from ..durable import files
from ..durable.metrics import frame_of
from ..durable.reading import read_run
from ..durable.run_dir import finished_runs
from ..errors import InputError
from . import claims, results

TOLERANCE = 0.15  # relative, of the headline metric
ROUNDING = ("python", "versions", "processor", "device", "threads")  # what decides the last bit
CHAIN = ["preset", "data", "variant", "regime", "seed"]


def compare(folder: Path, root: str | Path | None = None) -> tuple[list[str], bool]:
    """One line for every finished run below ``folder`` with published rows, and whether all agree.

    InputError if there is no such run; RunError names a file that has changed since it was written.
    """
    lines, agree = [], True
    for run_dir in finished_runs(folder) if folder.is_dir() else ():
        run = read_run(run_dir)
        fresh = frame_of([run])
        first = fresh.iloc[0]
        chain = first["section"], first["variant"], first["regime"], f"seed {first['seed']}"
        name = " ".join(filter(None, chain))
        try:
            table = results.folder(first["section"], first["preset"], first["data"], root)
        except InputError:
            continue
        published = results.read_csv(table / "metrics.csv")
        published = published[(published[CHAIN] == first[CHAIN]).all(axis=1)]
        if published.empty:
            continue
        key = ["variant", "regime", "seed"]
        provenance = next(
            record["provenance"]
            for record in files.read_json(table / "provenance.json")
            if [record[column] for column in key] == first[key].tolist()
        )
        same_machine = all(provenance.get(item) == run.done.get(item) for item in ROUNDING)
        difference, agrees = _difference(published, fresh, same_machine)
        lines.append(f"{name}: {difference}")
        agree = agree and agrees
    if not lines:
        raise InputError(
            "DIR", str(folder), "a folder with finished runs of which results are published"
        )
    return lines, agree


def _headline(fresh: pd.DataFrame) -> str:
    """The metric that is compared; for an own model that of its claims, or its first."""
    section, metrics = fresh["section"].iloc[0], fresh["metric"].tolist()
    if section in sections.NAMES:
        return sections.module(section).HEADLINE
    with contextlib.suppress(InputError):  # a section without claims
        if (metric := claims.page(section).metric) in metrics:
            return metric
    return metrics[0]


def _difference(
    published: pd.DataFrame, fresh: pd.DataFrame, same_machine: bool
) -> tuple[str, bool]:
    """The difference in words, and whether it is allowed."""
    key = ["iteration", "metric"]
    both = published.merge(fresh, on=key, how="outer", suffixes=("_published", "_fresh"))
    if (both["value_published"] == both["value_fresh"]).all():
        return "equal to the published rows to the last bit", True
    headline = both[both["metric"] == _headline(fresh)]
    apart = (headline["value_fresh"] / headline["value_published"] - 1).abs().max()
    if same_machine:
        unequal = "NOT equal to the published rows, made with the same software and processor"
        return f"{unequal} ({apart:.2g} apart)", False
    words = f"{apart:.2g} apart on other software or another processor ({TOLERANCE:g} allowed)"
    same_iterations = not headline.isna().any(axis=None)
    return words, bool(apart <= TOLERANCE) and same_iterations
