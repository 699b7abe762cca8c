"""An own model on the command line: found by file and class, with any usual kind of data."""

from pathlib import Path

import numpy as np
import own_models
import pytest

from collapse_utils import own, sections
from collapse_utils.__main__ import main
from collapse_utils.errors import InputError, RunError
from collapse_utils.evidence import results

FILE = Path(own_models.__file__)


def sweep(model, out, *options):
    return main(
        [
            "sweep",
            f"{FILE}:{model}",
            "--seeds",
            "0-1",
            "--set",
            "iterations=3",
            "--out",
            str(out),
            "--quiet",
            *options,
        ]
    )


@pytest.mark.parametrize("model", ["Normal", "Tensors", "Texts", "Table"])
def test_every_kind_of_data_runs_through_all_regimes(tmp_path, model):
    frame = own.experiment(getattr(own_models, model)(), tmp_path, iterations=3, seeds=[0])
    assert sorted(frame["regime"].unique()) == [
        "accumulate",
        "accumulate_subsample",
        "replace",
        "replace_multiple",
    ]
    assert frame["iteration"].max() == 3


def test_a_sweep_of_an_own_model_gives_the_numbers_of_the_experiment(tmp_path, capsys):
    assert sweep("Tensors", tmp_path / "sweep", "--regimes", "replace,accumulate") == 0
    folder = tmp_path / "sweep" / "tensor_model" / "own-own" / "base"
    frame = own.experiment(
        own_models.Tensors(),
        tmp_path / "own",
        iterations=3,
        seeds=[0, 1],
        name="tensor_model",
        regimes=["replace", "accumulate"],
    )
    for (regime, seed), rows in frame.groupby(["regime", "seed"]):
        path = folder / regime / f"seed-{seed}" / "metrics.csv"
        swept = results.read_csv(path)
        assert swept["value"].tolist() == rows["value"].tolist()
    assert main(["status", str(tmp_path / "sweep")]) == 0
    assert "4 done" in capsys.readouterr().out
    assert main(["collect", str(tmp_path / "sweep"), "--into", str(tmp_path / "results")]) == 0
    assert (tmp_path / "results" / "tensor_model" / "own-own" / "metrics.csv").exists()


def test_arguments_of_the_constructor_make_a_variant(tmp_path, capsys):
    assert (
        sweep("Normal", tmp_path, "--regimes", "replace", "--arg", "items=20", "--arg", "scale=2.0")
        == 0
    )
    assert (tmp_path / "normal/own-own/items=20,scale=2.0/replace/seed-1/DONE").exists()
    assert main(["estimate", f"{FILE}:Normal", "--arg", "items=64"]) == 0
    assert "normal" in capsys.readouterr().out.lower()


@pytest.mark.parametrize(
    "name, options, message",
    [
        (f"{FILE}:Absent", [], "a class of"),
        ("nowhere.py:Normal", [], "a Python file that exists"),
        ("no.such.module:Normal", [], "a module that can be imported"),
        (f"{FILE}:Normal", ["--arg", "colour=red"], "unexpected keyword argument 'colour'"),
        (f"{FILE}:Normal", ["--arg", "items"], "NAME=VALUE"),
        (f"{FILE}:Normal", ["--preset", "cpu"], "one of own"),
        (f"{FILE}:Normal", ["--data", "faces"], "an own model brings its data"),
        ("linear", ["--arg", "items=3"], "an own model; a section takes --set"),
    ],
)
def test_what_cannot_be_found_or_made_is_named_before_any_work(
    tmp_path, capsys, name, options, message
):
    assert main(["run", name, "--run-dir", str(tmp_path / "run"), *options]) == 2
    output = capsys.readouterr().err
    assert message in output and output.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_metric_that_is_not_finite_is_named_before_sameness_is_asked():
    with pytest.raises(RunError, match="metric 'loss' is nan; expected a finite number"):
        own.trial(own_models.NotANumber())


def test_a_loss_that_is_not_finite_is_recorded_where_that_is_asked_for(tmp_path, capsys):
    asked = ("--regimes", "replace", "--set", "diverged=record")
    assert sweep("NotANumber", tmp_path / "sweep", *asked) == 0
    frame = own.experiment(
        own_models.NotANumber(), tmp_path / "own", iterations=2, seeds=[0], regimes=["replace"],
        diverged="record",
    )  # fmt: skip
    values = frame.set_index("metric").value
    assert (values["loss"] == np.inf).all() and (values["diverged"] == 1).all()


@pytest.mark.parametrize("option", ["--set", "--arg", "--vary"])
def test_a_name_that_is_given_twice_is_refused(option, tmp_path, capsys):
    name = "items" if option == "--arg" else "iterations"
    twice = (option, f"{name}=2", option, f"{name}=3")
    assert main(["sweep", f"{FILE}:Normal", "--out", str(tmp_path / "sweep"), *twice]) == 2
    assert f"{option}: got '{name}=3'; allowed: {name} once" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_generator_and_a_class_are_answered_with_what_to_give(tmp_path):
    class Once(own_models.Normal):
        def real_data(self):
            return tuple((row for row in part) for part in super().real_data())

    with pytest.raises(
        InputError, match=r"got 'generator'; .*turn a generator or other iterator into one"
    ):
        own.trial(Once())
    with pytest.raises(InputError, match=r"section: got 'Normal'; .* as Normal\(\)"):
        own.experiment(own_models.Normal, tmp_path)
    assert not list(tmp_path.iterdir())


def test_rounding_differences_pass_only_where_close_is_asked_for():
    with pytest.raises(RunError, match=r'fit: two fits .*check="close"'):
        own.trial(own_models.Drifting())
    own.trial(own_models.Drifting(), check="close")
    with pytest.raises(InputError, match="exact, close"):
        own.trial(own_models.Drifting(), check="nearly")
    with pytest.raises(RunError, match="fit: two fits with one seed gave different models"):
        own.trial(own_models.Drifting(), check="close", tolerance=1e-12)


def test_an_experiment_that_was_begun_is_resumed_without_another_trial(tmp_path, monkeypatch):
    trials = []
    monkeypatch.setattr(own, "trial", lambda *arguments: trials.append(arguments[1:]))
    for regimes in (["replace"], ["replace", "accumulate"]):
        own.experiment(
            own_models.Normal(), tmp_path, iterations=2, seeds=[0], regimes=regimes, check="close"
        )
    assert trials == [("close", 1e-3, "stop")]


@pytest.mark.parametrize("given", [([], []), (1, 2), None, [[1, 2], [3]]])
def test_real_data_of_another_kind_are_named(given):
    class Other(own_models.Normal):
        def real_data(self):
            return given

    with pytest.raises(InputError, match="real_data"):
        own.trial(Other())


def test_an_own_model_has_one_preset_and_its_own_name():
    assert (
        sections.default_preset(f"{FILE}:Normal") == "own"
        and sections.default_preset("linear") == "smoke"
    )
    assert sections.result_name(f"{FILE}:Tensors") == "tensor_model"


def test_a_name_that_no_folder_can_have_is_refused_before_any_work(tmp_path, monkeypatch, capsys):
    """By the call, by a single run and by a sweep, which names the folder of its runs so."""

    def fit(*_):
        raise AssertionError("work was done")

    monkeypatch.setattr(own_models.Normal, "fit", fit)
    with pytest.raises(InputError, match=r"name: got 'a/b'.*slash"):
        own.experiment(own_models.Normal(), tmp_path, name="a/b")
    file = tmp_path / "named.py"
    file.write_text(FILE.read_text() + "\n\nclass Slashed(Normal):\n    NAME = 'a/b'\n")
    for command, option in (("run", "--run-dir"), ("sweep", "--out")):
        words = [option, str(tmp_path / "runs"), "--quiet"]
        assert main([command, f"{file}:Slashed", *words]) == 2
        assert "name: got 'a/b'" in capsys.readouterr().err
        assert main([command, f"{file}:Normal", "--arg", "items=4\n", *words]) == 2
        assert "--arg: got" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
