"""What the README's two commands take in a new clone and a new virtual environment.

Clones the last commit, then runs ``make install``, ``make book``, ``make book`` again (which has
nothing left to do) and ``make test`` there, one after another, and writes what each took to
``benchmarks/results/front_door.json``: seconds, the largest memory of all its processes together
(proportional shares: a shared page counts once), and the disk that the folder fills afterwards.
A step that fails ends it, and the steps after it keep the numbers of an earlier time.  Nothing else
should run on the machine.

    python benchmarks/front_door.py [FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "front_door.json"
STEPS = {"install": ["install"], "book": ["book"], "book again": ["book"], "test": ["test"]}
POLL_S = 1.0


def memory_mb(process: psutil.Process) -> float:
    """Proportional memory of a process and all its descendants, in MB."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        # it has ended, or the system knows no proportional shares
        except (psutil.Error, AttributeError):
            continue
    return total / 1e6


def disk_mb(folder: Path) -> float:
    """Size of a folder in MB; files with several names count once."""
    seen, total = set(), 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            if stat.st_ino not in seen:
                seen.add(stat.st_ino)
                total += stat.st_size
    return total / 1e6


def step(clone: Path, targets: list[str], log: Path, environment: dict[str, str]) -> dict:
    """Run one make command to its end; RuntimeError if it fails."""
    peak, started = 0.0, time.perf_counter()
    with open(log, "w") as file:
        child = psutil.Popen(
            ["make", *targets], cwd=clone, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
        while child.poll() is None:
            peak = max(peak, memory_mb(child))
            time.sleep(POLL_S)
    if child.returncode:
        raise RuntimeError(
            f"make {' '.join(targets)} failed with {child.returncode}; its output is in {log}"
        )
    seconds = time.perf_counter() - started
    return {
        "seconds": round(seconds),
        "peak_memory_mb": round(peak, -1),
        "disk_mb": round(disk_mb(clone), -1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="new; default: a temporary one")
    options = parser.parse_args()
    home = options.folder or Path(tempfile.mkdtemp(prefix="front-door-"))
    home.mkdir(parents=True, exist_ok=True)
    clone = home / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    # Nothing of this environment, no prepared data of earlier runs: the caches start empty.
    environment = {
        key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    environment["COLLAPSE_CACHE"] = str(home / "cache")
    report = json.loads(OUT.read_text()) if OUT.exists() else {}
    report["machine"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    for name, targets in STEPS.items():
        report[name] = step(clone, targets, home / f"{name.replace(' ', '-')}.log", environment)
        print(name, report[name], flush=True)
        OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
