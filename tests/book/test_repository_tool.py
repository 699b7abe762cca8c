"""The repository's address and tag are the same in _config.yml and everywhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from book._tools import repository
from book._tools.__main__ import main
from collapse_utils import __version__
from collapse_utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
# not our work
OTHERS = tuple(
    f"https://github.com/{owner}" for owner in ("KoyejoLab", "ghutchis", "zalandoresearch")
)


def addresses(text: str) -> set[str]:
    """The repositories that a text points to: on GitHub, in Colab links, as GitHub Pages."""
    result = {"/".join(match) for match in re.findall(r"github\.com/([\w-]+)/([\w.-]*\w)", text)}
    result |= {
        "/".join(match)
        for match in re.findall(r"colab\.research\.google\.com/github/([\w-]+)/([\w.-]*\w)", text)
    }
    result |= {
        "/".join(match) for match in re.findall(r"https://([\w-]+)\.github\.io/([\w.-]*\w)", text)
    }
    return {name.removesuffix(".git") for name in result}


def test_every_place_repeats_the_same_address():
    own = repository.address(ROOT).removeprefix("https://github.com/")
    for path in repository.files(ROOT):
        text = path.read_text(encoding="utf-8")
        for other in OTHERS:
            text = text.replace(other, "")
        assert addresses(text) <= {own}, path


def test_every_place_repeats_the_same_tag():
    tag = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["branch"]
    assert tag == f"v{__version__}"
    for path in repository.files(ROOT):
        text = path.read_text(encoding="utf-8")
        tags = re.findall(r"git\+https://github\.com/[\w./-]+?@(v[\w.]+\w)", text)
        tags += re.findall(
            r"colab\.research\.google\.com/github/[\w-]+/[\w.-]+/blob/([\w.-]+)/", text
        )
        assert set(tags) <= {tag}, path
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f"v{citation['version']}" == tag


def copy_of_the_places(target: Path) -> Path:
    for path in [*repository.files(ROOT), ROOT / "_toc.yml"]:
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def test_moving_changes_every_place_and_moving_back_restores_it(tmp_path, capsys):
    root, url = copy_of_the_places(tmp_path), "https://github.com/Some-One/other.book"
    before = {path: path.read_text(encoding="utf-8") for path in repository.files(root)}
    assert main(["--root", str(root), "repository", url + ".git"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == url
    old = repository.address(ROOT).removeprefix("https://github.com/")
    for path in repository.files(root):
        assert old not in path.read_text(encoding="utf-8")
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "https://some-one.github.io/other.book" in readme
    assert "colab.research.google.com/github/Some-One/other.book/blob/" in readme
    repository.move(root, repository.address(ROOT))
    assert {path: path.read_text(encoding="utf-8") for path in repository.files(root)} == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/a/b",
        "https://gitlab.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
    ],
)
def test_an_address_that_is_none_is_refused_and_nothing_changes(tmp_path, url):
    root = copy_of_the_places(tmp_path)
    before = {path: path.read_text(encoding="utf-8") for path in repository.files(root)}
    with pytest.raises(InputError, match="OWNER/NAME"):
        repository.move(root, url)
    assert {path: path.read_text(encoding="utf-8") for path in repository.files(root)} == before
