"""The files that ``collapse new`` writes are run as they are written."""

import signal
from pathlib import Path

import pytest
from kills import Process

from collapse_utils import own, templates
from collapse_utils.errors import InputError
from collapse_utils.regimes import REGIMES
from collapse_utils.templates import numpy_model, torch_model


def test_the_numpy_template_is_short():
    assert len(templates.source("numpy").splitlines()) == 25


@pytest.mark.parametrize(
    "model", [numpy_model.MyModel(items=20), torch_model.MyModel(items=40, steps=20)]
)
def test_a_template_runs_through_all_regimes(tmp_path, model):
    frame = own.experiment(model, tmp_path, iterations=2, seeds=[0])
    assert set(frame["regime"]) == set(REGIMES)


@pytest.fixture
def ask(tmp_path):
    """Asks for a chain of the torch template, perhaps to be killed at an event of a phase."""
    model = tmp_path / "my_model.py"
    templates.write(model, "torch")
    words = ["run", f"{model}:MyModel", "--arg", "steps=30", "--set", "iterations=3", "--quiet"]
    words += ["--regime", "accumulate", "--checkpoint-s", "0"]
    process = Process()

    def answer(run_dir: Path, **request) -> dict:
        return process.ask([*words, "--run-dir", str(run_dir)], tmp_path, **request)

    yield answer
    process.close()


def test_the_torch_template_is_killed_and_resumed_to_the_same_bits(ask, tmp_path):
    """Killed in the middle of the 25th checkpoint of every process, and at the start of a sample:
    once in each of the three fits.
    """
    whole, killed = tmp_path / "whole/run", tmp_path / "killed/run"
    output = ask(whole, count=True)
    assert output["status"] == 0, output["output"]
    saves = output["events"]["checkpoint"]
    assert len(saves) == 3 * 30
    event = sum(saves[:24]) + saves[24] // 2
    assert ask(killed, phase="checkpoint", event=event)["status"] == -signal.SIGKILL
    (shared,) = (killed.parent / ".shared").glob("*/fit")
    assert [path.name for path in sorted(shared.glob("state-*"))][-1] < "state-000000030"
    assert ask(killed, phase="sample", event=1)["status"] == -signal.SIGKILL
    statuses = [ask(killed, phase="checkpoint", event=event)["status"] for _ in range(3)]
    assert statuses == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert (whole / "metrics.csv").read_bytes() == (killed / "metrics.csv").read_bytes()
    last = sorted(whole.glob("iteration-*/state-000000030/fit.pt"))
    assert len(last) == 3
    for state in last:
        assert state.read_bytes() == (killed / state.relative_to(whole)).read_bytes()


def test_a_template_is_written_once_and_only_where_it_can_be_imported_from(tmp_path):
    templates.write(tmp_path / "my_model.py")
    assert (tmp_path / "my_model.py").read_text(encoding="utf-8") == templates.source("numpy")
    for name, kind in [
        ("my_model.py", "numpy"),
        ("my-model.py", "numpy"),
        ("model.txt", "numpy"),
        ("absent/model.py", "numpy"),
        ("other.py", "jax"),
    ]:
        with pytest.raises(InputError):
            templates.write(tmp_path / name, kind)
    assert [path.name for path in tmp_path.iterdir()] == ["my_model.py"]
