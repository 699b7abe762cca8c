"""Collecting: finished chains go into the tables once, and missing ones are named."""

from __future__ import annotations

import json
import shutil

import pytest
from toy import Gaussian, GaussianConfig, chain

from collapse_utils.chain import run_chain
from collapse_utils.durable import files
from collapse_utils.errors import InputError
from collapse_utils.evidence import results
from collapse_utils.sweeps import collect, jobs

FIELDS = {
    "package_version",
    "commit",
    "versions",
    "device",
    "threads",
    "precision",
    "wall_s",
    "peak_memory_mb",
    "processor",
}


def finished(folder, regime="replace", seed=0, **fields):
    """A finished run of the toy section at ``folder``."""
    run_dir = folder / regime / f"seed-{seed}"
    run_chain(
        Gaussian(GaussianConfig(iterations=4, **fields)), chain(regime, seed, **fields), run_dir
    )
    return run_dir


def table(tmp_path):
    return tmp_path / "results" / "gaussian" / "own-own" / "metrics.csv"


def test_a_partial_sweep_is_collected_and_what_is_missing_is_named(tmp_path):
    out = tmp_path / "out"
    finished(out)
    begun = finished(out, seed=1)
    (begun / "DONE").unlink()
    files.write_json(
        out / "sweep-1.json",
        {
            "jobs": [
                {"chain": "gaussian replace seed 0", "run_dir": "replace/seed-0"},
                {"chain": "gaussian replace seed 2", "run_dir": "replace/seed-2"},
                {"chain": "gaussian replace seed 3", "run_dir": "replace/seed-3"},
            ]
        },
    )
    (out / "replace" / "seed-3.log").write_text("Traceback ...\nValueError: no such thing\n")
    lines = collect.collect(out, tmp_path / "results")
    assert "12 rows, 1 finished chains read" in lines[0]
    told = "\n".join(lines[1:])
    assert len(lines) == 4 and all(line.startswith("missing: ") for line in lines[1:])
    assert "gaussian replace seed 1" in told and "stopped" in told
    assert "waiting  0        gaussian replace seed 2" in told
    assert "failed   0        gaussian replace seed 3: ValueError: no such thing" in told


def test_rows_come_once_and_a_newer_run_takes_the_place_of_the_older(tmp_path):
    out = tmp_path / "out"
    run_dir = finished(out)
    finished(out, "accumulate")
    collect.collect(out, tmp_path / "results")
    first = table(tmp_path).read_bytes()
    collect.collect(out, tmp_path / "results")
    assert table(tmp_path).read_bytes() == first

    # A newer version of the package measures one thing less: its chain must not keep the old row
    # beside the new ones.
    for path in run_dir.glob("iteration-*/metrics.json"):
        content = json.loads(path.read_text())
        del content["metrics"]["items"], content["checksum"]
        path.write_text(json.dumps(content))
    description = json.loads((run_dir / "config.json").read_text())
    (run_dir / "config.json").write_text(
        json.dumps({**description, "package_version": "9", "fingerprint": "other"})
    )
    collect.collect(out, tmp_path / "results")
    frame = results.read_csv(table(tmp_path))
    assert (
        len(frame[frame["regime"] == "replace"]) == 8
        and len(frame[frame["regime"] == "accumulate"]) == 12
    )
    records = json.loads(table(tmp_path).with_name("provenance.json").read_text())
    assert [(record["regime"], record["package_version"]) for record in records] == [
        ("accumulate", description["package_version"]),
        ("replace", "9"),
    ]


def test_the_same_chain_from_two_machines_is_one_chain(tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished(out / "a"), out / "b" / "replace" / "seed-0")
    lines = collect.collect(out, tmp_path / "results")
    assert "12 rows" in lines[0] and any("the same metrics" in line for line in lines[1:])
    path = next((out / "b").rglob("iteration-02/metrics.json"))
    content = json.loads(path.read_text())
    content["metrics"]["items"] = 1.0
    content.pop("checksum", None)  # as a package that wrote none has left it
    path.write_text(json.dumps(content))
    assert any("DIFFERENT" in line for line in collect.collect(out, tmp_path / "results"))


def test_a_run_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    out = tmp_path / "out"
    finished(out)
    (finished(out, seed=1) / "iteration-02" / "metrics.json").write_text("{ cut sh")
    (finished(out, seed=2) / "iteration-03" / "metrics.json").unlink()
    lines = collect.collect(out, tmp_path / "results")
    assert "12 rows, 1 finished" in lines[0]
    assert sum("said to be done" in line for line in lines) == 2


def test_every_record_says_where_it_comes_from(tmp_path):
    finished(tmp_path / "out")
    collect.collect(tmp_path / "out", tmp_path / "results")
    (record,) = json.loads(table(tmp_path).with_name("provenance.json").read_text())
    assert set(record["provenance"]) >= FIELDS
    assert record["provenance"]["precision"].startswith("float")
    assert record["data"]["train"] and record["data"]["test"]  # checksums


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="finished run"):
        collect.collect(tmp_path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_plan_of_a_sweep_is_left_beside_its_runs(tmp_path):
    planned = jobs.plan(["linear"], "smoke", [0, 1], ["replace"], tmp_path)
    jobs.leave_plan(planned)
    jobs.leave_plan(planned)  # a shard on another machine leaves the same file
    assert len(list(tmp_path.glob("sweep-*.json"))) == 1
    assert jobs.planned(tmp_path) == {job.run_dir: job.label for job in planned}
    below = jobs.plan(
        ["linear"], "smoke", [0], ["replace"], next(tmp_path.glob("sweep-*.json")) / "below"
    )
    with pytest.raises(InputError, match="--out"):
        jobs.leave_plan(below)


@pytest.mark.parametrize(("regime", "seed"), [("accumulate", 0), ("replace", 2)])
def test_chains_that_read_other_data_are_not_mixed_into_a_table(tmp_path, regime, seed):
    finished(tmp_path / "first", seed=1)
    collect.collect(finished(tmp_path / "first").parents[1], tmp_path / "results")
    before = {
        path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()
    }
    run_dir = finished(tmp_path / "second", regime, seed)
    description = json.loads((run_dir / "config.json").read_text())
    description["data"]["train"] = "another"
    (run_dir / "config.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="these would be on 2 data sets"):
        collect.collect(tmp_path / "second", tmp_path / "results")
    assert {
        path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()
    } == before
    collect.collect(tmp_path / "second", tmp_path / "elsewhere")  # as the message says
