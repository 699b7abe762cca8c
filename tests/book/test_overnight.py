"""The page "Test your own model overnight": its commands are run, and what it shows is what they
print.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collapse_utils import loading, templates
from collapse_utils.__main__ import main

PAGE = (Path(__file__).parents[2] / "book/own_model_overnight.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```text\n(.*?)\n```", PAGE, re.S)
SWEEP = ["sweep", "my_model.py:MyModel", "--seeds", "0-2", "--out", "runs", "--quiet"]
MISTAKES = {  # what is replaced in the template, and by what
    "A random number that does not come from the seed": ("default_rng(seed)", "default_rng()"),
    "Samples of another type": ("(size, 2))", '(size, 2)).astype("float32")'),
    "A metric that is not a number": (".mean()}", '.mean() * float("nan")}'),
}


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The template in an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    loading.model_class.cache_clear()
    assert main(["new", "my_model.py"]) == 0
    yield tmp_path / "my_model.py"
    loading.model_class.cache_clear()


def shown_under(title: str) -> str:
    """A message of the page, where it is broken into lines."""
    (message,) = re.findall(rf"\*\*{title}\.\*\*.*?```text\n(.*?)\n```", PAGE, re.S)
    return " ".join(message.split())


def test_the_page_shows_what_the_commands_print(model, capsys):
    words = re.search(r"^collapse (sweep .*)$", PAGE, re.M)[1].split()
    assert main([*words, "--quiet"]) == 0
    capsys.readouterr()
    assert main(["report", "runs"]) == 0
    output = capsys.readouterr().out.strip().splitlines()
    assert "\n".join(output[:-1]) == SHOWN[0]
    names = re.findall(r"^\| `([^`]*)`", PAGE, re.M)
    assert len(names) == 3
    for name in names:
        assert Path("runs", name.replace("REGIME", "accumulate")).is_file(), name

    model.write_text(model.read_text().replace("items=100", "items=200"))
    loading.model_class.cache_clear()
    assert main(SWEEP) == 2
    assert capsys.readouterr().err.strip() == shown_under("A changed file in an old folder")


@pytest.mark.parametrize("title", MISTAKES)
def test_a_mistake_gives_the_message_of_the_page_before_any_chain(model, title, capsys):
    right, wrong = MISTAKES[title]
    assert model.read_text().count(right) == 1
    model.write_text(model.read_text().replace(right, wrong))
    assert main(SWEEP) == 1
    assert capsys.readouterr().err.strip() == shown_under(title)
    assert not list(Path("runs").rglob("config.json"))


def test_a_wrong_name_gives_the_message_of_the_page(model, capsys):
    words = [word.replace(":MyModel", ":Model") for word in SWEEP]
    assert main(words) == 2
    assert capsys.readouterr().err.strip() == shown_under("A wrong name")


def test_five_mistakes_are_shown_and_all_are_made_here():
    titles = re.findall(r"^\*\*(.*?)\.\*\*", PAGE.partition("mistakes\n")[2], re.M)
    assert len(titles) == 5
    assert set(titles) == {*MISTAKES, "A changed file in an old folder", "A wrong name"}


def test_the_template_of_the_page_is_the_one_that_the_command_writes(model):
    assert model.read_text(encoding="utf-8") == templates.source("numpy")
    assert "literalinclude} ../collapse_utils/templates/numpy_model.py" in PAGE


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (
            ["report", "absent"],
            "DIR: got 'absent'; allowed: a folder with at least one finished run",
        ),
        (["report", "."], "DIR: got '.'; allowed: a folder with at least one finished run"),
        (["new", "my_model.py"], "FILE: got 'my_model.py'; allowed: a new file; this one exists"),
        (["new", "my-model.py"], "FILE: got 'my-model.py'; allowed: a name such as my_model.py"),
        (["new", "other.py", "--template", "jax"], "--template: got 'jax'; allowed: one of numpy"),
        ([*SWEEP, "--check", "twice"], "--check: got 'twice'; allowed: one of exact, close, off"),
    ],
)
def test_bad_input_is_one_line_with_status_2_and_leaves_nothing(model, words, output, capsys):
    assert main(words) == 2
    said = capsys.readouterr().err
    assert output in said and said.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["my_model.py"]
