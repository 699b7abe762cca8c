"""The front door: the files a stranger meets, and that they say the same things."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = (
    "help",
    "book",
    "site",
    "test",
    "smoke",
    "cluster",
    "reference",
    "serve",
    "single",
    "release",
    "repository",
    "clean",
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_make_help_lists_every_target():
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.M))
    assert set(TARGETS) <= targets
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    text = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert targets == set(re.findall(r"^  make (\w+)", text, re.M))


@pytest.mark.parametrize(
    "target", ["book", "site", "single", "test", "smoke", "reference", "colab"]
)
def test_what_make_would_run_is_a_command_that_there_is(target):
    """Every `python -m` in a recipe is parsed by the command line it is for."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [
        line
        for line in done.stdout.splitlines()
        if "-m collapse_utils" in line or "-m book._tools" in line
    ]
    assert lines
    for line in lines:
        words = line.partition(" -m ")[2].split()
        if words[0] == "collapse_utils":
            from collapse_utils.__main__ import parser

            parser().parse_args(words[1:])
        elif words[0] == "collapse_utils.theory":
            from collapse_utils.theory.__main__ import parser as theory_parser

            theory_parser().parse_args(words[1:])
        else:
            from book._tools.__main__ import parser as book_parser

            book_parser().parse_args(words[1:])


def test_the_pages_name_only_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    for path in [ROOT / "README.md", *(ROOT / "book").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"(?:^|`)make (?:[A-Z_]+=\S* )*([a-z]+)", text, re.M)
        assert set(named) <= targets, path


def test_the_pages_name_only_commands_that_exist():
    from book._tools.__main__ import parser as book_parser
    from collapse_utils.__main__ import parser

    known = {"collapse_utils": choices(parser()), "book._tools": choices(book_parser())}
    for path in [ROOT / "README.md", *(ROOT / "book").glob("*.md")]:
        for module, command in re.findall(
            r"python -m (collapse_utils|book\._tools) ([a-z]+)", path.read_text(encoding="utf-8")
        ):
            assert command in known[module], path


def choices(parser) -> set[str]:
    return {
        name
        for action in parser._actions
        if isinstance(action.choices, dict)
        for name in action.choices
    }


def test_continuous_integration_runs_make_test():
    lines = [
        line
        for line in read(".ci/run").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert lines == ["make test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_workflow_requires_a_browser_and_a_bare_machine_does_not():
    test = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["test"]
    assert test["env"]["COLLAPSE_BROWSER"] == "required"
    assert "COLLAPSE_BROWSER" not in read(".ci/run") + read("Makefile")


def test_workflows_are_yaml_and_cover_the_supported_pythons():
    workflows = {
        path.name: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (ROOT / ".github/workflows").glob("*.yml")
    }
    assert set(workflows) == {"ci.yml", "links.yml", "nightly.yml", "publish.yml", "release.yml"}
    pythons = workflows["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    classified = [
        name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)
    ]
    assert pythons == classified


def steps(workflow: str, job: str) -> list[dict]:
    return yaml.safe_load(read(f".github/workflows/{workflow}"))["jobs"][job]["steps"]


def test_continuous_integration_lints_once_and_passes_the_suite_on_the_lowest_versions():
    """`make test` is `lint` and `suite`; the matrix leaves the linter to a job of its own."""
    assert re.search(r"^test: lint suite ", read("Makefile"), re.M)
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    commands = {job: [step.get("run", "") for step in steps("ci.yml", job)] for job in jobs}
    assert [job for job, lines in commands.items() if "make lint" in lines] == ["lint"]
    assert "make suite" in commands["test"] and "make test" not in commands["test"]
    assert any(line.startswith("make lowest") for line in commands["lowest"])
    assert any(line.startswith("make colab") for line in commands["colab"])


def test_links_are_checked_every_week_in_the_readme_pages_and_notebooks_and_a_dead_one_fails():
    workflow = yaml.safe_load(read(".github/workflows/links.yml"))
    (entry,) = workflow[True]["schedule"]  # YAML 1.1 reads the key `on` as true
    assert re.fullmatch(r"\d+ \d+ \* \* \d", entry["cron"])
    (check,) = [step for step in steps("links.yml", "links") if "lychee" in step.get("uses", "")]
    assert check["with"]["fail"] is True
    assert "README.md" in check["with"]["args"] and "_build/html/**/*.html" in check["with"]["args"]
    assert any(step.get("run") == "make site" for step in steps("links.yml", "links"))


def test_licences_are_there():
    assert read("LICENSE").startswith("MIT License")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in read("LICENSE-prose")


def test_the_book_asks_jupyter_book_one_and_runs_nothing_at_build_time():
    config = yaml.safe_load(read("_config.yml"))
    assert config["execute"]["execute_notebooks"] == "off"
    assert config["only_build_toc_files"] is True
    assert ",<2" in next(
        need for need in PROJECT["optional-dependencies"]["book"] if need.startswith("jupyter-book")
    )


def test_importing_the_package_needs_no_build_tool():
    """The installed package must work where the book's tools are not: on Colab."""
    code = (
        "import sys, collapse_utils, collapse_utils.__main__; sys.exit(any(m in sys.modules for m "
        "in ('nbformat', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
