"""Peak memory of a chain by iteration, which does not grow with the training set.

One chain of each section runs ten iterations in a process of its own.  Linux keeps a process's peak
resident memory; it is reset at the start of every iteration and read at its end.  Resident memory
counts the pages of the memory-mapped generations that happen to be cached, which the system takes
back when it needs them; the peak without them is given beside it. Writes
``benchmarks/results/memory.json``.

    python benchmarks/memory.py [SECTION ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

OUT = Path(__file__).parent / "results" / "memory.json"
SHOWN = (1, 5, 10)
# Small models and many items, so that what could grow is the data.
SETTINGS = {
    "linear": ["T=2000", "d=8", "repeats=100"],
    "language": [
        "stories=4000",
        "layers=1",
        "hidden=32",
        "heads=2",
        "ffn=32",
        "passage_words=20",
        "vocabulary=512",
    ],
    "molecules": [
        "conformers=10",
        "steps=20",
        "hidden=8",
        "sampling_steps=2",
        "rough_rounds=5",
        "fitting_rounds=2",
    ],
    "images": ["size=128", "levels=3", "width=4", "latent=8", "epochs=1", "evaluation_samples=32"],
}
REGIMES = ("accumulate", "replace_multiple")


class Peak:
    """The peaks of resident and of anonymous memory since the last reset, in MB."""

    def __init__(self):
        self.anonymous = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    @staticmethod
    def _status(field: str) -> float:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        raise LookupError(field)

    def _watch(self) -> None:
        while True:
            self.anonymous = max(self.anonymous, self._status("RssAnon"))
            time.sleep(0.01)

    def reset(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self.anonymous = 0.0

    def read(self) -> tuple[int, int]:
        return round(self._status("VmHWM")), round(max(self.anonymous, self._status("RssAnon")))


def one(section: str, regime: str) -> None:
    """Run a chain and print its peaks by iteration as JSON."""
    from collapse_utils import sections
    from collapse_utils.chain import run_chain
    from collapse_utils.training.threads import use_threads

    assignments = ["iterations=10", *SETTINGS[section]]
    use_threads(1)
    made, chain = sections.make(
        section, preset="smoke", regime=regime, seed=0, assignments=assignments
    )
    peak, peaks, current = Peak(), {}, 1

    def report(state: dict) -> None:
        nonlocal current
        if state["iteration"] != current:
            peaks[current] = peak.read()
            current = state["iteration"]
            peak.reset()

    with tempfile.TemporaryDirectory() as scratch:
        run_chain(made, chain, Path(scratch) / "run", report=report)
        peaks[current] = peak.read()
        disk = sum(
            p.stat().st_size for p in Path(scratch).glob("run/generation-*/**/*") if p.is_file()
        )
    print(json.dumps({"peaks": peaks, "generations_mb": disk / 1e6}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "section", nargs="*", choices=[*SETTINGS, []], help="default: every section"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    report = json.loads(OUT.read_text()) if OUT.exists() else {}
    for section in options.section or SETTINGS:
        for regime in REGIMES:
            words = [sys.executable, __file__, "--one", section, regime]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            peaks = json.loads(done.stdout.strip().splitlines()[-1])
            row = {
                f"t = {t}": dict(
                    zip(
                        ("resident_mb", "without_mapped_files_mb"),
                        peaks["peaks"][str(t)],
                        strict=True,
                    )
                )
                for t in SHOWN
            }
            report[f"{section} {regime}"] = {
                **row,
                "generations_on_disk_mb": round(peaks["generations_mb"], 1),
            }
            print(f"{section} {regime}: {report[f'{section} {regime}']}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
