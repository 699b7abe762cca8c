"""What can happen to a run directory: damage to a file of it, and what must then be true.

A damaged run gives the same bits or one line that names a file of it; never other numbers, and
never a traceback.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from toy import GaussianConfig, Neural, chain

from collapse_utils.chain import run_chain
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import InputError, RunError, plain
from collapse_utils.evidence.results import read_csv
from collapse_utils.sweeps import collect, status

OTHER_CONTENT = (
    b"",
    b"[]",
    b"{}",
    b"null",
    b"7",
    b'"x"',
    b'{"jobs": 1}',
    b'{"state": 3, "metrics": {}}',
    b"[" * 100_000,
    b"9" * 5000,
    b"\xff\xfe\x00",
    b'{"a": "\\ud800"}',
    b"step,items\n1\n",
)
KINDS = ("flip", "truncate", "replace", "remove", "folder", "link", "pipe")
CHAIN = chain("accumulate", iterations=3)
TABLES = ("metrics.csv", "curves.csv", "provenance.json")


class Showing(Neural):
    """A network with a learning curve, and a preview."""

    def preview(self, items, folder: Path) -> None:
        (folder / "items.txt").write_text(str(items[:2]))


def run(folder: Path, stop_at: tuple[int, int] | None = None) -> list[dict]:
    config = GaussianConfig(iterations=3)
    return run_chain(Showing(config, stop_at), CHAIN, folder / "run", checkpoint_s=0)


def stopped(folder: Path) -> None:
    """A run that was stopped in the middle of its third fit."""
    try:
        run(folder, stop_at=(3, 7))
    except Interrupted:
        return
    raise AssertionError("it was not stopped")


def tables(folder: Path) -> dict[str, bytes]:
    """What is collected from the runs in ``folder``; InputError if nothing can be."""
    into = folder / "results"
    shutil.rmtree(into, ignore_errors=True)
    collect.collect(folder / "run", into)
    home = into / "gaussian" / "own-own"
    return {name: (home / name).read_bytes() for name in TABLES if (home / name).exists()}


def targets(folder: Path) -> list[Path]:
    """The files of the run, which are the same in every copy."""
    return sorted(path for path in (folder / "run").rglob("*") if path.is_file())


def harm(path: Path, kind: str, place: float, choice: int) -> None:
    """Do ``kind`` to a file: ``place`` in [0, 1) says where in it, ``choice`` which bit or what."""
    content = bytearray(path.read_bytes())
    if kind in ("flip", "truncate"):
        if not content:
            return
        position = int(place * len(content))
        if kind == "flip":
            content[position] ^= 1 << (choice % 8)
        else:
            del content[position:]
        path.write_bytes(content)
        return
    if kind == "replace":
        path.write_bytes(OTHER_CONTENT[choice % len(OTHER_CONTENT)])
        return
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)


def one_line(output: str, folder: Path) -> None:
    assert plain(output) == output and len(output) < 2000, output
    assert str(folder / "run") in output, output


def read_everywhere(folder: Path, expected: dict[str, bytes]) -> bool:
    """``collect`` and ``status`` of a damaged finished run; whether it was collected, whole."""
    try:
        result = tables(folder)
    except InputError as problem:
        one_line(str(problem), folder)
        result = None
    (row,) = status.rows(folder / "run")
    assert (row.state == "done") == (result is not None), str(row)
    assert "\n" not in str(row)
    if result is None:
        return False
    if result != expected:  # a curve whose state is gone is missed and said to be
        assert result["metrics.csv"] == expected["metrics.csv"]
        assert result["provenance.json"] == expected["provenance.json"]
        lines = collect.collect(folder / "run", folder / "results")
        assert any("no learning curve" in line for line in lines), lines
    return True


def go_on(folder: Path, expected: dict[str, bytes]) -> bool:
    """The run's own command again: the same metrics, or one line; whether it ended well."""
    try:
        rows = run(folder)
    except (InputError, RunError, OSError) as problem:
        one_line(str(problem), folder)
        return False
    assert (folder / "run" / "metrics.csv").is_file()
    into = folder / "check"
    shutil.rmtree(into, ignore_errors=True)
    collect.collect(folder / "run", into)
    result = (into / "gaussian" / "own-own" / "metrics.csv").read_bytes()
    assert result == expected["metrics.csv"]
    frame = read_csv(into / "gaussian" / "own-own" / "metrics.csv")
    assert sorted(row["value"] for row in rows) == sorted(frame["value"])
    return True
