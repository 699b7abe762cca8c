"""The tests that decide the claims on the share of real items in every training set.

Chains are compared by their rise: the logarithm of the loss of the final fit / that of the first.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..theory import mixing
from .rows import NO_EFFECTS, Rows, part
from .verdicts import Part

KINDS = ("fixed_real", "redrawn_real")
INNER = (0.1, 0.25, 0.5, 0.75)  # shares between replace (0) and real items alone (1)


def regimes_of(kind: str) -> dict[float, str]:
    """Share -> regime, from replace to real items alone."""
    return {0.0: "replace", **{a: f"{kind}={a:g}" for a in INNER}, 1.0: "fixed_real=1"}


def arms(of: str = "", smaller: str = "", **_: object) -> list[tuple[str, str]]:
    """The (regime, variant) of the chains that a claim with these options reads."""
    kinds, variants = ([of] if of else KINDS), (["", smaller] if smaller else [""])
    names = dict.fromkeys(name for kind in kinds for name in regimes_of(kind).values())
    return [(name, variant) for name in names for variant in variants]


def rises(rows: Rows, kind: str, variant: str = "") -> pd.DataFrame:
    """log(final loss / first loss), by seed in rows and share of real items in columns."""
    columns = {}
    for share, regime in regimes_of(kind).items():
        table = rows.table({"regime": regime, "variant": variant})
        if table.shape[1] > 1:
            columns[share] = np.log(table.iloc[:, -1] / table.iloc[:, 0])
    return pd.DataFrame(columns).dropna()


def _complete(*frames: pd.DataFrame) -> bool:
    """Whether tables of :func:`rises` have every share, and at least one seed."""
    return all(frame.shape[1] == len(INNER) + 2 and len(frame) for frame in frames)


def falls_with_share(rows: Rows, of: str) -> list[Part]:
    """The rise falls as the share grows: the least-squares slope of each seed."""
    table = rises(rows, of)
    if not _complete(table):
        return [part(NO_EFFECTS, 0.0, -1)]
    slopes = np.polyfit(table.columns.to_numpy(float), table.to_numpy().T, 1)[0]
    return [part(pd.Series(slopes, table.index), 0.0, -1)]


def predicted(kind: str, iterations: int) -> dict[str, np.ndarray]:
    """The rise at the shares INNER / that of replace, if all error is bias and if all is noise."""
    pools = [a if kind == "fixed_real" else 1.0 for a in INNER]  # in units of the real training set
    noise = [mixing.growth(iterations, a, 1 - a, R) for a, R in zip(INNER, pools, strict=True)]
    bias = [mixing.bias_growth(iterations, a) for a in INNER]
    growths = {"bias": np.array(bias), "noise": np.array(noise)}
    return {name: (growth - 1) / (iterations - 1) for name, growth in growths.items()}


def closer_to_bias(rows: Rows, of: str) -> list[Part]:
    """The rises / that of replace lie closer to the growth of a bias than to that of noise.

    The effect is the sum over shares of the squared distances to noise - that to bias.
    """
    table = rises(rows, of)
    if not _complete(table):
        return [part(NO_EFFECTS, 0.0)]
    relative = table[list(INNER)].div(table[0.0], axis=0)
    expected = predicted(of, int(rows.table("replace").columns[-1]))
    distance = {name: ((relative - values) ** 2).sum(axis=1) for name, values in expected.items()}
    return [part(distance["noise"] - distance["bias"], 0.0)]


def share_outweighs_number(rows: Rows, smaller: str) -> list[Part]:
    """Doubling the share at a fixed number of real items lowers the rise more than doubling the
    number at a fixed share.

    ``smaller`` is the variant with half as many items.  The share doubles from 0.25 of n to 0.5 of
    n/2 items.  The number doubles from n/2 to n items, at the shares 0.25 and 0.5.  The effect is
    the mean over both kinds of real items.
    """
    kinds = [(rises(rows, kind), rises(rows, kind, smaller)) for kind in KINDS]
    if not _complete(*(frame for pair in kinds for frame in pair)):
        return [part(NO_EFFECTS, 0.0)]
    advantage = []
    for full, half in kinds:
        share = full[0.25] - half[0.5]
        number = (half[0.25] - full[0.25] + half[0.5] - full[0.5]) / 2
        advantage.append(share - number)
    return [part((advantage[0] + advantage[1]) / 2, 0.0)]


def kinds_alike(rows: Rows, limit: float) -> list[Part]:
    """Fixed and redrawn real items give the same final loss within ``limit``: two one-sided tests.

    The effect is fixed / redrawn, the geometric mean over the shares INNER.
    """
    fixed, redrawn = (rises(rows, kind) for kind in KINDS)
    if not _complete(fixed, redrawn):
        return [part(NO_EFFECTS, 1.0)]
    ratio = np.exp((fixed - redrawn)[list(INNER)].mean(axis=1))
    return [part(ratio, 1 / (1 + limit), log=True), part(ratio, 1 + limit, -1, log=True)]


NO_RATIOS = ("falls_with_share", "closer_to_bias", "share_outweighs_number")  # a slope, differences
WORDS = {  # the effect of each test, as in effects.py
    falls_with_share: "slope of the rise over the share of real items",
    closer_to_bias: "squared distance to noise - squared distance to bias",
    share_outweighs_number: "effect of twice the share - effect of twice the number",
    kinds_alike: "final loss, the same real items / others each time",
}
TESTS = {test.__name__: test for test in WORDS}
