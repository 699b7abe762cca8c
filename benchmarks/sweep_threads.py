"""Two chains on two cores: at once with one thread each, or in turn with two threads.

The same two chains of a section, cut short, are run either way in alternation; a time is what the
chains themselves count as work (``wall_s`` in ``DONE``: the longer of the two, or their sum), so
that the start of Python does not count.  Run it on a machine that does nothing else: two threads
suffer more from company than one.  Writes ``benchmarks/results/sweep_threads.json``.

    python benchmarks/sweep_threads.py [--rounds 5] [SECTION ...]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from collapse_utils import __version__
from collapse_utils.durable import files, progress, provenance
from collapse_utils.sweeps import jobs, local

OUT = Path(__file__).parent / "results" / "sweep_threads.json"
# Two iterations of the preset smoke on less data: every phase occurs, and a chain takes 10 to 20
# seconds.
SETTINGS = {
    "language": ["iterations=2", "stories=400", "test_stories=100", "evaluation_stories=64"],
    "images": ["iterations=2", "epochs=8", "evaluation_samples=64"],
    "molecules": ["iterations=2", "steps=200", "molecules=40", "test_molecules=8"],
}
# threads, jobs at a time
WAYS = {"two jobs of one thread": (1, 2), "one job of two threads": (2, 1)}


def seconds(section: str, threads: int, parallel: int) -> float:
    """How long the two chains take."""
    with tempfile.TemporaryDirectory() as scratch:
        assignments = [*SETTINGS[section], f"threads={threads}"]
        planned = jobs.plan(
            [section], "smoke", [0, 1], ["replace"], Path(scratch), assignments=assignments
        )
        failed = local.run(planned, parallel=parallel, quiet=True)
        if failed:
            raise SystemExit(f"{failed[0].label}: {progress.last_line(failed[0].log)}")
        walls = [files.read_json(job.run_dir / "DONE")["wall_s"] for job in planned]
    return max(walls) if parallel == 2 else sum(walls)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "section", nargs="*", default=[], help=f"of {', '.join(SETTINGS)} (default: every one)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="of which the medians are kept (default: 5)"
    )
    options = parser.parse_args()
    if local.cores() < 2:
        raise SystemExit("this needs two cores")
    report = json.loads(OUT.read_text()) if OUT.exists() else {}
    for section in options.section or SETTINGS:
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way, (threads, parallel) in WAYS.items():
                times[way].append(seconds(section, threads, parallel))
        medians = {way: round(statistics.median(spent), 1) for way, spent in times.items()}
        first, second = medians.values()
        report[section] = {
            "seconds": medians,
            "times": times,
            "rounds": options.rounds,
            "one_thread_is_faster_by": round(second / first - 1, 3),
        }
        print(
            f"{section}: {medians}, one thread a job is {second / first - 1:+.0%} faster",
            flush=True,
        )
    report["machine"] = {
        "processor": provenance.processor(),
        "cores": local.cores(),
        "package_version": __version__,
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
