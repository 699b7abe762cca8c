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
TARGETS = ("help", "book", "site", "test", "smoke", "cluster", "reference", "serve", "single", "repository", "clean")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_make_help_lists_every_target():
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.M))
    assert set(TARGETS) <= targets
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets == set(re.findall(r"^  make (\w+)", text, re.M))


@pytest.mark.parametrize("target", ["book", "site", "single", "test", "smoke", "reference"])
def test_what_make_would_run_is_a_command_that_there_is(target):
    """Every `python -m` in a recipe is parsed by the command line it is for."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "-m collapse_utils" in line or "-m book._tools" in line]
    assert lines
    for line in lines:
        words = line.lstrip("@").split()[2:]
        if words[0] == "collapse_utils":
            from collapse_utils.__main__ import parser

            parser().parse_args(words[1:])
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
    return {name for action in parser._actions if isinstance(action.choices, dict) for name in action.choices}


def test_continuous_integration_runs_make_test():
    lines = [line for line in read(".ci/run").splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert lines == ["make test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_workflow_requires_a_browser_and_a_bare_machine_does_not():
    test = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["test"]
    assert test["env"]["COLLAPSE_BROWSER"] == "required"
    assert "COLLAPSE_BROWSER" not in read(".ci/run") + read("Makefile")
    assert "--editable '.[book,test,browser]'" in read("Makefile")


def test_workflows_are_yaml_and_cover_the_supported_pythons():
    workflows = {
        path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / ".github/workflows").glob("*.yml")
    }
    assert set(workflows) == {"ci.yml", "nightly.yml", "publish.yml"}
    pythons = workflows["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    classified = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert pythons == classified


def locked() -> dict[str, str]:
    lines = [line for line in read("requirements.lock").splitlines() if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line.split("==")[1] for line in lines}


def test_the_lock_pins_everything_and_covers_every_dependency():
    pins = locked()
    extras = PROJECT["optional-dependencies"]
    for need in [*PROJECT["dependencies"], *extras["book"], *extras["test"], *extras["browser"]]:
        name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", need)[0]).lower()
        assert name in pins, f"{need} is not in requirements.lock"
    assert "+" not in "".join(pins.values()), "a local build cannot be had elsewhere"
    assert "collapse-utils" not in pins


def test_the_makefile_and_the_workflows_install_the_locked_torch():
    pin = f"torch=={locked()['torch']}"
    assert f"TORCH ?= {pin}" in read("Makefile")
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        assert set(re.findall(r"torch==[\d.]+\d", path.read_text(encoding="utf-8"))) <= {pin}, path


def test_dependencies_have_lower_bounds_only():
    for need in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w.-]+>=[\w.]+", need), need


def test_the_conda_environment_installs_the_package_with_the_book_and_agrees_with_its_bounds():
    *conda, pip = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert pip == {"pip": ["--editable .[book]"]}
    needs = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["book"]]
    bounds = {re.match(r"[\w-]+", need)[0]: re.sub(r"^[\w-]+", "", need) for need in needs}
    for need in conda:
        name, _, bound = need.replace("pytorch", "torch").partition(" ")
        assert bounds.get(name, bound) == bound, need


def test_licences_and_citation_are_there():
    assert read("LICENSE").startswith("MIT License")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in read("LICENSE-prose")
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0" and citation["authors"] and citation["title"]
    assert f"## {citation['version']}" in read("CHANGELOG.md")


def test_the_citation_names_this_book_and_the_paper_as_the_bibliography_does():
    citation, config = yaml.safe_load(read("CITATION.cff")), yaml.safe_load(read("_config.yml"))
    assert set(citation) >= {"message", "type", "license", "repository-code", "url"}  # with the above, all that CFF asks
    assert citation["title"] == config["title"] and citation["authors"] == [{"name": config["author"]}]
    assert citation["url"] == config["html"]["baseurl"].rstrip("/") and citation["license"] == PROJECT["license"]
    entry = re.search(r"@misc\{gerstgrasser2024,(.*?)\n\}", read("book/references.bib"), re.S)[1]
    fields = {name: value.strip("{}") for name, value in re.findall(r"(\w+) += \{(.*)\}", entry)}
    (paper,) = citation["references"]
    assert paper["title"] == fields["title"] and str(paper["year"]) == fields["year"]
    assert [author["family-names"] for author in paper["authors"]] == fields["author"].split(" and ")
    assert paper["identifiers"] == [{"type": "other", "value": f"arXiv:{fields['eprint']}"}]


def test_the_book_asks_jupyter_book_one_and_runs_nothing_at_build_time():
    config = yaml.safe_load(read("_config.yml"))
    assert config["execute"]["execute_notebooks"] == "off"
    assert config["only_build_toc_files"] is True
    assert ",<2" in next(need for need in PROJECT["optional-dependencies"]["book"] if need.startswith("jupyter-book"))


def test_every_citation_is_in_the_bibliography():
    keys = set(re.findall(r"@\w+\{(\w+),", read("book/references.bib")))
    texts = [
        path.read_text(encoding="utf-8") for path in [*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    ]
    cited = {key for text in texts for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text) for key in group.split(",")}
    assert {key.strip() for key in cited} <= keys


def test_importing_the_package_needs_no_build_tool():
    """The installed package must work where the book's tools are not: on Colab."""
    code = (
        "import sys, collapse_utils, collapse_utils.__main__; sys.exit(any(m in sys.modules for m in ('nbformat', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
