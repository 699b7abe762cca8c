"""Every committed notebook was run in order and holds no error."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from book._tools.contents import notebooks, pages
from collapse_utils.sweeps.execute import declared_parameters, read_notebook

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EVERY = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code_cells(path: Path):
    return [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]


def outputs(path: Path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def test_there_are_notebooks_and_the_contents_name_all_of_them():
    assert PATHS
    assert sorted(notebooks(ROOT)) == PATHS
    missing = [
        page
        for page in pages(ROOT)
        if not any((ROOT / f"{page}{end}").is_file() for end in (".md", ".ipynb"))
    ]
    assert not missing


def test_every_prose_page_is_in_the_contents():
    known = set(pages(ROOT))
    assert {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")} <= known


@EVERY
def test_every_code_cell_was_run_in_order(path):
    counts = [cell.execution_count for cell in code_cells(path) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))


@EVERY
def test_the_parameters_cell_reads_and_does_not_train(path):
    known = declared_parameters(read_notebook(path), path.name)
    assert {"preset", "seeds", "regimes", "recompute", "data", "results"} <= set(known)
    assert known["recompute"] is False
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in code_cells(path)) == 1
    assert not any(
        "injected-parameters" in cell.metadata.get("tags", ()) for cell in code_cells(path)
    )


@EVERY
def test_no_output_is_an_error_or_a_warning(path):
    for output in outputs(path):
        assert output.output_type != "error"
        # only the word on what a training would run on; the book leaves it out
        if output.get("name") == "stderr":
            device = r"training would run on: [^\n]*\n"
            cost = r"(one chain at the preset colab is planned to take [^\n]*\n)?"
            assert re.fullmatch(device + cost, output.text), output.text[:200]


@EVERY
def test_no_cell_has_what_a_strict_check_of_outputs_trips_over(path):
    for cell in code_cells(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert not (lines and lines[-1].rstrip().endswith(";")), (
            "a trailing semicolon hides an output that nbval shows"
        )
        assert "image/svg+xml" not in str(
            [output.get("data", {}).keys() for output in cell.outputs]
        ), "PNG figures only"
        assert not {"papermill", "execution", "ExecuteTime"} & set(cell.metadata), "run: make strip"
    assert "widgets" not in read_notebook(path).metadata


@EVERY
def test_figures_are_opaque_and_have_words_for_those_who_do_not_see_them(path):
    for cell in code_cells(path):
        pictures = [
            output.data["image/png"]
            for output in cell.outputs
            if "image/png" in output.get("data", {})
        ]
        for picture in pictures:
            with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
                assert image.mode != "RGBA" or np.asarray(image)[..., 3].min() == 255, (
                    "unreadable in dark mode"
                )
        if pictures:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert alt.strip(), f"no alt text (cell metadata mystnb.image.alt): {cell.source[:80]}"


@EVERY
def test_a_verdict_is_printed_and_checked(path):
    checked = [cell for cell in code_cells(path) if "# NBVAL_CHECK_OUTPUT" in cell.source]
    assert checked and all(cell.outputs for cell in checked)


@EVERY
def test_no_output_names_a_folder_of_the_machine_it_ran_on(path):
    text = path.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"/(home|Users|root)/\w+", text)


@EVERY
def test_the_install_cell_is_guarded_and_asks_for_this_release(path):
    tag = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["branch"]
    installs = [cell.source for cell in code_cells(path) if "pip install" in cell.source]
    assert len(installs) == 1, "one Colab install cell"
    assert f"@{tag}" in installs[0]
    assert re.search(r"^(if|try|with)\b", installs[0], re.M), (
        "it must do nothing where the package is installed"
    )
    assert not re.search(r"(numpy|torch|matplotlib)\s*==", installs[0])
