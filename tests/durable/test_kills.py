"""Contract 1 under fire: a chain that is killed at any moment, and resumed, ends with the same
bits.
"""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from kills import Driver, outcome
from tiny import TINY

PHASES = ("prepare", "fit", "checkpoint", "sample", "generation", "evaluate", "metrics")


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = Driver(tmp_path_factory.mktemp("data"))
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def uninterrupted(driver, tmp_path_factory):
    """The outcome of a section's whole run, and the events of every call of every phase."""
    result = {}

    def get(section: str) -> tuple[tuple, dict[str, list[int]], float]:
        if section not in result:
            folder = tmp_path_factory.mktemp(section)
            output = driver(section, folder, count=True)
            assert output["status"] == 0, output["output"]
            result[section] = outcome(folder), output["events"], output["wall_s"]
        return result[section]

    return get


def moment(events: list[int], rng: np.random.Generator) -> int:
    """A random event of a phase that comes within one call of it."""
    return 1 + int(rng.integers(max(min(events), 1)))


def kill_and_finish(driver, uninterrupted, section: str, folder: Path, phases, rng) -> int:
    """Kill one chain once in each of ``phases``, finish it, and compare; returns how many kills
    there were.
    """
    expected, events, _ = uninterrupted(section)
    kills = 0
    for name in phases:
        if name in events:
            output = driver(section, folder, phase=name, event=moment(events[name], rng))
            assert output["status"] in (-signal.SIGKILL, 0), output["output"]
            assert output["status"] or (folder / "run" / "DONE").exists()
            kills += output["status"] != 0
    output = driver(section, folder)
    assert output["status"] == 0, output["output"]
    assert "warning" not in output["output"]  # a kill damages nothing
    assert outcome(folder) == expected
    left = [
        path.name
        for path in folder.rglob("*")
        if path.name.endswith((".tmp", ".dead")) or "pieces-of" in path.name
    ]
    assert [name for name in left if not name.startswith(".lease.")] == []
    return kills


QUICK = {
    "linear": ("fit", "generation", "evaluate"),
    "language": ("prepare", "checkpoint", "sample"),
    "images": ("fit", "sample", "metrics"),
    "molecules": ("prepare", "fit", "generation", "evaluate"),
}


@pytest.mark.parametrize("section", TINY)
def test_a_killed_chain_ends_with_the_same_bits(driver, uninterrupted, tmp_path, section):
    kills = kill_and_finish(
        driver,
        uninterrupted,
        section,
        tmp_path,
        QUICK[section],
        np.random.default_rng(len(section)),
    )
    assert kills == len(QUICK[section])


@pytest.mark.slow
@pytest.mark.parametrize("section", TINY)
def test_many_kills(driver, uninterrupted, tmp_path, section):
    """At least 13 kills a section: every phase three times at random events, and some at random
    times.
    """
    kills = 0
    for round_ in range(3):
        rng = np.random.default_rng(100 * round_ + len(section))
        kills += kill_and_finish(
            driver, uninterrupted, section, tmp_path / str(round_), PHASES, rng
        )
    expected, _, wall_s = uninterrupted(section)
    folder, rng = tmp_path / "times", np.random.default_rng(7)
    for _ in range(4):
        kills += (
            driver(section, folder, after_s=float(rng.uniform(0, wall_s)))["status"]
            == -signal.SIGKILL
        )
    assert driver(section, folder)["status"] == 0
    assert outcome(folder) == expected
    print(f"{section}: {kills} kills")
    assert kills >= 13


@pytest.mark.parametrize(
    "section, name, signum, status",
    [
        ("images", "sample", signal.SIGTERM, 143),
        ("language", "fit", signal.SIGINT, 130),
        ("linear", "evaluate", signal.SIGTERM, 143),
        ("linear", "prepare", signal.SIGTERM, 143),
    ],
)
def test_a_signal_stops_any_phase_with_one_line(
    driver, uninterrupted, tmp_path, section, name, signum, status
):
    expected, events, _ = uninterrupted(section)
    event = moment(events[name], np.random.default_rng(0))
    output = driver(section, tmp_path, phase=name, event=event, signal=signum)
    assert (output["status"], output["output"]) == (
        status,
        "stopped; run the same command again to resume\n",
    )
    assert (
        not (tmp_path / "run" / "lease.json").exists() and not (tmp_path / "run" / "DONE").exists()
    )
    assert driver(section, tmp_path)["status"] == 0
    assert outcome(tmp_path) == expected
