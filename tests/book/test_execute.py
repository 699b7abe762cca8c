"""Executing notebooks: once, and again only when something has changed."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from book._tools.__main__ import main
from book._tools.contents import strip
from collapse_utils.errors import InputError
from collapse_utils.pages import figures
from collapse_utils.sweeps import execute
from collapse_utils.sweeps.execute import (
    check_parameters,
    declared_parameters,
    read_notebook,
    reduce_colours,
    write_notebook,
)

PARAMETERS = 'preset = "cpu"\nseeds = [0, 1]\nregimes = ["replace"]\nrecompute = False\nruns = ""'


def make_book(root, *code: str):
    """A book of one notebook, notebooks/01_tiny.ipynb."""
    (root / "notebooks").mkdir(parents=True)
    (root / "_config.yml").write_text("title: Tiny\n", encoding="utf-8")
    (root / "_toc.yml").write_text("format: jb-book\nroot: notebooks/01_tiny\n", encoding="utf-8")
    cells = [
        new_markdown_cell("# Tiny"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
    ]
    write_source(root, [*cells, *map(new_code_cell, code)])
    return root


def write_source(root, cells):
    write_notebook(root / "notebooks" / "01_tiny.ipynb", new_notebook(cells=cells))


def run(root, *options: str) -> int:
    return main(["--root", str(root), "run", "--name", "t", *options])


def executed(root):
    return root / "build" / "t" / "notebooks" / "01_tiny.ipynb"


def test_a_notebook_is_run_once_and_again_when_it_changes(tmp_path, capsys):
    root = make_book(tmp_path / "book", "print(preset, seeds, recompute)")
    assert run(root, "--seeds", "3-4") == 0
    notebook = read_notebook(executed(root))
    assert notebook.cells[-1].outputs[0].text == "smoke [3, 4] True\n"
    stamp = executed(root).stat().st_mtime_ns

    assert run(root, "--seeds", "3-4") == 0
    assert "done before" in capsys.readouterr().out
    assert executed(root).stat().st_mtime_ns == stamp

    notebook = read_notebook(root / "notebooks" / "01_tiny.ipynb")
    notebook.cells[-1].source = "print('changed')"
    write_source(root, notebook.cells)
    assert run(root, "--seeds", "3-4") == 0
    assert read_notebook(executed(root)).cells[-1].outputs[0].text == "changed\n"
    assert [path.name for path in executed(root).parent.iterdir()] == ["01_tiny.ipynb"]


def test_a_failing_notebook_is_kept_apart_and_is_not_done(tmp_path, capsys):
    root = make_book(tmp_path / "book", "1 / 0", "print('never')")
    assert run(root) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert not executed(root).exists()
    failed = executed(root).with_name("01_tiny.failed.ipynb")
    assert not execute.finished(failed)

    notebook = read_notebook(root / "notebooks" / "01_tiny.ipynb")
    notebook.cells[-2].source = "1 / 1"
    write_source(root, notebook.cells)
    assert run(root) == 0
    assert execute.finished(executed(root))
    assert not failed.exists()


def test_several_at_a_time_one_that_fails_leaves_the_others(tmp_path, capsys):
    root = make_book(tmp_path / "book", "print('whole')")
    good = read_notebook(root / "notebooks" / "01_tiny.ipynb")
    bad = new_notebook(cells=[*good.cells, new_code_cell("1 / 0")])
    write_notebook(root / "notebooks" / "02_bad.ipynb", bad)
    with open(root / "_toc.yml", "a", encoding="utf-8") as file:
        file.write("chapters:\n- file: notebooks/02_bad\n")
    assert run(root, "--jobs", "2") == 1
    assert execute.finished(executed(root))
    assert not executed(root).with_name("02_bad.ipynb").exists()
    assert "02_bad.ipynb: cell 4 failed with ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.parametrize("jobs", ["0", "two", "1.5"])
def test_a_bad_number_of_jobs_is_refused_by_name(tmp_path, jobs, capsys):
    root = make_book(tmp_path / "book", "1")
    assert run(root, "--jobs", jobs) == 2
    assert "--jobs" in capsys.readouterr().err
    assert not (root / "build").exists()


def test_what_counts_as_finished(tmp_path):
    path = tmp_path / "n.ipynb"
    assert not execute.finished(path)
    path.write_text("{ cut short", encoding="utf-8")
    assert not execute.finished(path)
    for record, done in (
        ({}, False),
        ({"end_time": None, "exception": None}, False),  # papermill writes this when it starts
        ({"end_time": "2026-01-01", "exception": True}, False),
        ({"end_time": "2026-01-01", "exception": None}, True),
    ):
        write_notebook(path, new_notebook(metadata={"papermill": record}))
        assert execute.finished(path) is done
    assert not execute.finished(path, "another fingerprint")


def test_the_fingerprint_covers_cells_parameters_and_results(tmp_path):
    root = make_book(tmp_path / "book", "1")
    (root / "results").mkdir()
    notebook = read_notebook(root / "notebooks" / "01_tiny.ipynb")
    marks = {
        execute.fingerprint(root, notebook, {"preset": "smoke"}),
        execute.fingerprint(root, notebook, {}),
    }
    (root / "results" / "metrics.csv").write_text("a\n", encoding="utf-8")
    marks.add(execute.fingerprint(root, notebook, {}))
    notebook.cells[-1].source = "2"
    marks.add(execute.fingerprint(root, notebook, {}))
    assert len(marks) == 4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["-p", "presett=cpu"], "presett"),
        (["-p", "seeds=3"], "seeds"),
        (["-p", "no value"], "no value"),
        (["--seeds", "two"], "two"),
        (["--seeds", "3-1"], "3-1"),
        (["--regimes", "replace,recycle"], "recycle"),
        (["--data", "tinystories"], "data"),  # this notebook declares no such parameter
        (["02_other"], "02_other"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_before_any_work(
    tmp_path, capsys, options, named
):
    root = make_book(tmp_path / "book", "print(1)")
    assert run(root, *options) == 2
    message = capsys.readouterr().err.strip()
    assert named in message and "allowed:" in message and "\n" not in message
    assert not (root / "build").exists()


def test_a_folder_that_is_no_book_is_refused(tmp_path, capsys):
    assert run(tmp_path) == 2
    assert "_toc.yml" in capsys.readouterr().err


def test_parameters_are_read_from_the_parameters_cell():
    source = "preset = 'cpu'\nseeds: list[int] = [0]\ndata = None\nwhere = str(1)"
    notebook = new_notebook(cells=[new_code_cell(source, metadata={"tags": ["parameters"]})])
    assert declared_parameters(notebook, "n") == {
        "preset": "cpu",
        "seeds": [0],
        "data": None,
        "where": None,
    }
    check_parameters(notebook, "n", {"preset": "smoke", "seeds": [1], "data": "folder", "where": 3})
    with pytest.raises(InputError, match="the type of its default"):
        check_parameters(notebook, "n", {"seeds": "1"})
    with pytest.raises(InputError, match="tagged 'parameters'"):
        declared_parameters(new_notebook(), "n")


def test_prepared_copies_keep_the_committed_outputs(tmp_path):
    root = make_book(tmp_path / "book")
    notebook = read_notebook(root / "notebooks" / "01_tiny.ipynb")
    output = nbformat.v4.new_output("stream", text="rises: reproduced\n")
    notebook.cells.append(
        new_code_cell("# NBVAL_CHECK_OUTPUT\nprint()", outputs=[output], execution_count=2)
    )
    write_source(root, notebook.cells)
    assert main(["--root", str(root), "prepare", "--name", "s", "--seeds", "0-2"]) == 0
    copy = read_notebook(root / "build" / "s" / "committed" / "01_tiny.ipynb")
    assert copy.cells[-1].outputs == [output]
    scope: dict = {}
    for cell in copy.cells[1:3]:
        exec(cell.source, scope)
    assert (scope["preset"], scope["seeds"], scope["recompute"]) == ("smoke", [0, 1, 2], True)


def drawn() -> bytes:
    """A figure in the house style: every regime's line and band, and letters."""
    with plt.rc_context():
        figures.style()
        figure, ax = plt.subplots()
        for place, regime in enumerate(figures.COLOURS):
            mean = np.sin(np.arange(1.0, 11.0) + place)
            table = pd.DataFrame(
                {
                    "iteration": np.arange(1, 11),
                    "mean": mean,
                    "low": mean - 1,
                    "high": mean + 1,
                    "n": 3,
                }
            )
            figures.curve(ax, table, regime)
        ax.legend()
        raw = io.BytesIO()
        figure.savefig(raw, format="png")
        plt.close(figure)
    return raw.getvalue()


def test_a_figure_of_fewer_colours_looks_the_same_and_is_smaller():
    raw = drawn()
    small = reduce_colours(raw)
    with Image.open(io.BytesIO(raw)) as image:
        before, metadata = np.asarray(image.convert("RGB")).astype(int), image.info
    with Image.open(io.BytesIO(small)) as image:
        assert image.mode == "P"
        assert (
            image.info["dpi"] == metadata["dpi"] and image.info["Software"] == metadata["Software"]
        )
        after = np.asarray(image.convert("RGB")).astype(int)
    assert len(small) < len(raw) / 2
    assert np.abs(after - before).max() <= 24  # of 255: no line, band or letter in another hue
    assert (after[0, 0] == 255).all()
    assert reduce_colours(small) == small
    glass = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(glass, "PNG")
    # a see-through picture is left alone
    assert reduce_colours(glass.getvalue()) == glass.getvalue()


def test_strip_makes_pictures_small_once(tmp_path):
    path = tmp_path / "n.ipynb"
    data = {"image/png": base64.b64encode(drawn()).decode()}
    shown = new_output("display_data", data, metadata={"image/png": {"a": 1}})
    write_notebook(path, new_notebook(cells=[new_code_cell("show", outputs=[shown])]))
    before = path.stat().st_size
    assert strip(path)
    assert path.stat().st_size < before / 2
    assert read_notebook(path).cells[0].outputs[0].metadata == {"image/png": {"a": 1}}
    assert not strip(path)


def test_strip_removes_timings_and_nothing_else(tmp_path):
    path = tmp_path / "n.ipynb"
    timed = new_code_cell(
        "1", metadata={"tags": ["x"], "papermill": {"duration": 1.5}, "execution": {"a": "b"}}
    )
    write_notebook(path, new_notebook(cells=[timed], metadata={"papermill": {"parameters": {}}}))
    assert strip(path)
    notebook = read_notebook(path)
    assert notebook.cells[0].metadata == {"tags": ["x"]}
    assert notebook.metadata.papermill == {"parameters": {}}
    assert not strip(path)
