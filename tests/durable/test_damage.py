"""What can happen to the files of a run, done to them for real: damage, a full disk, a clock that
jumps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import toy

from collapse_utils.chain import run_chain
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import InputError, RunError

CHAIN = toy.chain("accumulate")


def run(folder, stop_at=None):
    """The toy chain in ``folder``, with checkpoints at every step."""
    return run_chain(toy.Neural(CHAIN.config, stop_at), CHAIN, folder / "run", checkpoint_s=0)


def outcome(folder):
    """The metrics and the final weights."""
    weights = [
        sorted(path.glob("state-*"))[-1] / "model.safetensors"
        for path in sorted(folder.glob("run/iteration-*"))
    ]
    return (folder / "run" / "metrics.csv").read_bytes(), [path.read_bytes() for path in weights]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Interrupted):
        run(folder, stop_at=(3, 7))
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A run that was stopped in iteration 3 after 7 of 12 steps."""
    shutil.copytree(stopped_once, tmp_path / "stopped")
    return tmp_path / "stopped"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


HARMS = [flip, truncate, empty, remove]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(
    "name, output",
    [
        ("iteration-03/state-000000007/model.safetensors", "resumes from state-000000006"),
        ("iteration-03/state-000000007/training.pt", "resumes from state-000000006"),
        ("iteration-02/state-000000012/model.safetensors", None),  # not needed any more
        ("generation-02/block-00/items.npy", "sampled again from the model of iteration 2"),
        ("iteration-02/metrics.json", "measured again"),
        ("metrics.csv", "written again from the records"),
    ],
)
def test_a_damaged_file_is_named_and_made_again(whole, stopped, capsys, harm, name, output):
    path = stopped / "run" / name
    harm(path)
    run(stopped)
    assert (stopped / "run/metrics.csv").read_bytes() == (whole / "run/metrics.csv").read_bytes()
    said = capsys.readouterr().err
    if output is None:
        assert said == ""
    else:
        assert (
            said.startswith("warning: ") and name.partition("/model")[0] in said and output in said
        )
        assert said.count("\n") == 1
        assert outcome(stopped) == outcome(whole)


@pytest.mark.parametrize(
    "names, output",
    [
        (
            ["iteration-03/state-000000007"],
            ["state-000000007: is missing", "resumes from state-000000006"],
        ),
        (
            ["iteration-03/state-000000006", "iteration-03/state-000000007"],
            ["state-000000007: is missing; this fit resumes from its start"],
        ),
        (["generation-02"], ["generation-02/block-00: is missing; sampled again"]),
        (
            [
                "generation-02/block-00/checksums.json",
                "iteration-02/state-000000012",
                "iteration-02/state-000000011",
            ],
            [
                "generation-02/block-00",
                "state-000000012: is missing; this fit resumes from its start",
            ],
        ),
        (["iteration-02"], ["iteration-02/metrics.json: is missing; measured again"]),
    ],
)
def test_what_is_missing_is_named_and_made_again(whole, stopped, capsys, names, output):
    for name in names:
        remove(stopped / "run" / name)
    run(stopped)
    said = capsys.readouterr().err
    assert all(words in said for words in output), said
    assert outcome(stopped) == outcome(whole)


def test_the_first_fit_is_made_again_when_both_its_copies_are_damaged(whole, stopped, capsys):
    """They are one file under two names, as hard links."""
    own = stopped / "run/iteration-01/state-000000012/model.safetensors"
    shared = next(stopped.glob(".shared/*/fit/state-000000012/model.safetensors"))
    flip(own)
    shared.unlink()
    os.link(own, shared)
    shutil.rmtree(stopped / "run/generation-01")
    shutil.rmtree(next(stopped.glob(".shared/*/block-*")))
    run(stopped)
    said = capsys.readouterr().err
    assert "resumes from state-000000011" in said and "generation-01/block-00: is missing" in said
    assert outcome(stopped) == outcome(whole)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", ["iteration-02/metrics.json", "metrics.csv", "DONE"])
def test_a_finished_run_that_was_damaged_is_repaired(whole, tmp_path, capsys, harm, name):
    shutil.copytree(whole, tmp_path / "copy")
    path = tmp_path / "copy" / "run" / name
    if name == "DONE" and harm is flip:
        path.write_text(path.read_text()[1:])
    else:
        harm(path)
    run(tmp_path / "copy")
    assert outcome(tmp_path / "copy") == outcome(whole)
    said = capsys.readouterr().err
    assert name in said or (name, harm) == ("DONE", remove)
    run(tmp_path / "copy")
    assert capsys.readouterr().err == ""


def test_a_config_changed_by_hand_is_refused(stopped):
    path = stopped / "run" / "config.json"
    original = path.read_text()
    path.write_text(original.replace('"items": 50', '"items": 51'))
    with pytest.raises(InputError, match=r"config\.items: got 50; allowed: 51"):
        run(stopped)
    path.write_text(original.replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(InputError, match="fingerprint"):
        run(stopped)
    path.write_text(original[:-20])
    with pytest.raises(RunError, match=r"config\.json: not readable as JSON"):
        run(stopped)
    path.unlink()
    with pytest.raises(InputError, match="an empty folder or an earlier run"):
        run(stopped)


# Disks


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, which only root can have."""
    home = tmp_path / "disk"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(home)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


@pytest.mark.parametrize("left_kb", [4, 12, 20, 40, 64])
def test_a_full_disk_stops_the_run_with_its_reason(whole, disk, left_kb):
    shutil.copytree(whole / ".shared", disk / ".shared")
    state = shutil.disk_usage(disk)
    (disk / "filler").write_bytes(bytes(state.free - left_kb * 1024))
    with pytest.raises((RunError, InputError), match="No space left on device"):
        run(disk)
    (disk / "filler").unlink()
    run(disk)
    assert outcome(disk) == outcome(whole)
    assert list(disk.rglob("*.tmp")) == []


@pytest.mark.parametrize("name", ["replace", "rename", "fsync"])
@pytest.mark.parametrize("call", [2, 9, 30])
def test_a_disk_that_becomes_read_only_in_the_middle_of_a_write(
    whole, disk, monkeypatch, name, call
):
    original, calls = getattr(os, name), []

    def last_straw(*arguments):
        calls.append(1)
        if len(calls) == call:
            asked = subprocess.run(
                ["mount", "-o", "remount,ro", str(disk)], capture_output=True, check=False
            )
            if asked.returncode:  # a file is open for writing: the next call may find it closed
                calls.pop()
        return original(*arguments)

    monkeypatch.setattr(os, name, last_straw)
    with pytest.raises((RunError, InputError), match="Read-only file system"):
        run(disk)
    monkeypatch.undo()
    remount(disk, "rw")
    run(disk)
    assert outcome(disk) == outcome(whole)


def test_the_command_line_tells_a_full_disk_in_one_line(disk, tmp_path):
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 50 * 1024))
    command = [
        sys.executable,
        "-m",
        "collapse_utils",
        "run",
        "linear",
        "--set",
        "iterations=30",
        "--quiet",
    ]
    output = subprocess.run(
        [*command, "--run-dir", str(disk / "run")], capture_output=True, text=True, timeout=300
    ).stderr
    assert (
        output.count("\n") == 1
        and output.startswith("error: ")
        and "No space left on device" in output
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_an_unwritable_folder_is_refused_for_an_ordinary_user():
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    home.chmod(0o755)
    try:
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                run(home)
            except InputError as problem:
                os._exit(
                    0 if "can be written" in str(problem) and problem.field == "--run-dir" else 3
                )
            except BaseException:
                os._exit(4)
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert list(home.iterdir()) == []
    finally:
        shutil.rmtree(home)


# Clocks


def test_a_run_under_a_clock_that_jumps_ends_with_the_same_bits(whole, tmp_path, monkeypatch):
    real, calls = time.time, []

    def jumping():
        calls.append(1)
        return real() + (-1) ** len(calls) * 1e6

    monkeypatch.setattr(time, "time", jumping)
    run(tmp_path)
    assert outcome(tmp_path) == outcome(whole)
