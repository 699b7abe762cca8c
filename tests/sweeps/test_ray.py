"""A sweep on a simulated Ray cluster of three nodes: one generation divided over them, workers and
nodes that die, results that are copied back.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import processes
import psutil
import pytest

from collapse_utils.__main__ import main
from collapse_utils.durable import leases, progress
from collapse_utils.durable.files import damage
from collapse_utils.errors import InputError
from collapse_utils.sweeps import jobs, ray_engine, status
from collapse_utils.sweeps.local import run

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip(
    "ray", reason="Ray is not installed: make cluster installs it and runs these tests"
)
cluster_utils = pytest.importorskip("ray.cluster_utils")

STORE = 80 * 2**20  # bytes of each node's object store, the least that Ray takes is 75 MB


@pytest.fixture(scope="module")
def cluster():
    """Three nodes of one core each; the first one is never killed."""
    args = {"num_cpus": 1, "object_store_memory": STORE}
    made = cluster_utils.Cluster(
        initialize_head=True, head_node_args={**args, "include_dashboard": False}
    )
    made.workers = [made.add_node(**args) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def planned(out: Path, seeds, iterations: int) -> list[jobs.Job]:
    """Chains of the linear section that take seconds."""
    assignments = [f"iterations={iterations}", "repeats=40"]
    return jobs.plan(
        ["linear"], "smoke", seeds, ["replace", "accumulate"], out, assignments=assignments
    )


def files(out: Path) -> dict[str, bytes | None]:
    """Every file that is part of a result; the content of those that must not differ in any bit."""
    result = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts):
            same = path.suffix in (".csv", ".npy") or path.name == "config.json"
            result[name] = path.read_bytes() if same else None
    return result


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Witness(threading.Thread):
    """Looks at the leases all the time: who held a run directory, and whether two ever did."""

    def __init__(self, watched):
        super().__init__(daemon=True)
        self.watched, self.owners, self.twice, self.ended = (
            watched,
            {job: [] for job in watched},
            [],
            threading.Event(),
        )

    def run(self):
        while not self.ended.wait(0.02):
            for job, owners in self.owners.items():
                owner = leases.owner(job.run_dir)
                if owner is None or (owners and owners[-1] == owner.pid):
                    continue
                if owners and lives(owners[-1]):
                    self.twice.append((job.label, owners[-1], owner.pid))
                owners.append(owner.pid)

    def busy(self) -> int:
        """Chains that are being run and have finished an iteration."""
        return sum(
            leases.held(job.run_dir) and progress.iterations_done(progress.read(job.run_dir)) > 1
            for job in self.owners
        )


def stories(out: Path) -> list[jobs.Job]:
    """A chain that samples one generation of five pieces, which takes seconds."""
    fields = {"stories": 320, "sample_batch": 1, "max_length": 64, "vocabulary": 270}
    fields |= {"layers": 1, "hidden": 16, "heads": 2, "ffn": 16, "iterations": 2}
    fields |= {"test_stories": 8, "validation_stories": 4, "evaluation_stories": 8}
    assignments = [f"{name}={value}" for name, value in fields.items()]
    return jobs.plan(["language"], "smoke", [0], ["replace"], out, assignments=assignments)


@pytest.fixture(scope="module")
def undivided(tmp_path_factory):
    """What one process makes of the chain of stories."""
    out = tmp_path_factory.mktemp("undivided")
    assert run(stories(out), quiet=True) == []
    return files(out)


def sampling() -> list[psutil.Process]:
    """The workers of a divided generation that make a piece; Ray names them."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [""])[0].startswith("ray::_Worker.make")
    ]


def test_a_divided_generation_is_the_same_to_the_last_bit(cluster, tmp_path, undivided):
    (job,) = stories(tmp_path)
    assert ray_engine.engine(address=cluster.address, divide=3, quiet=True)([job]) == []
    assert files(tmp_path) == undivided
    output = job.log.read_text()
    assert "workers sampled" in output and "workers sampled 0 " not in output


def test_the_piece_of_a_killed_worker_is_made_again(cluster, tmp_path, undivided):
    (job,) = stories(tmp_path)
    killed, ended = [], threading.Event()

    def kill():
        while not killed and not ended.wait(0.02):
            for process in sampling()[:1]:
                process.kill()
                killed.append(process.pid)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    failed = ray_engine.engine(address=cluster.address, divide=3, quiet=True)([job])
    ended.set()
    killer.join()
    assert failed == [] and killed
    assert "its piece is made again" in job.log.read_text()
    assert files(tmp_path) == undivided


def test_a_chain_that_is_stopped_while_workers_sample_resumes(cluster, tmp_path, undivided):
    (job,) = stories(tmp_path)
    words = ["sweep", "language", "--regimes", "replace", "--out", tmp_path]
    words += [word for assignment in job.assignments for word in ("--set", assignment)]
    words += ["--engine", "ray", "--address", cluster.address, "--divide", "3"]
    process = processes.start(*words, stderr=subprocess.PIPE)
    while not sampling():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert progress.last_line(job.log) == "stopped; run the same command again to resume"
    assert not leases.held(job.run_dir) and not job.done()
    psutil.wait_procs(sampling(), 30)
    assert sampling() == []
    assert ray_engine.engine(address=cluster.address, divide=3, quiet=True)([job]) == []
    next(tmp_path.glob("sweep-*.json")).unlink()  # the command's own; the engine writes none
    assert files(tmp_path) == undivided


def test_chains_that_hold_every_place_do_not_wait_for_workers(cluster, tmp_path, undivided):
    """Three chains on three cores, each of which asks for two workers: all are the same chain."""
    there = [job for name in "abc" for job in stories(tmp_path / name)]
    assert ray_engine.engine(address=cluster.address, divide=3, quiet=True)(there) == []
    assert all(files(tmp_path / name) == undivided for name in "abc")


def test_two_of_three_nodes_die_and_nothing_is_lost(cluster, tmp_path):
    local = planned(tmp_path / "local", [0, 1, 2], 90)
    assert run(local, parallel=2, quiet=True) == []
    there = planned(tmp_path / "ray", [0, 1, 2], 90)
    witness = Witness(there)
    killed = []

    def kill():
        for node in cluster.workers:
            while witness.busy() < 3 - len(killed) and not witness.ended.is_set():
                time.sleep(0.02)
            cluster.remove_node(node, allow_graceful=False)
            killed.append(node)

    witness.start()
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    failed = ray_engine.engine(address=cluster.address, quiet=True)(there)
    witness.ended.set()
    killer.join()

    assert failed == [] and len(killed) == 2
    # metrics.csv and the generations to the last bit
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert witness.twice == []
    resumed = [job.label for job, owners in witness.owners.items() if len(owners) > 1]
    assert resumed, "no chain was hit by the kills"
    for path in (tmp_path / "ray").rglob("block-*"):
        assert damage(path) is None
    assert not list((tmp_path / "ray").rglob("lease.json")) and not list(
        (tmp_path / "ray").rglob("*.tmp")
    )


def test_results_are_copied_back_from_nodes_that_share_no_folder(
    cluster, tmp_path, monkeypatch, capsys
):
    # for the nodes it is /tmp: they run in processes of their own
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    arguments = [
        "sweep",
        "linear",
        "--set",
        "iterations=150",
        "--set",
        "repeats=60",
        "--regimes",
        "replace,accumulate",
    ]
    assert main([*arguments, "--out", str(tmp_path / "local"), "--quiet"]) == 0
    seen = []
    ended = threading.Event()

    def watch():
        while not ended.wait(0.05):
            if (tmp_path / "back").is_dir() and (
                result := [row for row in status.rows(tmp_path / "back") if row.note]
            ):
                seen.append(str(result[0]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    ray_options = ["--engine", "ray", "--address", cluster.address, "--copy-back", "--quiet"]
    assert main([*arguments, "--out", str(tmp_path / "back"), *ray_options]) == 0
    ended.set()
    watcher.join()
    assert "2 of 2 chains are done" in capsys.readouterr().out
    assert files(tmp_path / "back") == files(tmp_path / "local")
    assert any("on the disk of" in line and "iteration" in line for line in seen), seen[:3]
    assert not [path for path in (tmp_path / "back").rglob(".*") if path.is_file()]


def test_stopping_the_sweep_stops_its_chains_on_the_nodes(cluster, tmp_path):
    (job, _) = planned(tmp_path, [0], 60)
    words = ["sweep", "linear", "--set", "iterations=60", "--set", "repeats=40"]
    words += ["--regimes", "accumulate", "--out", tmp_path]
    words += ["--engine", "ray", "--address", cluster.address]
    process = processes.start(*words, stderr=subprocess.PIPE)
    processes.wait_for_fits(job.run_dir, process, 3)
    process.send_signal(signal.SIGTERM)
    output = process.communicate()[1]
    assert process.returncode == 143 and "run the same command again" in output
    assert not leases.held(job.run_dir) and not job.done()
    assert progress.last_line(job.log) == "stopped; run the same command again to resume"


def test_a_chain_that_fails_on_a_node_says_why(cluster, tmp_path, capsys):
    arguments = [
        "sweep",
        "linear",
        "--set",
        "iterations=2",
        "--regimes",
        "replace",
        "--seeds",
        "0-1",
    ]
    blocked = tmp_path / "runs/linear/smoke-gaussian/iterations=2/replace/seed-0"
    blocked.mkdir(parents=True)
    (blocked / "thesis.tex").write_text("years of work")
    ray_options = [
        "--engine",
        "ray",
        "--address",
        cluster.address,
        "--quiet",
        "--out",
        str(tmp_path / "runs"),
    ]
    assert main([*arguments, *ray_options]) == 1
    output = capsys.readouterr()
    assert "1 of 2 chains are done" in output.out and "thesis.tex" in output.err
    # the copy would take the place of what is there
    assert main([*arguments, *ray_options, "--copy-back"]) == 2
    assert "--copy-back" in capsys.readouterr().err
    assert (blocked / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nowhere"])
def test_an_address_where_nothing_answers_is_refused_at_once(tmp_path, address):
    started = time.monotonic()
    with pytest.raises(InputError, match="--address"):
        ray_engine.engine(address=address, quiet=True)(planned(tmp_path, [0], 2))
    assert time.monotonic() - started < 15
