"""The tables and pictures of the image page, on the committed results."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from scipy.stats import gmean

from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import by_iteration
from collapse_utils.pages import images, long_chains, notebook
from collapse_utils.pages.figures import LABELS
from collapse_utils.regimes import REGIMES

REFERENCE = ("images", "smoke", "orl")


def test_the_committed_results_are_whole(committed):
    counts = committed[committed["metric"] == "test_loss"].groupby(["variant", "regime"]).size()
    long = counts.index.get_level_values("variant").str.contains("iterations=50")
    assert (counts[~long] == 3 * 6).all() and counts[~long].size == 8
    assert set(counts[long]) <= {2 * 50, 3 * 50} and long.sum() == 3
    first = committed[(committed["metric"] == "test_loss") & (committed["iteration"] == 1)]
    # the long chains ran on another one, with other last digits
    machine = first["variant"] == long_chains.FACES
    # one first fit, whatever regime and protocol
    assert (first.groupby([machine, "seed"])["value"].nunique() == 1).all()


def test_the_table_of_changes_is_what_the_results_say(committed):
    reported = results.read_csv(results.root() / "reported" / "images.csv")
    table = images.change_table(committed, reported)
    assert table.loc[("replace", "the paper (DIGITISED)"), "t = 10"] == "1.56"
    growth = images.growth(committed, "accumulate")
    assert table.loc[("accumulate", "ours"), "t = 6"].startswith(f"{gmean(growth[6]):.2f} [")
    assert ("accumulate", "ours, fixed steps") in table.index and (
        "replace",
        "ours, fixed steps",
    ) not in table.index


def test_the_long_chains_grow_like_the_harmonic_numbers_and_not_like_a_line(committed):
    """The drawn curves are least-squares fits; H_t is closer to the last mean than the line."""
    _, ax = plt.subplots()
    long_chains.draw(ax, committed, long_chains.FACES, "test_loss", "accumulate")
    curves = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    mean = by_iteration(
        committed[committed["variant"] == long_chains.FACES], "test_loss", regime="accumulate"
    )["mean"]
    squares = [
        ((curves[f"accumulate, $a + b {shape}$"] - mean) ** 2).sum() for shape in ("H_t", "t")
    ]
    assert squares[0] < squares[1]


@pytest.mark.parametrize("regime", REGIMES)
def test_long_chains_of_one_regime_alone_are_drawn(committed, regime):
    _, ax = plt.subplots()
    own = committed[committed["regime"] == regime]
    long_chains.draw(ax, own, long_chains.FACES, "test_loss", "accumulate")
    fitted = [line for line in ax.get_lines() if "a + b" in line.get_label()]
    assert len(fitted) == 2 * (regime == "accumulate")


def test_every_table_and_picture_of_the_page_is_made(committed, folder):
    assert len(images.control_table(committed)) == 4
    assert images.data_table(folder).loc["test images", "value"] == 80
    reported = results.read_csv(results.root() / "reported" / "images.csv")
    _, row = plt.subplots(1, 3)
    images.losses(row, committed, reported, REGIMES)
    curve = images.growth(committed, "accumulate")
    lines = {line.get_label(): line.get_ydata() for line in row[0].get_lines()}
    assert list(lines[LABELS["accumulate"]]) == [gmean(curve[t]) for t in curve]
    assert all(ax.get_yscale() == "log" for ax in row)
    assert len(images.reconstructions(folder / "samples", "accumulate", [1, 6]).axes) == 2
    assert images.reconstructions(folder / "samples", "accumulate", [99]) is None
    plt.close("all")


def test_the_page_says_what_was_run_and_what_came_out():
    opened = notebook.open_section(
        "images", preset="cpu", seeds=[0], regimes=list(REGIMES), recompute=False
    )
    table = images.glance(opened)
    assert table.loc["pixels"].tolist() == ["32 × 32", "64 × 64 (RECALLED)"]
    assert table.loc["parameters", "this book"] == "296,387"
    reported = results.read_csv(opened.results_root / "reported" / "images.csv")
    now = images.numbers(opened.reference, reported)
    last = gmean(images.growth(opened.reference, "replace", images.OWN_FACES)[10])
    assert now["replace"].startswith(f"{last:.2f} [") and now["paper_end"] == "1.03"
