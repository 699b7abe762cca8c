"""The report on an own model: the words it uses, and what it refuses."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from collapse_utils import own
from collapse_utils.durable.metrics import KEY
from collapse_utils.errors import InputError
from collapse_utils.pages import report
from collapse_utils.templates.numpy_model import MyModel

SLOPES = {"replace": 1.0, "accumulate": -0.5, "accumulate_subsample": 0.0}


def frame(seeds=5, fits=4, variant=""):
    """A metric that rises under replace, falls under accumulate, and does neither at equal size."""
    rng = np.random.default_rng(0)
    rows = [
        ("mine", "own", "own", variant, regime, seed, t, "loss", 3 + slope * (t - 1) + noise)
        for regime, slope in SLOPES.items()
        for seed in range(seeds)
        for t, noise in enumerate(rng.normal(0, 0.1, fits), 1)
    ]
    return pd.DataFrame(rows, columns=[*KEY, "value"])


def test_the_verdicts_are_told_in_three_words():
    shown = report.table(frame(), "loss")
    assert shown["verdict"].to_dict() == {
        "replace": "rises",
        "accumulate": "does not rise",
        "accumulate-subsample": "undecided",
    }
    output = report.comparisons(frame(), "loss")
    assert [line.partition(",")[0] for line in output] == [
        "replace against accumulate: above",
        "replace against accumulate-subsample: above",
    ]


def test_two_seeds_decide_nothing_and_the_report_says_how_many_are_needed():
    assert set(report.table(frame(seeds=2), "loss")["verdict"]) == {"undecided"}
    assert "a verdict needs 3 seeds" in report.text_report(frame(seeds=2))
    assert "a verdict needs" not in report.text_report(frame())


def test_the_report_prints_the_table_and_writes_the_plot(tmp_path, capsys):
    own.report(frame(variant="scale=2.0"), tmp_path / "plot.png")
    output = capsys.readouterr().out
    assert output.startswith("mine, scale=2.0: 5 seeds, 4 fits") and "does not rise" in output
    assert output.splitlines()[-1] == str(tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").width > 300


def test_one_seed_and_one_fit_are_reported_without_a_warning(tmp_path, capsys):
    own.report(frame(seeds=1), tmp_path / "plot.png")
    own.report(frame(fits=1), tmp_path / "plot.png")
    assert "there is no change to decide on" in capsys.readouterr().out


def test_a_fit_that_has_diverged_decides_nothing(tmp_path, capsys):
    rows = frame()
    rows.loc[(rows["regime"] == "replace") & (rows["iteration"] == 4), "value"] = np.inf
    own.report(rows, tmp_path / "plot.png")
    output = capsys.readouterr().out
    assert "not finite" in output and "replace against" not in output
    assert report.table(rows, "loss")["verdict"]["replace"] == "undecided"


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (None, "NoneType without section"),
        (frame().drop(columns="seed"), "DataFrame without seed"),
        (frame().iloc[:0], "no rows"),
        (pd.concat([frame(), frame(variant="scale=2.0")]), "2 experiments"),
    ],
)
def test_what_is_not_one_experiment_is_refused(given, output):
    with pytest.raises(InputError, match=output):
        own.report(given)


def test_an_unknown_metric_and_a_file_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(InputError, match="metric: got 'los'; allowed: one of loss"):
        own.report(frame(), metrics=["los"])
    for name in ("absent/plot.png", "plot.what"):
        with pytest.raises(InputError, match="file: "):
            own.report(frame(), tmp_path / name)


def test_a_folder_with_copies_and_damage_is_reported_and_says_so(tmp_path, capsys):
    """Of two copies of a chain one counts; a damaged chain is left out by name."""
    options = {"iterations": 2, "seeds": range(3), "regimes": ["replace"], "check": False}
    own.experiment(MyModel(20), tmp_path / "runs", **options)
    shutil.copytree(tmp_path / "runs/replace/seed-0", tmp_path / "runs/copy")
    record = tmp_path / "runs/replace/seed-2/iteration-02/metrics.json"
    record.write_text(record.read_text().replace("1", "2"))
    capsys.readouterr()
    report.report_folder(tmp_path / "runs")
    output = capsys.readouterr().out
    assert output.startswith("own: 2 seeds, 2 fits") and "twice: " in output
    assert "missing: " in output and "seed-2" in output
