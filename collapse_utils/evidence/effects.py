"""The tests that decide claims: each turns tidy results into effects, one value a seed, with a threshold and a direction.

``book/claims.yml`` names them.  A test returns parts; a claim holds if all of its parts do.  Effects are paired by seed,
since chains of one seed share their first fit.  On the scale ``difference`` the null effect is 0; on ``ratio``, for losses
whose level means nothing beyond one network and one data set, it is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from ..errors import InputError
from .statistics import by_seed

SCALES = ("difference", "ratio")
Arm = str | dict  # a regime, or {regime: ..., variant: ..., metric: ...}


@dataclass(frozen=True)
class Part:
    """Effects, one a seed, that are claimed to lie above (``sign`` +1) or below (-1) the threshold."""

    effects: list[float]
    threshold: float
    sign: int = +1


@dataclass(frozen=True)
class Rows:
    """Tidy results, with what a claim says once for all of its arms."""

    frame: pd.DataFrame
    metric: str
    scale: str
    variant: str = ""

    @property
    def null(self) -> float:
        return 0.0 if self.scale == "difference" else 1.0

    def table(self, arm: Arm) -> pd.DataFrame:
        """A row a seed, a column an iteration; empty where the results lack the arm."""
        own = {"regime": arm} if isinstance(arm, str) else arm
        return by_seed(
            self.frame, own.get("metric", self.metric), regime=own["regime"], variant=own.get("variant", self.variant)
        )

    def against(self, values: pd.Series, other: pd.Series) -> list[float]:
        """The paired effect of two columns, a value a seed."""
        effect = values - other if self.scale == "difference" else values / other
        return effect.dropna().tolist()

    def later(self, arm: Arm) -> list[list[float]]:
        """Every later fit against the first, a list a fit."""
        table = self.table(arm)
        return [self.against(table[t], table[table.columns[0]]) for t in table.columns[1:]]

    def at_the_end(self, first: Arm, second: Arm) -> list[float]:
        """Two arms against one another at the last iteration that both have."""
        tables = self.table(first), self.table(second)
        if any(table.empty for table in tables):
            return []
        end = min(table.columns[-1] for table in tables)
        return self.against(tables[0][end], tables[1][end])

    def rises_to_the_end(self, first: Arm, second: Arm) -> tuple[pd.Series, pd.Series]:
        """How far each of two arms rises from its first fit to the last one that both have, as differences."""
        tables = self.table(first), self.table(second)
        if any(table.shape[1] < 2 for table in tables):
            return pd.Series(dtype=float), pd.Series(dtype=float)
        end = min(table.columns[-1] for table in tables)
        first_rise, second_rise = (table[end] - table[table.columns[0]] for table in tables)
        return first_rise, second_rise


def rises(rows: Rows, of: Arm) -> list[Part]:
    """Every step from one iteration to the next is a rise."""
    table = rows.table(of)
    pairs = zip(table.columns[:-1], table.columns[1:], strict=True)
    return [Part(rows.against(table[after], table[before]), rows.null) for before, after in pairs]


def stays_above_first(rows: Rows, of: Arm) -> list[Part]:
    """Every later fit lies above the first."""
    return [Part(effects, rows.null) for effects in rows.later(of)]


def ends_above_first(rows: Rows, of: Arm) -> list[Part]:
    """The last fit lies above the first."""
    return [Part(effects, rows.null) for effects in rows.later(of)[-1:]]


def stays_within(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """No later fit lies further above the first than ``limit``: the largest one decides, seed by seed."""
    later = rows.later(of)
    return [Part([max(values) for values in zip(*later, strict=True)], limit, -1)] if later else []


def ends_above(rows: Rows, above: Arm, below: Arm, limit: float | None = None) -> list[Part]:
    """One regime ends above another, by more than ``limit`` if there is one."""
    return [Part(rows.at_the_end(above, below), rows.null if limit is None else limit)]


def ends_between(rows: Rows, low: Arm, middle: Arm, high: Arm) -> list[Part]:
    """A regime ends above one and below another."""
    return [*ends_above(rows, high, middle), *ends_above(rows, middle, low)]


def ends_below_in(rows: Rows, below: str, above: str, metrics: Sequence[str]) -> list[Part]:
    """One regime ends below another in each of several metrics."""
    arms = [[{"regime": regime, "metric": metric} for regime in (below, above)] for metric in metrics]
    return [Part(rows.at_the_end(*pair), rows.null, -1) for pair in arms]


def rises_more(rows: Rows, of: Arm, than: Arm) -> list[Part]:
    """One arm rises further from its first fit than another; a difference on either scale."""
    first, second = rows.rises_to_the_end(of, than)
    return [Part((first - second).dropna().tolist(), 0.0)]


def makes_share(rows: Rows, of: Arm, than: Arm, limit: float) -> list[Part]:
    """One arm makes more than the share ``limit`` of another's rise."""
    first, second = rows.rises_to_the_end(of, than)
    return [Part((first / second).dropna().tolist(), limit)]


def follows_theory(rows: Rows, of: str, limit: float) -> list[Part]:
    """Simulation over closed form lies within ``limit`` of 1, on both sides: a claim of equivalence.

    ``rows`` are the linear grid.  A cell (T, sigma2, regime) has random numbers of its own, so cells are independent
    observations; iterations of one cell are not, and each cell contributes one iteration.
    """
    from ..linear.grid import independent

    chosen = pd.DataFrame(independent(rows.frame.to_dict("records")))
    cells = chosen[chosen["regime"] == of]
    ratios = (cells["mean"] / cells["theory"]).tolist()
    return [Part(ratios, 1 - limit), Part(ratios, 1 + limit, -1)]


def _grid_ends(grid: pd.DataFrame, n: int, column: str) -> pd.DataFrame:
    cells = grid[(grid["x"] == "same") & (grid["n"] == n)]
    return cells.pivot(index=["T", "sigma2"], columns="regime", values=column)


def grid_bounded(rows: Rows, of: str, limit: float) -> list[Part]:
    """In the linear grid, pi^2/6 times the first error, and ``limit`` of it more, is not exceeded at the last iteration."""
    from ..linear.theory import ACCUMULATE_BOUND

    last, first = (_grid_ends(rows.frame, n, column) for n, column in ((rows.frame["n"].max(), "mean"), (1, "theory")))
    return [Part((last[of] / first[of]).tolist(), ACCUMULATE_BOUND * (1 + limit), -1)]


def grid_ends_above(rows: Rows, above: str, below: str, limit: float) -> list[Part]:
    """In the linear grid, one regime ends more than ``limit`` times above another."""
    last = _grid_ends(rows.frame, rows.frame["n"].max(), "mean")
    return [Part((last[above] / last[below]).tolist(), limit)]


TESTS: dict[str, Callable[..., list[Part]]] = {
    test.__name__: test
    for test in (
        rises, stays_above_first, ends_above_first, stays_within, ends_above, ends_between, ends_below_in, rises_more,
        makes_share, follows_theory, grid_bounded, grid_ends_above,
    )
}  # fmt: skip

# What the effect of a test is, for the head of a column; {against} is "less" or "over".
EFFECTS = {
    "rises": "weakest step (a fit {against} the one before)",
    "stays_above_first": "weakest later fit {against} the first",
    "ends_above_first": "last fit {against} the first",
    "stays_within": "highest later fit {against} the first",
    "ends_above": "the one {against} the other, last fit",
    "ends_between": "the nearer neighbour, last fit",
    "ends_below_in": "the one {against} the other, last fit, weaker metric",
    "rises_more": "difference of the rises",
    "makes_share": "share of the rise",
    "follows_theory": "simulation over theory",
    "grid_bounded": "last error over the first",
    "grid_ends_above": "ratio of the last errors",
}


def check(name: str) -> str:
    if name not in TESTS:
        raise InputError("test", name, "one of " + ", ".join(TESTS))
    return name
