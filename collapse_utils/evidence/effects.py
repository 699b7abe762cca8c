"""The tests that decide claims: each turns results into parts, with one effect for each seed.

``book/claims.yml`` names them; ``rows.py`` reads the results and puts them on the claim's scale.
Fit t is the model of iteration t; the *later* fits are all but the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from . import scaling, shares
from .growth import grows_as_harmonic, levels_off, still_rises
from .rows import NO_EFFECTS, REAL_LENGTH, TEMPERED, Arm, Rows, arm_options, part, variant_fields
from .verdicts import Part


def slopes_up(rows: Rows, of: Arm) -> list[Part]:
    """The least-squares slope over the fits of a chain is positive; of logarithms for a ratio."""
    table = rows.logged(of)
    if table.shape[1] < 2:
        return [rows.part(NO_EFFECTS)]
    slopes = np.polyfit(table.columns.to_numpy(float), table.to_numpy().T, 1)[0]
    return [rows.part(rows.effect(pd.Series(slopes, table.index)))]


def trends_up(rows: Rows, of: Arm) -> list[Part]:
    """The fits are in rising order: Page's trend test, which permutes the fits within a chain.

    The effect is Spearman's correlation of a chain's losses with their iteration; the test's L is
    its sum over chains.
    """
    table = rows.table(of)
    order, seeds = table.to_numpy(), tuple(table.index)
    if order.shape[0] < 2 or order.shape[1] < 3:  # the fewest chains and fits that the test takes
        return [Part([0.0] * len(seeds), 0.0, exact=(1.0, 1.0), seeds=seeds)]
    fits = table.columns.to_numpy()
    p = [float(stats.page_trend_test(ranked).pvalue) for ranked in (order, -order)]
    correlations = [float(stats.spearmanr(fits, chain).statistic) for chain in order]
    return [Part(correlations, 0.0, exact=(p[0], p[1]), seeds=seeds)]


def never_falls(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """No step from one fit to the next falls by more than ``limit``: non-inferiority."""
    steps = rows.logged(of).diff(axis=1).iloc[:, 1:]
    return [
        rows.part(rows.effect(steps[t]), 1 - limit if rows.log else -limit) for t in steps.columns
    ]


def ends_above_first(rows: Rows, of: Arm, limit: float | None = None) -> list[Part]:
    """The final fit lies above the first, by more than ``limit`` if there is one."""
    later = rows.effect(rows.changes(of))
    return [rows.part(later[t], limit) for t in later.columns[-1:]]


def ends_below_first(rows: Rows, of: Arm, limit: float | None = None) -> list[Part]:
    """The final fit lies below the first, by more than ``limit`` if there is one."""
    later = rows.effect(rows.changes(of))
    return [rows.part(later[t], limit, -1) for t in later.columns[-1:]]


def does_not_rise(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """The later fits lie on average less than ``limit`` above the first."""
    return [rows.part(rows.effect(rows.changes(of).mean(axis=1)), limit, -1)]


def stays_equal(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """The later fits are on average within ``limit`` of the first: two one-sided tests."""
    effects = rows.effect(rows.changes(of).mean(axis=1))
    return [rows.part(effects, 1 / limit if rows.log else -limit), rows.part(effects, limit, -1)]


def stays_below_mixture_bound(rows: Rows, of: str, tokens: int) -> list[Part]:
    """The final fit t rises by less than log(t) nats a text above the first.

    The loss of a mixture of t models with equal weights is at most log(t) nats for each text above
    that of any of them, such as the first: -log(p/t) = -log p + log t.  ``rows`` hold nats for each
    token.  ``tokens`` is the largest number of tokens of a real test text.  It replaces the mean
    where the results lack that, which makes the claim stricter.
    """
    changes, lengths = rows.changes(of), rows.table({"regime": of, "metric": REAL_LENGTH})
    if not changes.shape[1]:
        return [rows.part(NO_EFFECTS)]
    final = changes.columns[-1]
    length = lengths.get(final, tokens)
    return [rows.part(changes[final] * length, float(np.log(final)), -1)]


def ends_above(rows: Rows, above: Arm, below: Arm, limit: float | None = None) -> list[Part]:
    """One regime ends above another, by more than ``limit`` if there is one."""
    return [rows.part(rows.at_the_end(above, below), limit)]


def final_below(rows: Rows, of: Arm, limit: float) -> list[Part]:
    """The metric itself lies below ``limit`` at the final fit."""
    table = rows.table(of)
    return [rows.part(table[t], limit, -1) for t in table.columns[-1:]]


def ends_between(rows: Rows, low: Arm, middle: Arm, high: Arm) -> list[Part]:
    """A regime ends above one and below another."""
    return [*ends_above(rows, high, middle), *ends_above(rows, middle, low)]


def ends_below_in(rows: Rows, below: str, above: str, metrics: Sequence[str]) -> list[Part]:
    """One regime ends below another in each of several metrics."""
    arms = [
        [{"regime": regime, "metric": metric} for regime in (below, above)] for metric in metrics
    ]
    return [rows.part(rows.at_the_end(*pair), sign=-1) for pair in arms]


def ends_below_real(rows: Rows, first: str, second: str) -> list[Part]:
    """Under each of two regimes the final fit's samples lie below real texts in the same metric."""
    real = f"{rows.metric}_real"
    pairs = [(regime, {"regime": regime, "metric": real}) for regime in (first, second)]
    return [rows.part(rows.at_the_end(*pair), sign=-1) for pair in pairs]


def stays_near(rows: Rows, of: Arm, to: Arm, limit: float) -> list[Part]:
    """One arm lies within ``limit`` of another at every later fit: two one-sided tests a fit."""
    change = rows.logged(of) - rows.logged(to)
    if change.shape[1] < 2:
        return [rows.part(NO_EFFECTS)]
    low = 1 / limit if rows.log else -limit
    each = [rows.effect(change[t]) for t in change.columns[1:]]
    return [
        part
        for effects in each
        for part in (rows.part(effects, low), rows.part(effects, limit, -1))
    ]


def second_fit_share(rows: Rows, of: str, limit: float) -> list[Part]:
    """Second fit - tempered first fit is less than the share ``limit`` of second fit - first fit.

    The tempered first fit is the first model, evaluated at the temperature of its samples: a
    perfect learner of these samples would be equal to it.
    """
    table, tempered = rows.table(of), rows.table({"regime": of, "metric": TEMPERED})
    if table.shape[1] < 2 or not tempered.shape[1]:
        return [rows.part(NO_EFFECTS)]
    return [part((table[2] - tempered[1]) / (table[2] - table[1]), limit, -1)]


def rises_more(rows: Rows, of: Arm, than: Arm) -> list[Part]:
    """One arm rises more from its first fit than another; a difference on either scale."""
    first, second = rows.rises_to_the_end(of, than)
    return [part(first - second, 0.0)]


def makes_share(rows: Rows, of: Arm, than: Arm, limit: float) -> list[Part]:
    """The rise of one arm is more than the share ``limit`` of another's.

    This share may be negative, so it is not compared as a logarithm.
    """
    first, second = rows.rises_to_the_end(of, than)
    return [part(first / second, limit)]


def follows_theory(rows: Rows, of: str, limit: float) -> list[Part]:
    """Simulation / closed form lies within ``limit`` of 1: two one-sided tests for each T.

    ``rows`` are the linear grid.  Each cell (T, sigma2, regime) has random numbers of its own, so
    cells are independent observations.  The iterations of one cell are not, so each cell
    contributes one iteration.
    """
    from ..linear.grid import independent

    chosen = pd.DataFrame(independent(rows.frame.to_dict("records")))
    parts = []
    for _, cells in chosen[chosen["regime"] == of].groupby("T"):
        ratios = cells["mean"] / cells["theory"]
        parts += [rows.part(ratios, 1 / (1 + limit)), rows.part(ratios, 1 + limit, -1)]
    return parts


def _grid_ends(grid: pd.DataFrame, n: int, column: str) -> pd.DataFrame:
    """A column of the linear grid at iteration n, by (T, sigma2) in rows and regime in columns."""
    cells = grid[(grid["x"] == "same") & (grid["n"] == n)]
    return cells.pivot(index=["T", "sigma2"], columns="regime", values=column)


def grid_bounded(rows: Rows, of: str) -> list[Part]:
    """In the linear grid the final error lies below pi^2/6 times the first at each T."""
    from ..linear.theory import ACCUMULATE_BOUND

    last, first = (
        _grid_ends(rows.frame, n, column)
        for n, column in ((rows.frame["n"].max(), "mean"), (1, "theory"))
    )
    growth = last[of] / first[of]
    return [rows.part(cells, ACCUMULATE_BOUND, -1) for _, cells in growth.groupby("T")]


def grid_ends_above(rows: Rows, above: str, below: str, limit: float) -> list[Part]:
    """In the linear grid one regime ends more than ``limit`` times above another at each T."""
    last = _grid_ends(rows.frame, rows.frame["n"].max(), "mean")
    return [rows.part(cells, limit) for _, cells in (last[above] / last[below]).groupby("T")]


def steps_up(rows: Rows, of: Arm) -> tuple[int, int]:
    """The number of steps between successive fits that rise, and of all steps, over all seeds."""
    steps = rows.table(of).diff(axis=1).iloc[:, 1:].to_numpy()
    return int((steps > 0).sum()), steps.size


# The effect of each test, in words.  {vs} is "-" or "/"; the other names are options of the test.
WORDS: dict[Callable[..., list[Part]], str] = {
    slopes_up: "slope over the fits{factor}",
    trends_up: "rank correlation of loss and iteration",
    never_falls: "lowest step, fit t + 1 {vs} fit t",
    ends_above_first: "final fit {vs} first fit",
    ends_below_first: "final fit {vs} first fit",
    does_not_rise: "mean of the later fits {vs} first fit",
    stays_equal: "mean of the later fits {vs} first fit",
    stays_below_mixture_bound: "final fit - first fit",
    ends_above: "{above} {vs} {below} at the final fit",
    ends_between: "least certain of {high} {vs} {middle} and {middle} {vs} {low} at the final fit",
    ends_below_in: "{below} {vs} {above} at the final fit, less certain of the two metrics",
    ends_below_real: "samples / real texts at the final fit, less certain of the two regimes",
    stays_near: "{of} {vs} {to}, least certain later fit",
    second_fit_share: "(fit 2 - first fit at its sampling temperature) / (fit 2 - first fit)",
    grows_as_harmonic: "log of the residual with the less certain other shape / with H_t",
    still_rises: "mean of fits 41 to 50 {vs} mean of fits 21 to 30",
    levels_off: "mean of fits 41 to 50 {vs} mean of fits 21 to 30",
    rises_more: "rise of {of} - rise of {than}",
    makes_share: "rise of {of} / rise of {than}",
    final_below: "value at the final fit",
    follows_theory: "simulation / theory (least certain T)",
    grid_bounded: "final error / first error (least certain T)",
    grid_ends_above: "{above} / {below} at the final fit (least certain T)",
    **shares.WORDS,
}
TESTS = {test.__name__: test for test in WORDS} | scaling.TESTS
EFFECTS = {test.__name__: words for test, words in WORDS.items()} | scaling.EFFECTS


def named(arm: Arm) -> str:
    """An arm in words: ``replace at τ = 0.3``, or ``replace (geometry)``."""
    options = arm_options(arm)
    regime, variant = str(options["regime"]).replace("_", "-"), options.get("variant", "")
    fields = variant_fields(variant)
    if "temperature" in fields:
        return f"{regime} at τ = {fields['temperature']}"
    if "sampler" in fields:
        return f"{regime} ({fields['sampler']})"
    return f"{regime} at {variant}" if variant else regime


def describe(test: str, options: dict, scale: str) -> str:
    """The effect of a test, in words."""
    arms = {name: named(arm) for name, arm in options.items() if isinstance(arm, str | dict)}
    return EFFECTS[test].format(
        vs="/" if scale == "ratio" else "-",
        factor=", as a factor a fit" if scale == "ratio" else "",
        **arms,
    )
