"""Sweeps: their chains, who runs them, what is shown, and what a killed sweep leaves."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import own_models
import processes
import psutil
import pytest

from collapse_utils import __version__, regimes
from collapse_utils.__main__ import main
from collapse_utils.durable import files, leases, progress
from collapse_utils.durable.leases import process_start
from collapse_utils.durable.run_dir import fingerprint
from collapse_utils.errors import InputError, Occupied, RunError
from collapse_utils.sweeps import jobs, live, local, ray_engine, ray_worker, status
from collapse_utils.sweeps.local import log_failure, start

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--set", "iterations=2", "--set", "repeats=4"]
SLOW = ["--set", "iterations=50", "--set", "repeats=30"]  # a second or two


def planned(out, seeds=(0, 1, 2), names=("linear",), **options):
    return jobs.plan(list(names), "smoke", list(seeds), ["replace", "accumulate"], out, **options)


@pytest.mark.parametrize("parts", [1, 2, 4, 6, 9])
def test_shards_are_a_partition_in_order(tmp_path, parts):
    every = planned(tmp_path)
    shards = [jobs.shard(every, f"{part}/{parts}") for part in range(parts)]
    assert [job for shard in shards for job in shard] == every
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_shard_of_whole_seeds_does_not_wait_for_others(tmp_path):
    assert [
        {job.seed for job in jobs.shard(planned(tmp_path), f"{part}/3")} for part in range(3)
    ] == [{0}, {1}, {2}]


def test_two_spellings_of_a_chain_are_one_job(tmp_path):
    assert len(planned(tmp_path, [0], vary=["sigma2=1.0,1"])) == 2  # one of each regime


BAD = [
    (["--shard", "4/4"], "--shard", "K/N"),
    (["--shard", "1"], "--shard", "K/N"),
    (["--shard", "-1/2"], "--shard", "K/N"),
    (["--engine", "slurm"], "--engine", "one of local, ray"),
    (["--gpus-per-job", "1"], "--gpus-per-job", "--engine ray"),
    (["--copy-back"], "--copy-back", "--engine ray"),
    (["--divide", "2"], "--divide", "--engine ray"),
    (["--notebook", "missing.ipynb"], "--notebook", "a notebook"),
]


@pytest.mark.parametrize("arguments, field, allowed", BAD, ids=[" ".join(case[0]) for case in BAD])
def test_bad_options_are_one_line_and_change_nothing(
    tmp_path, monkeypatch, capsys, arguments, field, allowed
):
    monkeypatch.chdir(tmp_path)
    assert (
        main(
            [
                "sweep",
                "linear",
                *TINY,
                "--out",
                "runs",
                *[f"{arguments[0]}={word}" for word in arguments[1:]],
                *(arguments if len(arguments) == 1 else []),
            ]
        )
        == 2
    )
    output = capsys.readouterr().err.strip()
    assert (
        output.count("\n") == 0 and output.startswith(f"error: {field}: got ") and allowed in output
    )
    assert list(tmp_path.iterdir()) == []


def test_without_ray_the_engine_is_refused_and_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["sweep", "linear", *TINY, "--out", str(tmp_path / "runs"), "--engine", "ray"]) == 2
    assert "collapse_utils[cluster]" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_list_runs_nothing(tmp_path, capsys):
    out = tmp_path / "runs"
    arguments = [
        "sweep",
        "linear",
        *TINY,
        "--seeds",
        "0-1",
        "--regimes",
        "replace",
        "--out",
        str(out),
    ]
    assert main([*arguments, "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        len(lines) == 2 and lines[1].split()[0] == "1" and "seed-1" in lines[1] and not out.exists()
    )
    assert main([*arguments, "--shard", "1/2", "--quiet"]) == 0
    assert "1 of 1 chains are done" in capsys.readouterr().out
    assert main([*arguments, "--list"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["-", "done"]
    assert main(["status", str(out)]) == 0  # the other part is known to be wanted, too
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith("waiting  0") and output[1].startswith("done     2/2")
    assert output[2] == "2 chains: 1 waiting, 1 done"


def test_a_slurm_array_makes_what_a_local_sweep_makes(tmp_path):
    """The body of the recipe, for every task of an array of three."""
    arguments = ["linear", *TINY, "--seeds", "0-1", "--regimes", "replace,accumulate"]
    assert main(["sweep", *arguments, "--out", str(tmp_path / "local"), "--quiet"]) == 0
    script = str(ROOT / "book" / "slurm" / "sweep.sbatch")
    output = []
    for task in range(1, 4):  # an array need not begin at 0
        environment = {
            **os.environ,
            "PYTHON": sys.executable,
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": "1",
            "SLURM_ARRAY_TASK_COUNT": "3",
        }
        done = subprocess.run(
            ["bash", script, *arguments, "--out", str(tmp_path / "slurm")],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        output.append(done.stdout.split(" chains")[0])
    assert output == ["2 of 2", "1 of 1", "1 of 1"]
    local, slurm = (sorted((tmp_path / name).rglob("metrics.csv")) for name in ("local", "slurm"))
    assert len(local) == 4 and [path.read_bytes() for path in local] == [
        path.read_bytes() for path in slurm
    ]


def test_slurm_s_warning_stops_a_task_and_the_same_task_goes_on(tmp_path):
    script = str(ROOT / "book" / "slurm" / "sweep.sbatch")
    arguments = ["linear", *SLOW, "--regimes", "accumulate", "--out", str(tmp_path / "slurm")]
    requeued = tmp_path / "bin" / "scontrol"  # stands in for Slurm's own
    requeued.parent.mkdir()
    requeued.write_text(f"#!/bin/sh\necho $* > {tmp_path}/requeued\n")
    requeued.chmod(0o755)
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "SLURM_ARRAY_TASK_ID": "0",
        "SLURM_ARRAY_TASK_COUNT": "1",
        "SLURM_ARRAY_JOB_ID": "77",
        "PATH": f"{requeued.parent}:{os.environ['PATH']}",
    }
    (job,) = jobs.plan(
        ["linear"], "smoke", [0], ["accumulate"], tmp_path / "slurm", assignments=SLOW[1::2]
    )
    process = subprocess.Popen(
        ["bash", script, *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    while progress.iterations_done(progress.read(job.run_dir)) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0 and (tmp_path / "requeued").read_text().split() == [
        "requeue",
        "77_0",
    ]
    assert not job.done() and not leases.held(job.run_dir)
    subprocess.run(
        ["bash", script, *arguments], env=environment, cwd=ROOT, check=True, capture_output=True
    )
    assert job.done()


def start_sweep(out, *options, **pipes):
    words = ["sweep", "linear", *SLOW, "--regimes", "replace", "--out", out]
    return processes.start(*words, *options, **(pipes or {"stdout": subprocess.PIPE}))


@pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own"
)
def test_the_chains_of_a_killed_sweep_stop_and_the_next_one_goes_on(tmp_path):
    (job,) = jobs.plan(["linear"], "smoke", [0], ["replace"], tmp_path, assignments=SLOW[1::2])
    first = start_sweep(tmp_path, "--quiet")
    processes.wait_for_fits(job.run_dir, first)
    chain = psutil.Process(leases.owner(job.run_dir).pid)
    first.kill()
    chain.wait(20)
    assert not job.done()
    second = start_sweep(tmp_path, "--quiet")
    assert "1 of 1 chains are done" in second.communicate()[0] and job.done()


def test_ctrl_c_in_a_terminal_asks_a_chain_to_stop_once(tmp_path):
    """The terminal interrupts the sweep's process group, and the sweep its chains."""
    (job,) = jobs.plan(["linear"], "smoke", [0], ["replace"], tmp_path, assignments=SLOW[1::2])
    process = start_sweep(tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    processes.wait_for_fits(job.run_dir, process)
    os.killpg(process.pid, signal.SIGINT)
    assert (
        process.communicate()[1].strip() == "stopped; run the same command again to resume"
        and process.returncode == 130
    )
    assert job.log.read_text() == "stopped; run the same command again to resume\n"
    assert not leases.held(job.run_dir)


def test_a_chain_that_another_process_finished_meanwhile_is_done_and_not_failed(
    tmp_path, monkeypatch
):
    """The other process was running when ours started, and had ended a moment later."""
    (job,) = jobs.plan(["linear"], "smoke", [0], ["replace"], tmp_path, assignments=TINY[1::2])

    def start_too_late(job):
        with leases.Lease(job.run_dir):
            process = start(job)
            assert process.wait() == Occupied.STATUS
        assert main(job.command()[3:]) == 0
        return process

    monkeypatch.setattr(local, "start", start_too_late)
    assert local.run([job], quiet=True) == [] and job.done()


def test_two_sweeps_on_one_folder_share_the_work(tmp_path):
    together = [start_sweep(tmp_path, "--seeds", "0-2", "--jobs", "1", "--quiet") for _ in range(2)]
    assert ["3 of 3" in process.communicate()[0] for process in together] == [True, True]


class Script(jobs.Job):
    """A job whose process runs the text in the place of its section."""

    def command(self):
        return [sys.executable, "-c", self.section]


def test_a_chain_that_two_sweeps_start_at_once_has_one_whole_log(tmp_path):
    begun, end = tmp_path / "begun", tmp_path / "end"
    os.mkfifo(begun)
    os.mkfifo(end)
    (job,) = planned(tmp_path, [0])[:1]
    running = f"open({str(begun)!r}, 'w').close(); open({str(end)!r}).read(); print('the last')"
    running = f"print('the first', flush=True); {running}"

    def script(text):
        return start(Script(**{**vars(job), "section": text}))

    first = script(running)
    begun.open().close()  # the first line is in the log, and its process runs
    assert script("print('in use')").wait() == 0
    end.open("w").close()
    assert first.wait() == 0
    assert job.log.read_text() == "the first\nin use\nthe last\n"
    assert script("print('later')").wait() == 0  # a log is that of the last process
    assert job.log.read_text() == "later\n"


def test_a_disk_without_locks_has_logs(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(local.fcntl, "flock", refuse)
    (job,) = planned(tmp_path, [0])[:1]
    for text in ("one", "two"):
        assert start(Script(**{**vars(job), "section": f"print('{text}')"})).wait() == 0
    assert job.log.read_text() == "two\n"


# Runs that come back from a disk of their own; the plain functions, without Ray


def test_a_run_that_is_damaged_on_its_way_back_is_not_done(tmp_path):
    (there,) = planned(tmp_path / "there", [0], assignments=TINY[1::2])[:1]
    (here,) = planned(tmp_path / "here", [0], assignments=TINY[1::2])[:1]
    assert local.run([there], quiet=True) == []
    ray_worker.unpack(here, ray_worker.pack(there, complete=True))
    assert here.done()
    shutil.rmtree(here.run_dir)
    block = next(there.run_dir.glob("generation-*/block-*/*.npy"))
    block.write_bytes(block.read_bytes()[:-1] + b"!")
    with pytest.raises(RunError, match=f"damaged: .*{block.name}"):
        ray_worker.unpack(here, ray_worker.pack(there, complete=True))
    assert not here.done() and here.log.exists()


@pytest.mark.parametrize("status", [0, 1])
def test_a_node_keeps_what_a_failed_chain_has_done(tmp_path, monkeypatch, status):
    """And sends its log; what a finished chain has left there is sent back and removed."""
    (job,) = planned(tmp_path / "here", [0])[:1]
    there = []

    def finish(moved, report, variables):
        there.append(moved)
        (moved.run_dir / "iteration-01").mkdir(parents=True)
        moved.log.write_text("its last words")
        return status

    monkeypatch.setattr(ray_worker, "_scratch", lambda: tmp_path / "scratch")
    monkeypatch.setattr(ray_worker, "finish", finish)
    _, archive = ray_worker.run_job(job, "", True, __version__, None, None)
    ray_worker.unpack(job, archive)
    assert job.log.read_text() == "its last words"
    assert job.run_dir.exists() == (status == 0)
    assert [path.exists() for path in (there[0].run_dir, there[0].log)] == [status != 0] * 2


def test_a_full_disk_stops_no_sweep_for_the_note_of_its_progress(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "open", full, raising=False)
    progress.write_elsewhere(tmp_path / "seed-0", {**STATE, "host": "node-7"})
    assert progress.read_elsewhere(tmp_path / "seed-0") == {}


def test_an_own_model_by_a_relative_path_is_found_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(own_models.__file__).parent)
    (job,) = jobs.plan(["own_models.py:Normal"], "own", [0], ["replace"], Path("runs"))
    assert ray_engine._absolute(job).section == f"{own_models.__file__}:Normal"
    (job,) = jobs.plan(["own_models:Normal"], "own", [0], ["replace"], Path("runs"))
    assert ray_engine._absolute(job).section == "own_models:Normal"


# What is shown


STATE = {
    "iteration": 2,
    "iterations": 4,
    "phase": "fitting",
    "step": 30,
    "steps": 60,
    "seconds": 130.0,
    "loss": 2.5,
    "items_per_s": 812.34,
}


def test_time_left_counts_that_accumulate_trains_longer_with_every_iteration():
    # 1.3 of 4 iterations in 130 s.  Under replace every iteration costs the same: 270 s are left.
    assert progress.seconds_left(STATE, "replace") == pytest.approx(270)
    # Under accumulate iteration t costs t: 1 + 0.3 * 2 = 1.6 of 10 are done.
    assert progress.seconds_left(STATE, "accumulate") == pytest.approx(130 * 8.4 / 1.6)
    assert progress.seconds_left({**STATE, "iteration": 1, "step": 0}, "replace") is None
    assert progress.seconds_left({**STATE, "iteration": 4, "phase": "done"}, "accumulate") == 0


@pytest.mark.parametrize("regime", [*regimes.REGIMES, "fixed_real=0.5"])
def test_time_left_is_in_proportion_to_what_each_iteration_trains_on(regime):
    sizes = [regimes.training_size(regime, t) for t in range(1, 5)]
    done = sizes[0] + 0.3 * sizes[1]  # of STATE
    left = 130 * (sum(sizes) - done) / done
    assert progress.seconds_left(STATE, regime) == pytest.approx(left)


@pytest.mark.parametrize(
    "forged",
    [
        {"iteration": 0},
        {"iteration": -3},
        {"iteration": 5},
        {"iterations": 0, "phase": "done"},
        {"iteration": 10**14, "iterations": 10**14},
        {"iterations": 10**14},
        {"step": -30},
        {"steps": -60},
        {"seconds": -130.0},
        {"items_per_s": -1.0},
    ],
)
def test_a_state_with_numbers_that_no_run_has_is_passed_over(tmp_path, forged):
    (job,) = planned(tmp_path, [0])[:1]
    run_dir_of(job, **forged)
    assert progress.read(job.run_dir) == {}
    (row,) = status.rows(tmp_path)
    assert (row.state, row.finished) == ("stopped", "0.0/4")


def test_a_state_of_another_number_of_iterations_is_not_counted(tmp_path):
    (job,) = planned(tmp_path, [0])[:1]
    run_dir_of(job, iteration=900, iterations=1000)
    (row,) = status.rows(tmp_path)
    assert row.finished == "0.0/4"


def test_time_left_of_odd_but_possible_states():
    late = {**STATE, "step": 90}  # an own model that counts on after its last step
    assert progress.iterations_done(late) == 1.6
    long = {**STATE, "iteration": 10**6, "iterations": 10**6}
    assert 0 < progress.seconds_left(long, "accumulate") < 1
    assert progress.seconds_left(STATE, "etc") is None
    endless = {**STATE, "iteration": 1, "step": 1, "steps": 10**14}
    for state, regime in ((STATE, "etc"), (endless, "replace")):
        assert "left" not in progress.describe(state, regime)


def test_a_running_chain_in_words():
    output = "iteration 2, fitting, step 30/60, loss 2.5, 812.3 items/s, 4 min left"
    assert progress.describe(STATE, "replace") == output
    exact = {key: value for key, value in STATE.items() if key not in ("loss", "items_per_s")}
    assert progress.describe({**exact, "steps": 0, "step": 0, "iteration": 3}, "replace") == (
        "iteration 3, fitting, 65 s an iteration, 2 min left"
    )
    assert [progress.duration(s) for s in (4, 600, 36000)] == ["4 s", "10 min", "10.0 h"]


def run_dir_of(job, **state):
    """A run directory as a chain under way leaves it."""
    job.run_dir.mkdir(parents=True)
    description = {
        "section": "linear",
        "variant": "",
        "regime": job.regime,
        "seed": job.seed,
        "config": {"iterations": 4},
        "preset": "smoke",
        "data": {"source": "gaussian", "train_items": 1, "test_items": 1, "train": "", "test": ""},
    }
    sealed = {**description, "fingerprint": fingerprint(description)}
    files.write_json(job.run_dir / "config.json", sealed)
    files.write_json(job.run_dir / "progress.json", {**STATE, **state})
    return job.run_dir


def test_status_tells_every_state_and_the_owner(tmp_path, capsys):
    every = planned(tmp_path)  # accumulate and replace of seeds 0, 1, 2
    jobs.save_plan(every)
    lease = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began": process_start(os.getpid()),
        "token": "x",
    }
    files.write_json(run_dir_of(every[0]) / "lease.json", lease)
    elsewhere = run_dir_of(every[1]) / "lease.json"
    files.write_json(elsewhere, {**lease, "host": "node-7", "pid": 12})
    dead = run_dir_of(every[2]) / "lease.json"
    files.write_json(dead, {**lease, "host": "node-8"})
    os.utime(dead, (time.time() - 1000, time.time() - 1000))
    run_dir_of(every[3])
    every[3].log.write_text("reading data\nerror: training: the loss is nan at step 3 of 60\n")
    run_dir_of(every[4])
    every[4].log.write_text("stopped; run the same command again to resume\n")
    rows = {row.label: row for row in status.rows(tmp_path)}
    assert [rows[job.label].state for job in every] == [
        "running",
        "running",
        "stopped",
        "failed",
        "stopped",
        "waiting",
    ]
    assert rows[every[0].label].finished == "1.3/4"
    assert (
        f"812.3 items/s, 11 min left (process {os.getpid()} on {socket.gethostname()})"
        in rows[every[0].label].note
    )
    assert "(process 12 on node-7)" in rows[every[1].label].note
    assert rows[every[2].label].note == f"process {os.getpid()} on node-8 has died"
    assert "the loss is nan" in rows[every[3].label].note
    assert main(["status", str(tmp_path)]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "6 chains: 2 running, 1 failed, 2 stopped, 1 waiting"
    )


def test_status_of_a_silent_run_and_of_a_damaged_one(tmp_path):
    first, second = planned(tmp_path, [0])
    lease = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began": process_start(os.getpid()),
        "token": "x",
    }
    files.write_json(run_dir_of(first) / "lease.json", lease)
    os.utime(first.run_dir / "progress.json", (time.time() - 600, time.time() - 600))
    (run_dir_of(second) / "config.json").write_text("{ cut sh")
    output = [str(row) for row in status.rows(tmp_path)]
    assert any("silent for 10 min" in line for line in output)
    assert any(line.startswith("failed") and "not readable as JSON" in line for line in output)


def test_a_chain_that_is_killed_says_by_what(tmp_path):
    (job,) = jobs.plan(["linear"], "smoke", [0], ["replace"], tmp_path, assignments=SLOW[1::2])
    process = start(job)
    # its config.json is there, too
    while not (leases.held(job.run_dir) and (job.run_dir / "progress.json").exists()):
        time.sleep(0.02)
    process.kill()
    log_failure(job, process.wait())
    assert progress.last_line(job.log) == "error: killed by SIGKILL (often: out of memory)"
    assert [row.state for row in status.rows(tmp_path)] == ["failed"]


@pytest.mark.parametrize(("how", "output"), [("pipe", "Broken pipe"), ("exit", "sys.exit(0)")])
def test_a_run_whose_model_breaks_a_pipe_or_exits_has_failed(tmp_path, capsys, how, output):
    words = ["run", f"{own_models.__file__}:Quitting", "--arg", f"how={how}", "--quiet"]
    assert main([*words, "--run-dir", str(tmp_path / "run")]) == 1
    assert output in capsys.readouterr().err


def test_a_chain_whose_process_ends_well_without_finishing_has_failed(tmp_path):
    model = f"{own_models.__file__}:Quitting"
    (job,) = jobs.plan([model], "own", [0], ["replace"], tmp_path, arguments=["how=process"])
    assert local.run([job], quiet=True) == [job]
    assert [row.state for row in status.rows(tmp_path)] == ["failed"]
    assert "before the chain was finished" in progress.last_line(job.log)


def test_a_listing_whose_reader_has_seen_enough_is_no_failure(tmp_path, monkeypatch):
    def cut(*_):
        raise BrokenPipeError

    monkeypatch.setattr(jobs, "listing", cut)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["sweep", "linear", *TINY, "--out", str(tmp_path), "--list"]) == 0


def test_the_live_table_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(live, "_in_terminal", lambda: True)
    first, second = planned(tmp_path, [0])
    shown = live.Live([first, second], quiet=False)
    for job in (first, second):
        shown.started(job)
        run_dir_of(job)
        shown.update(job)
    second.log.write_text("error: out of luck\n")
    shown.ended(second, failed=True)
    shown.ended(first, failed=False)
    shown.close()
    output = capsys.readouterr().err
    assert (
        "linear accumulate seed 0" in output
        and "iteration 2, fitting, step 30/60, loss 2.5, 812.3 items/s" in output
    )
    assert "failed: linear replace seed 0: error: out of luck" in output
    assert "1/2" in output and "1 failed" in output


def test_the_live_table_in_a_file_and_quiet(tmp_path, capsys):
    first, second = planned(tmp_path, [0])
    shown = live.Live([first, second], quiet=False)
    shown.ended(first, failed=False, ran=False)
    second.log.parent.mkdir(parents=True)
    second.log.write_text("error: out of luck\n")
    shown.ended(second, failed=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "done: linear accumulate seed 0 (1 of 2)",
        "failed: linear replace seed 0: error: out of luck",
    ]
    shown = live.Live([first, second], quiet=True)
    shown.ended(second, failed=True)
    assert capsys.readouterr().err == ""


def test_a_plan_with_a_path_that_leaves_the_folder_is_read_as_text_only(tmp_path):
    (tmp_path / "sweep-1.json").write_text(
        json.dumps({"jobs": [{"chain": "x", "run_dir": "../../etc"}]})
    )
    assert [row.state for row in status.rows(tmp_path)] == ["waiting"]


@pytest.mark.parametrize("content", [None, 3, "text"])
def test_a_plan_without_a_list_of_jobs_is_named(tmp_path, content):
    (tmp_path / "sweep-1.json").write_text(json.dumps({"jobs": content}))
    with pytest.raises(RunError, match=r"sweep-1\.json: is not the plan of a sweep"):
        status.rows(tmp_path)


def test_a_command_whose_parent_is_gone_does_not_start(tmp_path):
    with_parent = ROOT / "collapse_utils" / "sweeps" / "with_parent.py"
    words = [
        sys.executable,
        str(with_parent),
        "1",
        sys.executable,
        "-c",
        f"open({str(tmp_path / 'ran')!r}, 'w')",
    ]
    if sys.platform == "linux":
        assert subprocess.run(words).returncode == 128 + signal.SIGTERM
        assert not (tmp_path / "ran").exists()
    with pytest.raises(InputError):
        jobs.shard([], "0/0")
