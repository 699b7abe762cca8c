"""Kills, damages, bad input and forged run directories, in numbers (``make torture``).

    python benchmarks/torture.py --kills 100 --damages 2000 --inputs 400 --forged 60

Every trial is drawn from its number, so that one that fails can be repeated.  A trial of a kill
runs a tiny chain of one of the four sections, kills it with signal 9 after a random time, runs it
to its end, and compares metrics and weights with those of a chain that nobody killed.  Trials go on
until as many kills as asked for have hit a chain that had not ended by itself.  A trial of a
damage harms one file of a finished or of a stopped run.  Writes ``benchmarks/results/torture.json``
every ``SAVED`` trials; parts that are not asked for keep their numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))

import bad_input  # noqa: E402
import damages  # noqa: E402
import forgeries  # noqa: E402
from kills import Driver, outcome  # noqa: E402

from collapse_utils.__main__ import main  # noqa: E402
from collapse_utils.durable.provenance import processor  # noqa: E402

OUT = HERE / "results" / "torture.json"
SECTIONS = ("linear", "language", "images", "molecules")
SAVED = 20
LATE = "ended before the kill"
HANG_S = 300  # a trial that takes longer hangs
MEMORY = 12 * 2**30  # bytes; a trial that wants more fails


class Hang(Exception):
    pass


class Counts(dict):
    """How the trials of a part have ended, and what is written of it."""

    def __init__(self, part: str):
        super().__init__(tried=0)
        self.part, self.began = part, time.monotonic()

    def save(self) -> None:
        minutes = round((time.monotonic() - self.began) / 60, 1)
        record = json.loads(OUT.read_text()) if OUT.exists() else {}
        record[self.part] = {**self, "minutes": minutes, "processor": processor()}
        OUT.write_text(json.dumps(record, indent=2) + "\n")


def trial(counts: Counts, words: str, act: Callable[[], str]) -> None:
    """Count how a trial ended: as ``act`` says, or badly."""

    def hang(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANG_S)
    try:
        ending = act()
    except Hang:
        ending = "hang"
    except AssertionError as problem:
        ending = "different"
        print(f"{words}: {problem}", flush=True)
    except Exception:
        ending = "traceback"
        print(f"{words}\n{traceback.format_exc()}", flush=True)
    finally:
        signal.alarm(0)
    counts["tried"] += 1
    counts[ending] = counts.get(ending, 0) + 1
    if counts["tried"] % SAVED == 0:
        counts.save()


def silent(act: Callable[[], str]) -> str:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return act()


def kills(count: int, counts: Counts, home: Path) -> None:
    driver = Driver(home)
    try:
        whole = {}
        for section in SECTIONS:
            answer = driver(section, home / section)
            assert answer["status"] == 0, answer["output"]
            whole[section] = outcome(home / section), answer["wall_s"]
        for number in itertools.count():
            if counts["tried"] - counts.get(LATE, 0) == count:
                break
            section, draw = SECTIONS[number % len(SECTIONS)], random.Random(number)

            def act(section: str = section, draw: random.Random = draw) -> str:
                expected, wall_s = whole[section]
                folder = home / "trial"
                shutil.rmtree(folder, ignore_errors=True)
                killed = driver(section, folder, after_s=draw.uniform(0, wall_s), signal=9)
                answer = driver(section, folder)
                assert answer["status"] == 0, answer["output"]
                assert outcome(folder) == expected
                return "the same bits" if killed["status"] == -9 else LATE

            trial(counts, f"kill {number}", act)
    finally:
        driver.close()


def damaged(count: int, counts: Counts, home: Path) -> None:
    for name in ("finished", "stopped"):
        (home / name).mkdir()
    damages.run(home / "finished")
    damages.stopped(home / "stopped")
    expected = damages.tables(home / "finished")
    shutil.rmtree(home / "finished" / "results")
    for number in range(count):
        draw = random.Random(number)
        original = home / ("stopped" if number % 2 else "finished")

        def act(draw: random.Random = draw, original: Path = original) -> str:
            folder = home / "copy"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(original, folder)
            path = draw.choice(damages.targets(folder))
            kind = draw.choice(damages.KINDS)
            damages.harm(path, kind, draw.random(), draw.randrange(1000))
            if original.name == "finished":
                damages.read_everywhere(folder, expected)
            ended = damages.go_on(folder, expected)
            return "the same bits" if ended else "named in one line"

        trial(counts, f"damage {number}", lambda act=act: silent(act))


def inputs(count: int, counts: Counts, home: Path) -> None:
    values = itertools.chain(bad_input.HOSTILE, _texts())
    lines = (
        words
        for value in values
        for numbers in (True, False)
        for words in bad_input.commands(str(home), value, numbers)
    )
    for words in itertools.islice(random_order(lines, count), count):

        def act(words: list[str] = words) -> str:
            before = sorted(home.rglob("*"))
            output = io.StringIO()
            with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
                status = main(words)
            line = output.getvalue()
            assert status == 2 and line.startswith("error: ") and line.count("\n") == 1, line[:300]
            assert sorted(home.rglob("*")) == before, "something is left on the disk"
            return "one line, status 2"

        trial(counts, f"input {words}"[:300], act)


def _texts():
    """Random values that are nothing good."""
    draw = random.Random(0)
    alphabet = "aZ0²٣ \t\n\x1b=,-+_:;'\"<>|&%$#@!?*()[]{}é漢🦊\udc80"
    while True:
        value = "".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 20)))
        if not bad_input.FINE.fullmatch(value):
            yield value


def random_order(lines, count: int) -> list[list[str]]:
    """``count`` lines drawn from four times as many."""
    return random.Random(1).sample(list(itertools.islice(lines, 4 * count)), count)


def forged_runs(count: int, counts: Counts, home: Path) -> None:
    (home / "original").mkdir()
    damages.run(home / "original")
    secret = home / "outside" / "secret"
    secret.parent.mkdir()
    every = list(forgeries.all_of_them(secret))
    for number in range(count):
        words, forge = every[number % len(every)]

        def act(forge: Callable[[Path], None] = forge) -> str:
            folder = home / "copy"
            for path in (folder, home / "outside" / "moved"):
                shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(home / "original", folder)
            secret.write_text("a secret")
            forge(folder / "run")
            before = sorted(path for path in home.rglob("*"))
            output = io.StringIO()
            with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
                status = main(["collect", str(folder / "run"), "--into", str(folder / "results")])
                seen = main(["status", str(folder / "run")])
            assert (status, seen) == (2, 0), output.getvalue()
            assert "\x1b" not in output.getvalue() and "a secret" not in output.getvalue()
            assert sorted(path for path in home.rglob("*")) == before
            return "refused in one line"

        trial(counts, f"forged {number}, {words}", act)


PARTS = {"kills": kills, "damages": damaged, "inputs": inputs, "forged": forged_runs}


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in PARTS:
        parser.add_argument(f"--{name}", type=int, default=0, help="trials (default: none)")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name, part in PARTS.items():
        if not (count := getattr(options, name)):
            continue
        counts = Counts(name)
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["COLLAPSE_CACHE"] = f"{scratch}-cache"
            part(count, counts, Path(scratch).resolve())
        shutil.rmtree(f"{scratch}-cache", ignore_errors=True)
        counts.save()
        print(name, dict(counts), flush=True)


if __name__ == "__main__":
    run()
