"""The Colab case: notebooks in an empty folder, with the installed wheel alone."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIGHT = [  # the modules that need nothing but Python
    f"collapse_utils.{name}"
    for name in (
        "__main__",
        "commands",
        "errors",
        "loading",
        "presets",
        "durable.provenance",
        "regimes",
        "sections",
        "sources",
        "language.config",
        "images.config",
        "molecules.config",
    )
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    place = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(place),
    ]
    subprocess.run([*build, str(ROOT)], check=True)
    return next(place.glob("collapse_utils-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel):
    """A folder that holds the unpacked wheel."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


def test_the_wheel_holds_the_package_its_results_and_nothing_else(installed):
    tops = {path.name for path in installed.iterdir()}
    assert {name.split("-")[0] for name in tops} == {"collapse_utils"}
    for section in ("linear", "language"):
        assert list(installed.glob(f"collapse_utils/results/{section}/*/metrics.csv"))
    assert not [
        path
        for path in installed.rglob("*")
        if path.suffix in {".safetensors", ".pt", ".arrow", ".npy"}
    ]


def interpreter(version: str) -> str | None:
    """A Python of that version that runs; pyenv leaves commands that only print help."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in [shutil.which(name), *sorted(pyenv.glob(f"{version}*/bin/{name}"))]:
        question = [path, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        if (
            path
            and subprocess.run(question, capture_output=True, text=True, check=False).stdout.strip()
            == version
        ):
            return str(path)
    return None


def install_cell(notebook: Path, pip: list[str]) -> str:
    """The code of an install cell, with ``pip`` in place of the download."""
    (cell,) = [
        cell
        for cell in nbformat.read(notebook, 4).cells
        if "install" in cell.metadata.get("tags", ())
    ]
    release = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    line = f'%pip install -q "collapse_utils @ git+{release["url"]}@{release["branch"]}"'
    assert cell.source.count(line) == 1, (
        f"{notebook.name} installs something else than this release"
    )
    return ast.unparse(
        ast.parse(
            cell.source.replace(line, f"import subprocess; subprocess.run({pip}, check=True)")
        )
    )


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_install_cells_install_the_package(wheel, version, tmp_path):
    """On a bare Python, oldest and newest: the cell installs the wheel, which suits it.

    What it does not cover: the download from the repository, and the dependencies, which would be
    gigabytes.  They are installed and used on every version by the workflow in .github, and here by
    the tests on the version that runs them.
    """
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    bare = str(tmp_path / "bare" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", bare, "--disable-pip-version-check"]
    install = [*pip, "install", "-q", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    where = "import collapse_utils, os; print(os.path.dirname(collapse_utils.__file__))"
    # one, while all notebooks have the same
    for code in {install_cell(notebook, install) for notebook in NOTEBOOKS}:
        subprocess.run(
            [python, "-m", "venv", "--clear", "--without-pip", str(tmp_path / "bare")], check=True
        )
        assert subprocess.run([bare, "-I", "-c", where], capture_output=True).returncode != 0
        subprocess.run([bare, "-I", "-c", code], cwd=tmp_path, check=True)
        asked = subprocess.run(
            [bare, "-I", "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        package = Path(asked.stdout.strip())
        assert package.is_relative_to(tmp_path / "bare") and list(
            package.glob("results/*/*/metrics.csv")
        )
        subprocess.run([bare, "-I", "-m", "compileall", "-q", str(package)], check=True)
        subprocess.run(
            [bare, "-I", "-W", "error", "-c", f"import {', '.join(LIGHT)}"],
            cwd=tmp_path,
            check=True,
        )
        # where the package is, the cell does nothing
        again = code.replace(str(wheel), "nothing-to-install")
        subprocess.run([bare, "-I", "-c", again], cwd=tmp_path, check=True)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_nbval_finds_the_committed_outputs_in_an_empty_folder(installed, notebook, tmp_path):
    """Strict nbval: a fresh run of every cell gives the outputs that are committed."""
    made = nbformat.read(notebook, 4)
    source = "import collapse_utils; print(collapse_utils.__file__)"
    origin = nbformat.v4.new_code_cell(source, execution_count=1)
    stream = {"name": "stdout", "text": f"{installed / 'collapse_utils' / '__init__.py'}\n"}
    origin.outputs = [nbformat.v4.new_output("stream", **stream)]
    made.cells.append(origin)  # not the source tree's package
    nbformat.write(made, tmp_path / notebook.name)
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "COLLAPSE_CACHE": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", notebook.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
