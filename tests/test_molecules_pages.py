"""The claims of the molecule section on results made up to hold or to break them, and the tables on the committed ones."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from collapse_utils import results
from collapse_utils.molecules import claims, pages
from collapse_utils.regimes import REGIMES
from collapse_utils.statistics import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED

REFERENCE = ("molecules", "smoke", "rdkit")
SPREAD = (0.99, 1.0, 1.01)  # three seeds
# Growth of every loss an iteration: like the authors' local loss in all but the jump of accumulate's total.
CLEAR = {"replace": 0.5, "accumulate": 0.1, "accumulate_subsample": 0.15, "replace_multiple": 0.4}


def made_up(slopes, variant="", seeds=3):
    """Results whose losses, and the strain of whose samples, grow by ``slopes[regime]`` an iteration."""
    rows = []
    for regime, slope in slopes.items():
        for seed in range(seeds):
            for t in range(1, 5):
                growth = 1 + slope * (t - 1) * SPREAD[-seed]
                place = {"variant": variant, "regime": regime, "seed": seed, "iteration": t}
                for metric, first in (("local_loss", 15), ("global_loss", 100), ("total_loss", 115), ("strain", 3)):
                    rows.append({**place, "metric": metric, "value": first * SPREAD[seed] * growth})
    return pd.DataFrame(rows)


def outcomes(frame):
    found = [*claims.verdicts(frame), *claims.sampler_verdicts(frame)]
    return {verdict.claim: verdict.outcome for verdict in found}


JUMP = "total loss: accumulate makes most of replace's rise, as in the authors' runs"


def test_clear_results_bear_every_claim_out_but_the_jump():
    found = outcomes(pd.concat([made_up(CLEAR), made_up(CLEAR, claims.LANGEVIN)]))
    assert found.pop(JUMP) == NOT_REPRODUCED
    assert set(found.values()) == {REPRODUCED} and len(found) == 14
    assert outcomes(made_up({**CLEAR, "accumulate": 0.4}))[JUMP] == REPRODUCED


def test_the_authors_own_values_give_the_jump_and_the_ratio():
    reported = results.read_csv(results.root() / "reported" / "molecules.csv").assign(variant="", seed=0)
    rise = claims._share_of_rise(reported.astype({"value": float, "iteration": int}), "total_loss")
    assert rise == [pytest.approx((1835 - 522.7) / (2189 - 522.7))] and rise[0] > 0.5
    growth = claims.growth(reported, "local_loss", "accumulate")
    assert growth.max(axis=None) == pytest.approx(claims.AUTHORS_RATIO)


def test_results_the_other_way_round_contradict_the_claims():
    turned = {"replace": -0.1, "accumulate": -0.01, "accumulate_subsample": 0.0, "replace_multiple": -0.05}
    found = outcomes(pd.concat([made_up(turned), made_up(turned, claims.LANGEVIN)]))
    assert found.pop("local loss: accumulate rises by no larger factor than in the authors' runs") == REPRODUCED
    assert set(found.values()) == {NOT_REPRODUCED}


def test_what_was_not_run_is_not_judged_and_one_seed_decides_nothing():
    found = list(outcomes(made_up({"replace": 0.5, "accumulate": 0.1})).values())
    assert found.count(NOT_RUN) == 4
    assert set(outcomes(made_up(CLEAR, seeds=1)).values()) == {UNDECIDED, NOT_RUN}


def test_the_committed_results_are_whole(committed):
    counts = committed[committed["metric"] == "local_loss"].groupby(["variant", "regime"]).size()
    assert (counts == 3 * 4).all() and len(counts) == 4 + 2
    first = committed[(committed["metric"] == "local_loss") & (committed["iteration"] == 1)]
    assert (first.groupby("seed")["value"].nunique() == 1).all()  # one first fit a seed, whatever regime and sampler


def test_the_table_of_changes_is_what_the_results_say(committed):
    table = pages.change_table(committed, results.read_csv(results.root() / "reported" / "molecules.csv"))
    assert table.loc[("local", "accumulate", "the authors (READ)"), "t = 5"] == f"{89.3 / 54.68:.2f}"
    growth = claims.growth(committed, "total_loss", "replace")
    assert table.loc[("total", "replace", "ours"), "t = 4"].startswith(f"{growth[4].mean():.2f} [")


def test_every_table_and_picture_of_the_page_is_made(committed, folder):
    assert len(pages.control_table(committed)) == 4 and len(pages.first_fit_table(committed)) == 6
    assert pages.data_table(folder).loc["test", "molecules"] == 32
    assert len(pages.sampler_table(results.root() / "molecules" / "samplers.csv")) == 4
    assert len(pages.sample_sheet(folder / "samples", REGIMES).axes) == 20
    plt.close("all")
