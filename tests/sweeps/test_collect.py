"""Collecting: finished chains go into the tables once, and missing ones are named."""

from __future__ import annotations

import json
import shutil

import forged
import pytest
from toy import Gaussian, GaussianConfig, Neural, chain

from collapse_utils.__main__ import main
from collapse_utils.chain import run_chain
from collapse_utils.durable import files
from collapse_utils.durable.run_dir import fingerprint, folder_name
from collapse_utils.errors import InputError
from collapse_utils.evidence import results
from collapse_utils.sweeps import collect, jobs, status

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
    output = "\n".join(lines[1:])
    assert len(lines) == 4 and all(line.startswith("missing: ") for line in lines[1:])
    assert "gaussian replace seed 1" in output and "stopped" in output
    assert "waiting  0        gaussian replace seed 2" in output
    assert "failed   0        gaussian replace seed 3: ValueError: no such thing" in output


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
        forged.measure(path, items=None)
    description = json.loads((run_dir / "config.json").read_text())
    forged.describe(run_dir, package_version="9")
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


def test_a_newer_run_without_learning_curves_leaves_none_of_the_older_run(tmp_path):
    for seed in (0, 1):
        run_dir = tmp_path / "out" / f"seed-{seed}"
        run_chain(Neural(GaussianConfig(iterations=2)), chain(seed=seed, iterations=2), run_dir)
    curves = table(tmp_path).with_name("curves.csv")
    collect.collect(tmp_path / "out", tmp_path / "results")
    before = results.read_csv(curves)
    assert set(before["seed"]) == {0, 1}

    def collect_without_curves(seed):
        for state in (tmp_path / "out" / f"seed-{seed}").glob("iteration-*/state-*"):
            shutil.rmtree(state)
        collect.collect(tmp_path / "out" / f"seed-{seed}", tmp_path / "results")

    collect_without_curves(0)
    after = results.read_csv(curves)
    assert after.equals(before[before["seed"] == 1].reset_index(drop=True))
    collect_without_curves(1)
    assert not curves.exists() and len(results.read_csv(table(tmp_path))) == 12


def test_the_same_chain_from_two_machines_is_one_chain(tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished(out / "a"), out / "b" / "replace" / "seed-0")
    lines = collect.collect(out, tmp_path / "results")
    assert "12 rows" in lines[0] and any("the same metrics" in line for line in lines[1:])
    path = next((out / "b").rglob("iteration-02/metrics.json"))
    forged.measure(path, items=1.0)
    assert any("DIFFERENT" in line for line in collect.collect(out, tmp_path / "results"))


def test_a_run_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    out = tmp_path / "out"
    finished(out)
    (finished(out, seed=1) / "iteration-02" / "metrics.json").write_text("{ cut sh")
    (finished(out, seed=2) / "iteration-03" / "metrics.json").unlink()
    lines = collect.collect(out, tmp_path / "results")
    assert "12 rows, 1 finished" in lines[0]
    assert sum("marked DONE but unreadable" in line for line in lines) == 2


def test_every_record_says_where_it_comes_from(tmp_path):
    finished(tmp_path / "out")
    collect.collect(tmp_path / "out", tmp_path / "results")
    (record,) = json.loads(table(tmp_path).with_name("provenance.json").read_text())
    assert set(record["provenance"]) >= FIELDS
    assert record["provenance"]["precision"].startswith("float")
    assert record["data"]["train"] and record["data"]["test"]  # checksums


def test_a_run_is_shown_and_collected_from_inside_its_folder(tmp_path, monkeypatch, capsys):
    run_dir = finished(tmp_path)
    (run_dir / "DONE").rename(tmp_path / "DONE")
    run_dir.with_name("seed-0.log").write_text("error: out of luck\n")
    monkeypatch.chdir(run_dir)
    assert main(["status", "."]) == 0
    assert "out of luck" in capsys.readouterr().out
    (tmp_path / "DONE").rename(run_dir / "DONE")
    assert main(["collect", ".", "--into", str(tmp_path / "results")]) == 0
    assert table(tmp_path).exists()


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="finished run"):
        collect.collect(tmp_path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_plan_of_a_sweep_is_left_beside_its_runs(tmp_path):
    planned = jobs.plan(["linear"], "smoke", [0, 1], ["replace"], tmp_path)
    jobs.save_plan(planned)
    jobs.save_plan(planned)  # a shard on another machine leaves the same file
    assert len(list(tmp_path.glob("sweep-*.json"))) == 1
    assert jobs.planned(tmp_path) == {job.run_dir: job.label for job in planned}
    below = jobs.plan(
        ["linear"], "smoke", [0], ["replace"], next(tmp_path.glob("sweep-*.json")) / "below"
    )
    with pytest.raises(InputError, match="--out"):
        jobs.save_plan(below)


@pytest.mark.parametrize(("regime", "seed"), [("accumulate", 0), ("replace", 2)])
def test_chains_that_read_other_data_are_not_mixed_into_a_table(tmp_path, regime, seed):
    finished(tmp_path / "first", seed=1)
    collect.collect(finished(tmp_path / "first").parents[1], tmp_path / "results")
    before = {
        path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()
    }
    run_dir = finished(tmp_path / "second", regime, seed)
    forged.describe(run_dir, data={"train": "another"})
    with pytest.raises(InputError, match="these would be on 2 data sets"):
        collect.collect(tmp_path / "second", tmp_path / "results")
    assert {
        path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()
    } == before
    collect.collect(tmp_path / "second", tmp_path / "elsewhere")  # as the message says


def alone(tmp_path, run_dir) -> str:
    """What ``collect`` says when it refuses the one run that there is; nothing is written."""
    with pytest.raises(InputError) as output:
        collect.collect(tmp_path / "out", tmp_path / "results")
    assert not (tmp_path / "results").exists()
    (row,) = status.rows(tmp_path / "out")
    assert row.state == "failed"
    assert "\n" not in str(output.value) and str(run_dir) in str(output.value)
    return str(output.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"seed": 0', '"seed": 2'),
        ('"regime": "replace"', '"regime": "accumulate"'),
        ('"preset": "own"', '"preset": "owl"'),
        ('"seed": 0', '"seed": 0.0'),
        ('"config": {', '"config": 3, "was": {'),
        ('"variant": ""', '"variant": "x"'),
    ],
)
def test_a_changed_configuration_is_not_filed_under_another_name(tmp_path, old, new):
    path = finished(tmp_path / "out") / "config.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert "config.json" in alone(tmp_path, path.parent)


@pytest.mark.parametrize(
    ("changes", "output"),
    [
        ({"section": "../../EVIL"}, "its section '../../EVIL' has a slash"),
        ({"section": ".."}, "its section '..' is empty, begins with a dot"),
        ({"preset": "/elsewhere"}, "its preset"),
        ({"data": {"source": "x\x1b[2J"}}, "its source"),
        ({"variant": "a\x1b[2J"}, "its variant"),
        ({"regime": "../x"}, "its regime"),
        ({"seed": -1}, "out of range"),
        ({"config": {"iterations": 10**9}}, "out of range"),
        ({"data": {"train": 7}}, "'train'"),
    ],
)
def test_a_strangers_names_are_refused(tmp_path, changes, output):
    run_dir = finished(tmp_path / "out")
    forged.describe(run_dir, **changes)
    assert output in alone(tmp_path, run_dir)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("checksum"),
        lambda record: record["metrics"].update({"items": float("nan")}),
        lambda record: record["metrics"].update({"items": "1"}),
        lambda record: record["metrics"].update({"a,b": 1.0}),
        lambda record: record["metrics"].clear(),
        lambda record: record.update(metrics=[]),
    ],
)
def test_metrics_that_a_run_has_not_written_are_refused(tmp_path, change):
    run_dir = finished(tmp_path / "out")
    path = run_dir / "iteration-02" / "metrics.json"
    record = json.loads(path.read_text())
    sealed = record.pop("checksum")
    record["checksum"] = sealed
    change(record)
    if record.pop("checksum", None) is None:
        files.write_json(path, record)
    else:
        files.write_checked(path, record)
    assert "iteration-02/metrics.json" in alone(tmp_path, run_dir)


class Showing(Gaussian):
    """The toy with a preview."""

    def preview(self, items, folder):
        (folder / "items.txt").write_text(str(items[:2]))


def shown(folder):
    run_chain(Showing(GaussianConfig(iterations=4)), chain(), folder / "run")
    return folder / "run"


def test_previews_are_collected_as_they_were_written(tmp_path):
    run_dir = shown(tmp_path / "out")
    collect.collect(tmp_path / "out", tmp_path / "results")
    samples = table(tmp_path).parent / "samples" / "base" / "replace"
    names = sorted(path.relative_to(samples).as_posix() for path in samples.rglob("*.*"))
    assert names == [f"iteration-{t:02d}/items.txt" for t in (1, 2, 3, 4)]
    original = run_dir / "iteration-02/preview/items.txt"
    assert (samples / "iteration-02/items.txt").read_bytes() == original.read_bytes()


def test_samples_stay_those_of_the_smallest_seed_when_later_seeds_are_collected(tmp_path):
    for seed in (3, 1, 2):
        folder = tmp_path / f"seed-{seed}"
        run_chain(Showing(GaussianConfig(iterations=2)), chain(seed=seed), folder / "run")
        collect.collect(folder, tmp_path / "results")
        smallest = tmp_path / f"seed-{3 if seed == 3 else 1}" / "run"
        samples = table(tmp_path).parent / "samples" / "base" / "replace"
        original = smallest / "iteration-02/preview/items.txt"
        assert (samples / "iteration-02/items.txt").read_bytes() == original.read_bytes()


def link(path, secret):
    path.unlink()
    path.symlink_to(secret)


def link_folder(path, secret):
    path.parent.rename(secret.parent / "moved")
    path.parent.symlink_to(secret.parent / "moved")


@pytest.mark.parametrize(
    "harm",
    [
        link,
        link_folder,
        lambda path, secret: path.write_text("other"),
        lambda path, secret: path.write_text(""),
        lambda path, secret: path.unlink(),
        lambda path, secret: shutil.rmtree(path.parent),
        lambda path, secret: path.with_name("more.txt").write_text("other"),
        lambda path, secret: path.with_name("checksums.json").unlink(),
        lambda path, secret: path.with_name("checksums.json").write_text('{"../x": "y"}'),
    ],
)
def test_a_preview_that_a_run_has_not_written_is_refused_and_made_again(tmp_path, capsys, harm):
    run_dir = shown(tmp_path / "out")
    (tmp_path / "secret").write_text("a secret")
    before = (run_dir / "metrics.csv").read_bytes()
    harm(run_dir / "iteration-02" / "preview" / "items.txt", tmp_path / "secret")
    assert "iteration-02/preview" in alone(tmp_path, run_dir)
    shown(tmp_path / "out")
    assert "the preview is made again" in capsys.readouterr().err
    assert (tmp_path / "secret").read_text() == "a secret"
    assert (run_dir / "metrics.csv").read_bytes() == before
    collect.collect(tmp_path / "out", tmp_path / "results")


@pytest.mark.parametrize("content", [None, "", "step\n1\n", "\x00\x01"])
def test_a_learning_curve_that_was_changed_is_refused_and_made_again(tmp_path, capsys, content):
    def run():
        return run_chain(Neural(GaussianConfig(iterations=3)), chain(iterations=3), run_dir)

    run_dir = tmp_path / "out" / "run"
    run()
    (path,) = run_dir.glob("iteration-02/state-*/curve.csv")
    before = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert "iteration-02/state-" in alone(tmp_path, run_dir)
    run()
    assert "curve.csv" in capsys.readouterr().err
    assert next(run_dir.glob("iteration-02/state-*/curve.csv")).read_bytes() == before
    collect.collect(tmp_path / "out", tmp_path / "results")


def test_a_run_of_an_older_version_is_collected(tmp_path):
    """It notes no digest of its code, its record and its previews have no checksums."""
    run_dir = shown(tmp_path / "out")
    description = json.loads((run_dir / "config.json").read_text())
    del description["code"], description["fingerprint"]
    sealed = {**description, "fingerprint": fingerprint(description)}
    files.write_json(run_dir / "config.json", sealed)
    done = json.loads((run_dir / "DONE").read_text())
    del done["checksum"]
    files.write_json(run_dir / "DONE", done)
    for path in run_dir.glob("iteration-*/preview/checksums.json"):
        path.unlink()
    lines = collect.collect(tmp_path / "out", tmp_path / "results")
    assert "12 rows" in lines[0] and len(lines) == 1
    assert len(list((table(tmp_path).parent / "samples").rglob("items.txt"))) == 4


def test_odd_files_beside_a_runs_own_are_passed_over(tmp_path):
    run_dir = finished(tmp_path / "out")
    shutil.copytree(run_dir / "iteration-02", run_dir / "iteration-02 (copy)")
    (run_dir / "iteration-x").mkdir()
    (run_dir / "progress.json").write_text("[1, 2]")
    (run_dir / "lease.json").write_text("7")
    assert "12 rows" in collect.collect(tmp_path / "out", tmp_path / "results")[0]
    (run_dir / "DONE").unlink()
    (row,) = status.rows(tmp_path / "out")
    assert row.state == "stopped"


def test_a_variant_with_a_path_names_one_folder():
    assert folder_name("temperature=0.3,stories=5") == "temperature=0.3,stories=5"
    assert folder_name("") == "base"
    for variant in ("data=/x/y", "../../x", "..", "a/../../b"):
        assert "/" not in folder_name(variant)
        assert folder_name(variant) not in (".", "..")
