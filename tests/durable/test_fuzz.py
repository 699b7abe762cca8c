"""Whatever happens to a file of a run, and whatever is typed: the same bits or one line, no
traceback, no other number.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import bad_input
import damages
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from collapse_utils.__main__ import main

FEW = settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
MANY = settings(FEW, max_examples=150)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, what is collected from it, and its files."""
    folder = tmp_path_factory.mktemp("finished")
    damages.run(folder)
    return folder, damages.tables(folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    damages.stopped(folder)
    return folder


def copied(source: Path, scratch: str) -> Path:
    folder = Path(scratch) / "copy"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("results"))
    return folder


DAMAGE = {
    "which": st.integers(0, 10**6),
    "kind": st.sampled_from(damages.KINDS),
    "place": st.floats(0, 1, exclude_max=True),
    "choice": st.integers(0, 10**3),
}


@FEW
@given(**DAMAGE)
def test_a_damaged_finished_run_is_read_as_it_was_or_named(finished, which, kind, place, choice):
    original, expected = finished
    with tempfile.TemporaryDirectory() as scratch:
        folder = copied(original, scratch)
        files = damages.targets(folder)
        damages.harm(files[which % len(files)], kind, place, choice)
        damages.read_everywhere(folder, expected)
        damages.go_on(folder, expected)


@FEW
@given(**DAMAGE)
def test_a_damaged_stopped_run_ends_with_the_same_bits_or_is_named(
    finished, stopped, which, kind, place, choice
):
    with tempfile.TemporaryDirectory() as scratch:
        folder = copied(stopped, scratch)
        files = damages.targets(folder)
        damages.harm(files[which % len(files)], kind, place, choice)
        damages.go_on(folder, finished[1])


def refused(words: list[str], tmp: Path, capsys) -> None:
    """One line on stderr, status 2, nothing on stdout, and nothing on the disk."""
    before, here = sorted(tmp.rglob("*")), sorted(os.listdir())
    status = main(words)
    output = capsys.readouterr()
    assert status == 2, (words, output)
    assert output.err.startswith("error: ") and output.err.count("\n") == 1, (words, output)
    assert output.err.rstrip("\n").isprintable() and len(output.err) < 3000 and output.out == ""
    assert sorted(tmp.rglob("*")) == before and sorted(os.listdir()) == here, words


@pytest.fixture
def quiet(tmp_path_factory, monkeypatch):
    """An empty folder, with a cache elsewhere."""
    tmp = tmp_path_factory.mktemp("disk")
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp / "cache"))
    monkeypatch.delenv("COLLAPSE_DATA", raising=False)
    return tmp


def test_every_hostile_value_of_every_option_is_refused(quiet, capsys):
    for value in bad_input.HOSTILE:
        for numbers in (True, False):
            for words in bad_input.commands(str(quiet), value, numbers):
                refused(words, quiet, capsys)


@MANY
@given(value=st.text(st.characters(exclude_characters="\0"), max_size=30), which=st.integers(0, 99))
def test_whatever_is_typed_is_refused_in_one_line(value, which):
    assume(not bad_input.FINE.fullmatch(value))
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLLAPSE_CACHE", f"{scratch}/cache")
        lines = [*bad_input.commands(scratch, value, True)]
        lines += [*bad_input.commands(scratch, value, False)]
        for words in bad_input.PATHS:
            words = [word.replace("{tmp}", scratch) for word in words]
            lines.append([*words, f"{scratch}/{value}/x"])
        with Captured() as captured:
            refused(lines[which % len(lines)], Path(scratch), captured)


class Captured:
    """The standard streams of a block, as pytest's ``capsys`` has them: hypothesis runs a test many
    times.
    """

    def __enter__(self):
        import contextlib
        import io

        self.out, self.err = io.StringIO(), io.StringIO()
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(contextlib.redirect_stdout(self.out))
        self.stack.enter_context(contextlib.redirect_stderr(self.err))
        return self

    def __exit__(self, *problem):
        self.stack.close()

    def readouterr(self):
        from types import SimpleNamespace

        return SimpleNamespace(out=self.out.getvalue(), err=self.err.getvalue())
