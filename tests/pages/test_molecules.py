"""The tables and pictures of the molecule page, on the committed results."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from scipy.stats import gmean

from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import growth
from collapse_utils.pages import molecules
from collapse_utils.regimes import REGIMES

REFERENCE = ("molecules", "smoke", "rdkit")


def test_the_committed_results_are_whole(committed):
    counts = committed[committed["metric"] == "local_loss"].groupby(["variant", "regime"]).size()
    assert (counts == 3 * 4).all() and len(counts) == 4 + 2
    first = committed[(committed["metric"] == "local_loss") & (committed["iteration"] == 1)]
    # one first fit a seed, whatever regime and sampler
    assert (first.groupby("seed")["value"].nunique() == 1).all()


def test_the_table_of_changes_is_what_the_results_say(committed):
    table = molecules.change_table(
        committed, results.read_csv(results.root() / "reported" / "molecules.csv")
    )
    assert (
        table.loc[("local", "accumulate", "the authors (READ)"), "t = 5"] == f"{89.3 / 54.68:.2f}"
    )
    # ratios are averaged as logarithms
    ratio = gmean(growth(committed, "total_loss", "replace")[4])
    assert table.loc[("total", "replace", "ours"), "t = 4"].startswith(f"{ratio:.2f} [")


def test_every_table_and_picture_of_the_page_is_made(committed, folder):
    assert (
        len(molecules.control_table(committed)) == 4
        and len(molecules.first_fit_table(committed)) == 6
    )
    assert molecules.data_table(folder).loc["test", "molecules"] == 32
    assert len(molecules.sampler_table(results.root() / "molecules" / "samplers.csv")) == 4
    assert len(molecules.sample_sheet(folder / "samples", REGIMES).axes) == 20
    plt.close("all")
