"""Chains as executed notebooks: done once, and kept with their error when they fail."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import own_models
import processes
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from collapse_utils import sections
from collapse_utils.__main__ import main
from collapse_utils.durable import leases
from collapse_utils.sweeps import jobs, notebooks
from collapse_utils.sweeps.execute import finished, read_notebook, write_notebook

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """preset = "cpu"
seeds = [0, 1]
regimes = ["replace"]
variants = []
recompute = False
runs = ""
data = "default\""""
TRAIN = """from collapse_utils.pages import notebook
frame = notebook.train("linear", preset, seeds, regimes, data, runs, variants)
print(sorted(frame["regime"].unique()), frame["iteration"].max(), recompute)"""


def toy(tmp_path, *code):
    path = tmp_path / "toy.ipynb"
    cells = [
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        *map(new_code_cell, code),
    ]
    write_notebook(path, new_notebook(cells=cells))
    return path


def sweep(out, *options):
    words = ["sweep", "linear", "--set", "iterations=2", "--set", "repeats=4", "--quiet"]
    return main([*words, "--out", str(out), *options])


def sweep_pages(out, notebook, *options):
    return sweep(out, f"--notebook={notebook}", *options)


def test_every_chain_leaves_its_notebook_and_a_failed_one_does_not_stop_the_others(
    tmp_path, capsys
):
    fails = "if regimes == ['replace'] and seeds == [1]:\n    raise RuntimeError('out of luck')"
    notebook, out = toy(tmp_path, TRAIN, fails), tmp_path / "out"
    arguments = ["--seeds", "0-1", "--regimes", "replace,accumulate"]
    assert sweep_pages(out, notebook, *arguments) == 1
    output = capsys.readouterr()
    assert "3 of 4 chains are done" in output.out
    assert output.err.count("failed: ") == 1 and "RuntimeError: out of luck" in output.err
    home = out / "linear/smoke-gaussian/iterations=2,repeats=4"
    names = {path.relative_to(home).as_posix() for path in home.rglob("*.ipynb")}
    assert names == {
        "accumulate/seed-0.ipynb",
        "accumulate/seed-1.ipynb",
        "replace/seed-0.ipynb",
        "replace/seed-1.failed.ipynb",
    }
    record = read_notebook(home / "accumulate/seed-1.ipynb")
    assert finished(home / "accumulate/seed-1.ipynb") and not finished(
        home / "replace/seed-1.failed.ipynb"
    )
    assert record.cells[-2].outputs[-1].text == "['accumulate'] 2 True\n"
    assert "out of luck" in json.dumps(read_notebook(home / "replace/seed-1.failed.ipynb"))

    capsys.readouterr()
    assert main(["status", str(out)]) == 0
    assert "seed 1: but its notebook: error: toy.ipynb: cell" in capsys.readouterr().out
    assert b"\0" not in b"".join(path.read_bytes() for path in home.rglob("*.log"))

    # The chain is the one that a bare sweep runs, in the same place.
    assert sweep(tmp_path / "bare", *arguments) == 0
    for path in (tmp_path / "bare").rglob("metrics.csv"):
        assert (out / path.relative_to(tmp_path / "bare")).read_bytes() == path.read_bytes()

    # Once more: what is done is left alone, and what has failed is tried again.
    capsys.readouterr()
    stamp = (home / "accumulate/seed-1.ipynb").stat().st_mtime_ns
    toy(tmp_path, TRAIN, "print('in luck')")
    assert sweep_pages(out, notebook, *arguments) == 0
    assert (home / "accumulate/seed-1.ipynb").stat().st_mtime_ns == stamp
    assert (
        finished(home / "replace/seed-1.ipynb")
        and not (home / "replace/seed-1.failed.ipynb").exists()
    )


def test_a_kernel_that_dies_is_a_failure_with_what_it_has_left(tmp_path, capsys):
    notebook = toy(tmp_path, "print('before')", "import os\nos._exit(3)")
    assert sweep_pages(tmp_path / "out", notebook, "--regimes", "replace") == 1
    assert "0 of 1 chains are done" in capsys.readouterr().out
    (failed,) = (tmp_path / "out").rglob("*.ipynb")
    assert failed.name == "seed-0.failed.ipynb" and "before" in failed.read_text()


@pytest.mark.parametrize(
    "content, output",
    [
        ("x = 1", "parameter of toy.ipynb: got 'preset'"),
        (PARAMETERS.replace("seeds = [0, 1]", "seeds = 3"), "seeds in toy.ipynb: got [0]"),
        (PARAMETERS.replace("variants = []\n", ""), "--set or --vary: got ['iterations=2', "),
    ],
)
def test_a_notebook_that_does_not_take_the_parameters_is_refused_before_any_work(
    tmp_path, capsys, content, output
):
    path = tmp_path / "toy.ipynb"
    write_notebook(
        path, new_notebook(cells=[new_code_cell(content, metadata={"tags": ["parameters"]})])
    )
    assert sweep_pages(tmp_path / "out", path) == 2
    assert output in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_option_that_a_notebook_cannot_honour_is_refused_by_name(tmp_path, capsys):
    notebook, out = toy(tmp_path, TRAIN), tmp_path / "out"
    assert sweep_pages(out, notebook, "--allow-changed-code") == 2
    line = capsys.readouterr().err
    assert line.startswith("error: --allow-changed-code: got True; allowed: a notebook with")
    words = ["sweep", f"{own_models.__file__}:Normal", "--out", str(out), f"--notebook={notebook}"]
    assert main([*words, "--arg", "items=30"]) == 2
    assert capsys.readouterr().err.startswith("error: --arg: got ['items=30']; allowed: a notebook")
    assert not out.exists()


def test_a_notebook_is_given_the_options_that_it_declares(tmp_path):
    path = tmp_path / "toy.ipynb"
    cell = f"{PARAMETERS}\narguments = []\nallow_changed_code = False"
    tags = {"tags": ["parameters"]}
    write_notebook(path, new_notebook(cells=[new_code_cell(cell, metadata=tags)]))
    model, options = f"{own_models.__file__}:Normal", {"arguments": ["items=30"]}
    (job,) = jobs.plan([model], "own", [0], ["replace"], tmp_path, **options)
    values = notebooks.parameters(notebooks.NotebookJob.of(job, path))
    assert (values["arguments"], values["allow_changed_code"]) == (["items=30"], False)


@pytest.mark.parametrize("section", sections.NAMES)
def test_the_page_of_a_section_continues_chains_of_other_code_if_asked(tmp_path, section):
    options = {"allow_changed_code": True}
    (job,) = jobs.plan([section], "smoke", [0], ["fixed_real=0.5"], tmp_path, **options)
    page = notebooks.find([section], "")[section]
    assert notebooks.parameters(notebooks.NotebookJob.of(job, page))["allow_changed_code"]
    assert "allow_changed_code=allow_changed_code" in page.read_text(encoding="utf-8")


def test_the_page_of_a_section_runs_and_shows_a_regime_with_a_share(tmp_path, capsys):
    words = ["sweep", "linear", "--regimes", "redrawn_real=0.25", "--out", str(tmp_path), "--quiet"]
    assert main([*words, "--notebook"]) == 0, capsys.readouterr().err
    (record,) = tmp_path.rglob("seed-0.ipynb")
    assert finished(record) and (record.with_suffix("") / "DONE").exists()


def test_a_file_that_is_no_notebook_is_refused(tmp_path, capsys):
    (tmp_path / "toy.ipynb").write_text("{ cut sh")
    assert sweep_pages(tmp_path / "out", tmp_path / "toy.ipynb") == 2
    assert "--notebook" in capsys.readouterr().err


def test_a_section_without_a_page_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "book_root", lambda: None)
    assert main(["sweep", "linear", "--out", str(tmp_path / "out"), "--notebook"]) == 2
    assert "--notebook FILE" in capsys.readouterr().err


def test_stopping_stops_the_chain_and_the_same_command_goes_on(tmp_path):
    slow = ["--set", "iterations=50", "--set", "repeats=30", "--regimes", "replace"]
    (job,) = jobs.plan(
        ["linear"], "smoke", [0], ["replace"], tmp_path / "out", assignments=slow[1:4:2]
    )
    words = ["sweep", "linear", *slow, "--out", tmp_path / "out", "--quiet"]
    words += [f"--notebook={toy(tmp_path, TRAIN)}"]
    process = processes.start(*words, stderr=subprocess.PIPE)
    processes.wait_for_fits(job.run_dir, process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    deadline = time.monotonic() + 20
    # the kernel's child ends after the kernel
    while leases.held(job.run_dir) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not leases.held(job.run_dir) and not (job.run_dir / "DONE").exists()
    assert processes.start(*words).wait() == 0
    assert finished(notebooks.NotebookJob.of(job, tmp_path / "toy.ipynb").executed)
    assert not list((tmp_path / "out").rglob("*.partial.ipynb"))


OWN = """from collapse_utils import own
from collapse_utils.templates.numpy_model import MyModel
frame = own.experiment(MyModel(20), runs + "/own", iterations=2, seeds=seeds, regimes=regimes)"""


def test_progress_is_one_output_with_a_line_for_each_chain(tmp_path):
    """Of a sweep and of an own model; no escape codes, and nothing that needs ipywidgets."""
    import papermill

    values = {
        "preset": "smoke",
        "regimes": ["replace", "accumulate"],
        "variants": ["iterations=2", "repeats=4"],
        "recompute": True,
        "runs": str(tmp_path / "runs"),
    }
    done = tmp_path / "done.ipynb"
    source = toy(tmp_path, TRAIN.rpartition("\n")[0], OWN)
    kernel = {"kernel_name": "python3", "language": "python", "progress_bar": False}
    papermill.execute_notebook(str(source), str(done), parameters=values, **kernel)
    trained, own = [cell for cell in read_notebook(done).cells if "frame" in cell.source]
    for cell, name in ((trained, "linear iterations=2 repeats=4"), (own, "own")):
        (output,) = cell.outputs
        head, *lines = output.data["text/plain"].splitlines()
        assert head == "4 of 4 chains are done" and set(output.data) == {"text/plain"}
        assert sorted(lines) == sorted(
            f"done: {name} {regime} seed {seed}" for regime in values["regimes"] for seed in (0, 1)
        )
    assert "\\u001b" not in done.read_text(encoding="utf-8")
