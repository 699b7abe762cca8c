"""The claims of section 3 and our controls, decided from a simulated grid.

A cell (T, sigma2, regime) has random numbers of its own, so cells are independent observations; iterations of one cell are
not, and each cell contributes one iteration to a claim about all of them.  That a closed form holds is a claim of
equivalence: the interval of simulation / theory must lie within ``TOLERANCE`` of 1, on both sides.
"""

from __future__ import annotations

import pandas as pd

from ..statistics import Verdict, all_of, exceeds, stays_below
from .grid import independent
from .theory import ACCUMULATE_BOUND

TOLERANCE = 0.03  # of a ratio; a simulation of 200 repeats a cell decides it
LAWS = {
    "replace": "replace grows in proportion to n (Theorem 1)",
    "accumulate": "accumulate grows as the sum of 1/i^2 (Theorem 2)",
    "replace_multiple": "replace with grown data grows as the sum of 1/i (Appendix E)",
    "accumulate_subsample": "accumulate, subsampled, follows our recursion",
}


def verdicts(grid: pd.DataFrame) -> list[Verdict]:
    """Every claim; ``grid`` has the columns of ``grid.csv``."""
    chosen = pd.DataFrame(independent(grid.to_dict("records")))
    last = grid["n"].max()
    end = grid[(grid["x"] == "same") & (grid["n"] == last)].pivot(index=["T", "sigma2"], columns="regime", values="mean")
    first = grid[(grid["x"] == "same") & (grid["n"] == 1)].pivot(index=["T", "sigma2"], columns="regime", values="theory")
    found = []
    for regime, law in LAWS.items():
        cells = chosen[chosen["regime"] == regime]
        ratios = (cells["mean"] / cells["theory"]).tolist()
        found.append(all_of(law, [exceeds(law, ratios, 1 - TOLERANCE), stays_below(law, ratios, 1 + TOLERANCE)]))
    bound = "accumulate stays below pi^2/6 of its first error (within 3%)"
    return [
        *found,
        stays_below(bound, (end["accumulate"] / first["accumulate"]).tolist(), ACCUMULATE_BOUND * (1 + TOLERANCE)),
        exceeds("replace ends more than ten times above accumulate", (end["replace"] / end["accumulate"]).tolist(), 10.0),
        exceeds(
            "accumulate, subsampled, ends above accumulate", (end["accumulate_subsample"] / end["accumulate"]).tolist(), 1.0
        ),
    ]
