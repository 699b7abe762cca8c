"""CONTRIBUTING.md: the tests it names exist, and so does a test for each step of its recipes."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import collapse_utils
from collapse_utils import __main__ as command_line
from collapse_utils import commands, presets, regimes, sections
from collapse_utils.errors import InputError
from collapse_utils.pages import figures
from collapse_utils.sources import Source

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "collapse_utils"
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EVERY_SECTION = pytest.mark.parametrize("name", sections.NAMES)
ROLES = {"config", "section"}  # linear regression draws its data, and its model is a formula
OF_A_NETWORK = ROLES | {"sources", "data", "model"}


def entries() -> set[str]:
    """The modules and folders at the root of the package."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_test_that_the_guide_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", GUIDE)
    assert len(named) >= 12
    for path, function in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not function or function in functions, f"{path}::{function}"


def test_every_file_that_the_guide_names_exists():
    """Words in capitals stand for what the contributor chooses."""
    names = re.findall(r"`([\w./]+/[\w./]*|\w[\w-]*\.(?:md|toml|yml|cff|py))`", GUIDE)
    chosen = re.compile("NAME|NN_")
    for name in {name.rstrip("/") for name in names if not chosen.search(name)}:
        assert (ROOT / name).exists() or list(PACKAGE.rglob(name)), name


@pytest.mark.parametrize(
    "recipe", ["claim", "data source", "preset", "section", "regime", "command", "page"]
)
def test_a_recipe_is_short_and_names_the_test_that_complains(recipe):
    (text,) = re.findall(rf"^### An? {recipe}\n\n(.*?)\n\n", GUIDE + "\n\n", re.M | re.S)
    assert 6 <= len(text.splitlines()) <= 10 and "tests/" in text


def test_the_map_in_the_docstring_names_every_module_and_folder_and_imports_nothing():
    words = set(re.findall(r"\w+", collapse_utils.__doc__))
    assert entries() <= words
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_rows_of_the_linter_have_every_module_and_folder():
    (contract,) = pyproject()["tool"]["importlinter"]["contracts"]
    rows = {name for row in contract["layers"] for name in re.findall(r"\w+", row)}
    assert entries() == rows


@EVERY_SECTION
def test_a_section_has_its_roles_its_page_and_its_claims(name):
    modules = {path.stem for path in (PACKAGE / name).glob("*.py")}
    assert (ROLES if name == "linear" else OF_A_NETWORK) <= modules
    assert len(list((ROOT / "notebooks").glob(f"[0-9][0-9]_{name}.ipynb"))) == 1
    assert (PACKAGE / "pages" / f"{name}.py").is_file() and (ROOT / "tests" / name).is_dir()
    assert name in loaded("book/claims.yml")["sections"]
    assert name in {sweep["section"] for sweep in loaded("results/reference.yml")["sweeps"]}


def test_a_command_is_listed_has_its_function_and_returns_an_exit_status():
    (names,) = [action for action in command_line.parser()._actions if action.dest == "name"]
    for name in names.choices:
        assert re.search(rf"^    {name} ", command_line.__doc__, re.M), name
        assert inspect.signature(getattr(commands, name)).return_annotation == "int"


def loaded(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@EVERY_SECTION
def test_a_section_has_every_preset(name):
    for preset in presets.NAMES:
        assert sections.configuration(name, preset)[1] == ""  # no variant: it is the preset itself


@EVERY_SECTION
@pytest.mark.parametrize("command", ["run", "sweep", "estimate"])
def test_the_help_of_a_command_names_every_preset(name, command, capsys):
    with pytest.raises(SystemExit):
        command_line.parser().parse_args([command, "--help"])
    text = re.search(r"--preset PRESET\s+(one of .*?)\n +--", capsys.readouterr().out, re.S)[1]
    assert set(sections.preset_names(name)) <= set(re.findall(r"\w+", text))


@EVERY_SECTION
def test_a_source_has_an_origin_and_is_a_value_of_data(name):
    sources = sections.module(name).SOURCES
    assert sections.default_source(name) in sources
    for source, about in sources.items():
        if isinstance(about, Source):
            assert about.title and about.licence and about.citation and about.revision, source
    with pytest.raises(InputError) as refusal:
        sections.make(name, preset="smoke", regime="replace", seed=0, data="no-such-source")
    assert all(source in str(refusal.value) for source in sources)


def test_a_regime_can_be_drawn_and_is_in_the_glossary():
    glossary = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
    for table in (figures.COLOURS, figures.MARKS, figures.LABELS):
        assert tuple(table) == regimes.REGIMES and len(set(table.values())) == len(table)
    for regime in regimes.REGIMES:
        assert re.search(regime.replace("_", "[-_ ]"), glossary), regime
