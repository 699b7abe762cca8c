"""Do fresh runs give the published numbers again?  Equal bits on the same software and processor.

Another processor rounds in another order, and training amplifies it; there the headline metric has
to come out within ``TOLERANCE``, which is several times what two machines were seen to differ by.
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
# of the provenance: what decides the last bit
SAME = ("python", "versions", "processor", "device", "threads")
CHAIN = ["preset", "data", "variant", "regime", "seed"]


def compare(folder: Path, root: str | Path | None = None) -> tuple[list[str], bool]:
    """One line for every finished run below ``folder`` with published rows, and whether all agree.

    Raises InputError if there is no such run, and RunError that names a file which is not as it was
    written.
    """
    lines, agree = [], True
    for run_dir in finished_runs(folder) if folder.is_dir() else ():
        run = read_run(run_dir)
        fresh = frame_of([run])
        first = fresh.iloc[0]
        chain = first["section"], first["variant"], first["regime"], f"seed {first['seed']}"
        name = " ".join(filter(None, chain))
        try:
            home = results.folder(first["section"], first["preset"], first["data"], root)
        except InputError:
            continue
        published = results.read_csv(home / "metrics.csv")
        published = published[(published[CHAIN] == first[CHAIN]).all(axis=1)]
        if published.empty:
            continue
        same = ["variant", "regime", "seed"]
        record = next(
            record["provenance"]
            for record in files.read_json(home / "provenance.json")
            if [record[name] for name in same] == first[same].tolist()
        )
        alike = all(record.get(key) == run.done.get(key) for key in SAME)
        words, right = _difference(published, fresh, alike)
        lines.append(f"{name}: {words}")
        agree = agree and right
    if not lines:
        raise InputError(
            "DIR", str(folder), "a folder with finished runs of which results are published"
        )
    return lines, agree


def _headline(fresh: pd.DataFrame) -> str:
    """The metric of a section that is compared; of an own model the one that claims are about, or
    its first.
    """
    section, metrics = fresh["section"].iloc[0], fresh["metric"].tolist()
    if section in sections.NAMES:
        return sections.module(section).HEADLINE
    with contextlib.suppress(InputError):  # a section without claims
        if (metric := claims.page(section).metric) in metrics:
            return metric
    return metrics[0]


def _difference(published: pd.DataFrame, fresh: pd.DataFrame, alike: bool) -> tuple[str, bool]:
    key = ["iteration", "metric"]
    both = published.merge(fresh, on=key, how="outer", suffixes=("_published", "_fresh"))
    if (both["value_published"] == both["value_fresh"]).all():
        return "equal to the published rows to the last bit", True
    headline = both[both["metric"] == _headline(fresh)]
    apart = (headline["value_fresh"] / headline["value_published"] - 1).abs().max()
    if alike:
        unequal = "NOT equal to the published rows, made with the same software and processor"
        return f"{unequal} ({apart:.2g} apart)", False
    words = f"{apart:.2g} apart on other software or another processor ({TOLERANCE:g} allowed)"
    # an iteration that one side lacks
    return words, bool(apart <= TOLERANCE) and not headline.isna().any(axis=None)
