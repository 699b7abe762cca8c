"""Tiny chains of every section in processes that are killed, and what must be equal afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import molecule_toys
import numpy as np
from tiny import TINY

DRIVER = Path(__file__).with_name("kill_driver.py")


class Process:
    """A process that runs command lines in children and kills them: see ``kill_driver.py``."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "COLLAPSE_WORKERS": "1"},
        )

    def ask(self, argv: list[str], cache: Path, **request) -> dict:
        """Run a command line with a cache of its own; ``request`` says when it is killed."""
        request = {"argv": argv, "cache": str(cache), **request}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Driver(Process):
    """Tiny chains of every section; ``home`` gets the data of those that do not bring their own."""

    def __init__(self, home: Path):
        super().__init__()
        rng = np.random.default_rng(0)
        words = ["".join(rng.choice(list("abcdefgh"), 4)) for _ in range(60)]
        stories = [json.dumps({"text": " ".join(rng.choice(words, 8))}) for _ in range(48)]
        (home / "stories.jsonl").write_text("\n".join(stories) + "\n")
        molecule_toys.write_sdf(home / "toys.sdf")
        self.data = {
            "linear": [],
            "images": [],
            "language": ["--data", str(home / "stories.jsonl")],
            "molecules": ["--data", str(home / "toys.sdf")],
        }

    def __call__(self, section: str, folder: Path, **request) -> dict:
        """Run a tiny chain in ``folder``, with a cache and a shared folder of its own."""
        argv = ["run", section, *TINY[section], *self.data[section]]
        argv += ["--seed", "3", "--checkpoint-s", "0", "--quiet"]
        argv += ["--regime", request.pop("regime", "accumulate"), "--run-dir", str(folder / "run")]
        return self.ask(argv, folder / "cache", **request)


def outcome(folder: Path) -> tuple[bytes, dict[str, bytes]]:
    """What must be equal: the metrics, and the final weights of every iteration."""
    weights = {}
    for iteration in sorted((folder / "run").glob("iteration-*")):
        for state in sorted(iteration.glob("state-*"))[-1:]:
            weights[f"{iteration.name}/{state.name}"] = (state / "model.safetensors").read_bytes()
    return (folder / "run" / "metrics.csv").read_bytes(), weights
