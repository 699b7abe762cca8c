"""Run directories that a stranger has written to reach what is not theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import forged

from collapse_utils.durable import files

NAMES = (
    "../../EVIL",
    "..",
    ".",
    "",
    ".hidden",
    "/elsewhere",
    "a/b",
    "a\\b",
    "\x1b[2J",
    "a\nb",
    "x" * 300,
    "\udc80",
)
WRONG = (None, 7, 1.5, True, [], {}, "1" * 5000)


def _link(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


def _record(run_dir: Path, change) -> None:
    path = run_dir / "iteration-02" / "metrics.json"
    record = json.loads(path.read_text())
    del record["checksum"]
    change(record)
    files.write_checked(path, record)


def all_of_them(secret: Path):
    """(what is done to a finished run directory with a preview, in words; the function)."""
    for name in NAMES:
        for field in ("section", "preset"):
            yield f"{field} {name[:20]!r}", lambda d, f=field, n=name: forged.describe(d, **{f: n})
        yield (f"source {name[:20]!r}", lambda d, n=name: forged.describe(d, data={"source": n}))
    for value in WRONG:
        for field in ("section", "seed", "regime", "config"):
            if (field, value) != ("seed", 7):
                yield (
                    f"{field} {str(value)[:20]}",
                    lambda d, f=field, v=value: forged.describe(d, **{f: v}),
                )
    for name in (
        "config.json",
        "DONE",
        "iteration-02/metrics.json",
        "iteration-02/preview/items.txt",
    ):
        yield f"{name} is a link", lambda d, n=name: _link(d / n, secret)
    yield "a preview outside", lambda d: _outside(d / "iteration-02" / "preview", secret)
    yield "an iteration outside", lambda d: _outside(d / "iteration-02", secret)
    yield (
        "a preview that names a file outside",
        lambda d: files.write_json(
            d / "iteration-02/preview/checksums.json", {"../../../../secret": "0"}
        ),
    )
    yield "a metric with a comma", lambda d: _record(d, lambda r: r["metrics"].update({"a,b": 1.0}))
    yield "a metric that is text", lambda d: _record(d, lambda r: r["metrics"].update({"a": "1"}))
    yield "metrics that are a list", lambda d: _record(d, lambda r: r.update(metrics=[1]))
    yield "seconds that are text", lambda d: _record(d, lambda r: r.update(seconds="x"))
    yield "another seed", lambda d: _replace(d / "config.json", '"seed": 0', '"seed": 2')


def _outside(folder: Path, secret: Path) -> None:
    moved = secret.parent / "moved"
    shutil.rmtree(moved, ignore_errors=True)
    shutil.move(folder, moved)
    folder.symlink_to(moved)


def _replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
