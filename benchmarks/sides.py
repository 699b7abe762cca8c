"""Sides of a comparison in processes of their own, which take turns.

The allocator's settings and the libraries' kernels are those of a process, so no side may share a
process with another.  A side loads once and then measures once for every request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any


class Side:
    """A process that runs ``words`` of a script, which must call :func:`serve`."""

    def __init__(self, script: str, words: Sequence[object], threads: int):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "TRANSFORMERS_VERBOSITY": "error",
            "HF_HUB_OFFLINE": "1",
        }
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by ``close``)
        self.process = subprocess.Popen(
            [sys.executable, script, *map(str, words)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def measure(self) -> Any:
        """What the side's ``serve`` measures next; SystemExit with its messages if it has ended."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise SystemExit(self.errors.read())
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def serve(measure: Callable[[], Any]) -> None:
    """Measure once for every line that comes in, until there are no more."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no reply
    for _ in sys.stdin:
        print(json.dumps(measure()), file=replies, flush=True)


def alternate(sides: dict[str, Side], rounds: int) -> dict[str, list]:
    """``rounds`` measurements of every side, in turn, after one that does not count."""
    measurements: dict[str, list] = {name: [] for name in sides}
    try:
        for turn in range(rounds + 1):
            for name, side in sides.items():
                measured = side.measure()
                if turn:
                    measurements[name].append(measured)
    finally:
        for side in sides.values():
            side.close()
    return measurements
