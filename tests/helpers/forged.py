"""Run directories that somebody has written by hand, with every checksum made again."""

from __future__ import annotations

import json
from pathlib import Path

from collapse_utils.durable import files
from collapse_utils.durable.run_dir import fingerprint


def describe(run_dir: Path, **changes) -> None:
    """Change fields of ``config.json``; ``data`` is merged into the old one."""
    path = run_dir / "config.json"
    result = json.loads(path.read_text())
    del result["fingerprint"]
    changes["data"] = {**result["data"], **changes.get("data", {})}
    result.update(changes)
    files.write_json(path, {**result, "fingerprint": fingerprint(result)})


def measure(path: Path, **changes) -> None:
    """Change metrics of a ``metrics.json``; None takes one away."""
    record = json.loads(path.read_text())
    del record["checksum"]
    metrics = {**record["metrics"], **changes}
    record["metrics"] = {name: value for name, value in metrics.items() if value is not None}
    files.write_checked(path, record)
