"""The tables and pictures of the molecule page, on the committed results."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from scipy.stats import gmean

from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import growth
from collapse_utils.pages import molecules, notebook
from collapse_utils.regimes import REGIMES

REFERENCE = ("molecules", "smoke", "rdkit")
LANGEVIN = "sampler=langevin,sampling_steps=1000"  # a variant of these results


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


def test_every_sampler_that_was_run_has_its_rows(committed):
    table = molecules.sampler_chains({"smoke-rdkit": committed})
    own = ("EGFR and CDK2 inhibitors (smoke)", "GeoDiff's own", 4, "replace")
    assert own in list(table.index) and len(table) == 4
    ratio = gmean(growth(committed, "local_loss", "replace", LANGEVIN)[4])
    cell = table["local loss / first fit"].to_dict()[own]
    assert cell.startswith(f"{ratio:.2f} [")
    without = committed.assign(
        variant=committed["variant"].str.replace(LANGEVIN, "sampler=geometry")
    )
    assert (
        "rough geometry, no network"
        in molecules.sampler_chains({"cpu-rdkit": without}).index.levels[1]
    )


def test_the_page_says_what_was_run_and_what_came_out():
    opened = notebook.open_section(
        "molecules", preset="cpu", seeds=[0], regimes=list(REGIMES), recompute=False
    )
    table = molecules.glance(opened)
    assert table.loc["steps of every fit"].tolist() == ["1,200", "41,000 (READ)"]
    reported = results.read_csv(opened.results_root / "reported" / "molecules.csv")
    now = molecules.numbers(opened.reference, reported)
    last = gmean(growth(opened.reference, "local_loss", "replace")[8])
    assert now["replace"].startswith(f"{last:.2f} [") and now["authors_replace"] == "4.2"
    _, row = plt.subplots(1, 3)
    molecules.losses(row, opened.reference, REGIMES)
    molecules.reported_losses(row, reported)
    assert [len(ax.get_lines()) for ax in row] == [4 + 1 + 2 + 1] * 3  # with lines at 1
    plt.close("all")
