"""The command line in a process of its own, and waiting until its chain is under way."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from collapse_utils.durable import progress

ROOT = Path(__file__).resolve().parents[2]


def start(*words: object, **options) -> subprocess.Popen:
    """``collapse WORDS...`` from the repository's root."""
    command = [sys.executable, "-m", "collapse_utils", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, text=True, **options)


def wait_for_fits(run_dir: Path, process: subprocess.Popen, fits: float = 2) -> None:
    """Return once a chain has made so many fits; its process must be alive until then."""
    while progress.iterations_done(progress.read(run_dir)) < fits:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
