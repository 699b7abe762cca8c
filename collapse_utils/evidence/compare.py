"""Do fresh runs give the published numbers again?  To the last bit where software and processor are
the same.

Another processor rounds in another order, and training amplifies it; there the headline metric has
to come out within ``TOLERANCE``, which is several times what two machines were seen to differ by.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import sections
from ..durable import files
from ..durable.metrics import frame_of
from ..durable.run_dir import finished_runs
from ..errors import InputError
from . import results

TOLERANCE = 0.15  # relative, of the headline metric
# of the provenance: what decides the last bit
SAME = ("python", "versions", "processor", "device", "threads")
CHAIN = ["preset", "data", "variant", "regime", "seed"]


def compare(folder: Path, root: str | Path | None = None) -> tuple[list[str], bool]:
    """One line for every finished run below ``folder`` that has published rows, and whether all of
    them agree.

    Raises InputError if there is no such run.
    """
    lines, agree = [], True
    for run_dir in finished_runs(folder) if folder.is_dir() else ():
        fresh = frame_of([run_dir])
        first = fresh.iloc[0]
        name = (
            f"{first['section']} {first['variant']} {first['regime']} seed {first['seed']}".replace(
                "  ", " "
            )
        )
        try:
            home = results.folder(first["section"], first["preset"], first["data"], root)
        except InputError:
            continue
        published = results.read_csv(home / "metrics.csv")
        published = published[(published[CHAIN] == first[CHAIN]).all(axis=1)]
        if published.empty:
            continue
        record = next(
            record
            for record in files.read_json(home / "provenance.json")
            if (record["variant"], record["regime"], record["seed"])
            == (first["variant"], first["regime"], first["seed"])
        )["provenance"]
        own = files.read_json(run_dir / "DONE")
        alike = all(record.get(key) == own.get(key) for key in SAME)
        told, right = _difference(published, fresh, first["section"], alike)
        lines.append(f"{name}: {told}")
        agree = agree and right
    if not lines:
        raise InputError(
            "DIR", str(folder), "a folder with finished runs of which results are published"
        )
    return lines, agree


def _difference(
    published: pd.DataFrame, fresh: pd.DataFrame, section: str, alike: bool
) -> tuple[str, bool]:
    key = ["iteration", "metric"]
    both = published.merge(fresh, on=key, how="outer", suffixes=("_published", "_fresh"))
    if (both["value_published"] == both["value_fresh"]).all():
        return "equal to the published rows to the last bit", True
    headline = both[both["metric"] == sections.module(section).HEADLINE]
    apart = (
        ((headline["value_fresh"] - headline["value_published"]) / headline["value_published"])
        .abs()
        .max()
    )
    if alike:
        return (
            "NOT equal to the published rows, made with the same software and processor "
            f"({apart:.2g} apart)",
            False,
        )
    # an iteration that one side lacks
    right = bool(apart <= TOLERANCE) and not headline.isna().any(axis=None)
    return (
        f"{apart:.2g} apart on other software or another processor ({TOLERANCE:g} allowed)",
        right,
    )
