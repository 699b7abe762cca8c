"""The tests of claims on a share of real items, on chains whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest

from collapse_utils.evidence import claims
from collapse_utils.evidence import shares as effects
from collapse_utils.evidence.rows import Rows
from collapse_utils.theory import mixing

HALF = "images=160"
SHARES = (0.0, *effects.INNER, 1.0)


def chains(rise, seeds=3):
    """Rows of chains of 6 fits whose log loss rises by rise(share, kind, number) times 0.3."""
    rng, rows = np.random.default_rng(0), []
    for variant, n in (("", 1.0), (HALF, 0.5)):
        for share in SHARES:
            for kind in effects.KINDS:
                regime = f"{kind}={share:g}"
                if share in (0, 1):
                    regime = "replace" if share == 0 else "fixed_real=1"
                for seed in range(seeds):
                    end = 0.3 * rise(share, kind, n) + 1e-3 * rng.standard_normal()
                    for t, value in ((1, 0.01), (6, 0.01 * math.exp(end))):
                        rows.append(("test_loss", variant, regime, seed, t, value))
    columns = ["metric", "variant", "regime", "seed", "iteration", "value"]
    keys = columns[:-1]
    return Rows(pd.DataFrame(rows, columns=columns).drop_duplicates(keys), "test_loss", "ratio")


def as_bias(share, kind, n):
    return (mixing.bias_growth(6, share) - 1) / 5


def as_noise(share, kind, n):
    if share in (0, 1):
        return (1 - share) / n
    pool = share if kind == "fixed_real" else 1.0
    return (mixing.growth(6, share, 1 - share, pool) - 1) / 5 / n


def holds(parts):
    """Whether every effect lies on the claimed side of the threshold."""
    assert parts and all(len(part.effects) for part in parts)
    return all(part.sign * (e - part.threshold) > 0 for part in parts for e in part.effects)


def test_errors_that_are_biases():
    rows = chains(as_bias)
    for kind in effects.KINDS:
        assert holds(effects.falls_with_share(rows, kind))
    assert holds(effects.closer_to_bias(rows, "fixed_real"))
    assert holds(effects.share_outweighs_number(rows, HALF))
    assert holds(effects.kinds_alike(rows, 0.02))


def test_errors_that_are_noise():
    rows = chains(as_noise)
    assert holds(effects.falls_with_share(rows, "fixed_real"))
    assert not holds(effects.closer_to_bias(rows, "fixed_real"))
    assert not holds(effects.share_outweighs_number(rows, HALF))
    assert not holds(effects.kinds_alike(rows, 0.02))


def test_a_share_without_effect():
    rows = chains(lambda share, kind, n: 1.0)
    assert not holds(effects.falls_with_share(rows, "redrawn_real"))


@pytest.mark.parametrize(
    ("test", "options"),
    [
        (effects.falls_with_share, {"of": "fixed_real"}),
        (effects.closer_to_bias, {"of": "fixed_real"}),
        (effects.share_outweighs_number, {"smaller": HALF}),
        (effects.kinds_alike, {"limit": 0.05}),
    ],
)
def test_chains_that_were_not_run_give_no_effects(test, options):
    rows = chains(as_bias)
    fewer = rows.frame[rows.frame["regime"] != "fixed_real=0.25"]
    parts = test(Rows(fewer, "test_loss", "ratio"), **options)
    assert parts and all(part.effects == [] for part in parts)


def test_a_claim_reads_the_chains_that_its_test_compares():
    result = {claim.id: claims.every_arm(claim) for claim in claims.of("mixing")}
    fixed = {(regime, "") for regime in effects.regimes_of("fixed_real").values()}
    assert result["mixing-faces-bias"] == fixed and len(fixed) == 6
    both = fixed | {(regime, "") for regime in effects.regimes_of("redrawn_real").values()}
    assert result["mixing-faces-alike"] == both and len(both) == 10
    assert len(result["mixing-faces-share"]) == 20
    assert result["mixing-fresh"] == {("fresh", "r=1,s=4")}
