"""The claims of the image section on results made up to hold or to break them, and the tables on the committed ones."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from collapse_utils import results
from collapse_utils.images import claims, pages
from collapse_utils.regimes import REGIMES
from collapse_utils.statistics import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNDECIDED

REFERENCE = ("images", "smoke", "orl")
SPREAD = (0.99, 1.0, 1.01)  # three seeds


def made_up(slopes, variant="", seeds=3):
    """Results whose test loss grows by ``slopes[regime]`` an iteration, and whose variety falls as the loss grows."""
    rows = []
    for regime, slope in slopes.items():
        for seed in range(seeds):
            for t in range(1, 5):
                loss = 0.02 * SPREAD[seed] * (1 + slope * (t - 1) * SPREAD[-seed])
                values = {"test_loss": loss, "sample_variance_ratio": 0.01 / loss, "modes": round(1 / loss)}
                place = {"variant": variant, "regime": regime, "seed": seed, "iteration": t}
                rows += [{**place, "metric": metric, "value": value} for metric, value in values.items()]
    return pd.DataFrame(rows)


PAPER = {"replace": 0.2, "accumulate": 0.02, "accumulate_subsample": 0.05, "replace_multiple": 0.1}


def outcomes(frame):
    return [verdict.outcome for verdict in [*claims.verdicts(frame), *claims.step_verdicts(frame)]]


def test_results_like_the_papers_bear_every_claim_out():
    both = pd.concat([made_up(PAPER), made_up(PAPER, claims.STEPS)])
    assert outcomes(both) == [REPRODUCED] * 8


def test_results_the_other_way_round_contradict_every_claim():
    turned = {"replace": -0.05, "accumulate": -0.01, "accumulate_subsample": 0.0, "replace_multiple": -0.03}
    both = pd.concat([made_up(turned), made_up(turned, claims.STEPS)])
    assert outcomes(both) == [NOT_REPRODUCED] * 8


def test_what_was_not_run_is_not_judged_and_one_seed_decides_nothing():
    assert outcomes(made_up({"replace": 0.2, "accumulate": 0.02})) == [REPRODUCED] * 4 + [NOT_RUN] * 4
    assert outcomes(made_up(PAPER, seeds=1)) == [UNDECIDED] * 6 + [NOT_RUN] * 2


def test_the_committed_results_are_whole(committed):
    counts = committed[committed["metric"] == "test_loss"].groupby(["variant", "regime"]).size()
    assert (counts == 3 * 6).all() and len(counts) == 8
    first = committed[(committed["metric"] == "test_loss") & (committed["iteration"] == 1)]
    assert (first.groupby("seed")["value"].nunique() == 1).all()  # one first fit a seed, whatever the regime and protocol


def test_the_table_of_changes_is_what_the_results_say(committed):
    reported = results.read_csv(results.root() / "reported" / "images.csv")
    table = pages.change_table(committed, reported)
    assert table.loc[("replace", "the paper (DIGITISED)"), "t = 10"] == "1.56"
    growth = claims.growth(committed, "accumulate")
    assert table.loc[("accumulate", "ours"), "t = 6"].startswith(f"{growth[6].mean():.2f} [")
    assert ("accumulate", "ours, fixed steps") in table.index and ("replace", "ours, fixed steps") not in table.index


def test_every_table_and_picture_of_the_page_is_made(committed, folder):
    assert len(pages.control_table(committed)) == 4
    assert pages.data_table(folder).loc["test images", "value"] == 80
    assert len(pages.sample_sheet(folder / "samples", REGIMES).axes) == 24
    assert len(pages.reconstructions(folder / "samples", "accumulate", [1, 6]).axes) == 2
    assert pages.reconstructions(folder / "samples", "accumulate", [99]) is None
    plt.close("all")
