"""The Colab case: notebooks in an empty folder, with the installed wheel and nothing of the source tree."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the unpacked wheel."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place)]
    subprocess.run([*build, str(ROOT)], check=True)
    (wheel,) = place.glob("collapse_utils-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def test_the_wheel_holds_the_package_its_results_and_nothing_else(installed):
    tops = {path.name for path in installed.iterdir()}
    assert {name.split("-")[0] for name in tops} == {"collapse_utils"}
    for section in ("linear", "language"):
        assert list(installed.glob(f"collapse_utils/results/{section}/*/metrics.csv"))
    assert not [path for path in installed.rglob("*") if path.suffix in {".safetensors", ".pt", ".arrow", ".npy"}]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_from_an_empty_folder(installed, notebook, tmp_path):
    shutil.copy(notebook, tmp_path / "here.ipynb")
    environment = {**os.environ, "PYTHONPATH": str(installed), "COLLAPSE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "papermill", "here.ipynb", "done.ipynb", "--no-progress-bar", "-k", "python3"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    asked = subprocess.run(
        [sys.executable, "-c", "import collapse_utils; print(collapse_utils.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(asked.stdout.strip()).is_relative_to(installed)  # not the source tree's
    committed, fresh = nbformat.read(notebook, 4), nbformat.read(tmp_path / "done.ipynb", 4)
    for before, after in zip(committed.cells, [c for c in fresh.cells if "injected-parameters" not in
                                               c.metadata.get("tags", [])], strict=True):  # fmt: skip
        if "NBVAL_CHECK_OUTPUT" in before.source:
            assert [o["text"] for o in after.outputs] == [o["text"] for o in before.outputs]
