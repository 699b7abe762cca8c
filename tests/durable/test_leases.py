"""A run directory has one owner: processes, machines and clocks that argue about it, all of them
real.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import forged
import pytest
import toy

from collapse_utils import own
from collapse_utils.chain import run_chain
from collapse_utils.durable import files, leases, resume
from collapse_utils.durable.leases import Lease
from collapse_utils.errors import Occupied, RunError
from collapse_utils.templates.numpy_model import MyModel


def long_ago(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, time.time() - seconds))


@pytest.mark.parametrize("jump_s", [-86400, 86400])
def test_a_clock_that_jumps_takes_no_lease_from_a_living_process(tmp_path, monkeypatch, jump_s):
    real = time.time
    with Lease(tmp_path) as lease:
        monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        long_ago(lease.path, jump_s)  # what the jump has left on the disk
        with pytest.raises(RunError, match=f"process {os.getpid()}"):
            Lease(tmp_path).acquire()
        lease.check()


@pytest.mark.parametrize("jump_s", [-86400, 86400])
def test_a_clock_that_jumps_takes_no_lease_from_another_machine(tmp_path, monkeypatch, jump_s):
    """An owner elsewhere whose heart beats keeps its lease; one whose heart has stopped loses
    it.
    """
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(leases, "WATCH_S", 1.0)
    real = time.time
    lease = Lease(tmp_path).acquire()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    with pytest.raises(RunError, match=f"process {os.getpid()} on "):
        Lease(tmp_path).acquire()
    lease._stop.set()  # its machine has lost its power
    time.sleep(0.3)
    with Lease(tmp_path) as heir:
        heir.check()
        with pytest.raises(RunError, match="lost its lease"):
            lease.check()


def test_a_lease_that_cannot_be_read_is_given_up_when_nobody_renews_it(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "WATCH_S", 0.3)
    (tmp_path / "lease.json").write_bytes(b"\0" * 40)
    with pytest.raises(RunError, match="another process is writing here"):
        Lease(tmp_path).acquire()
    long_ago(tmp_path / "lease.json", 1000)
    with Lease(tmp_path) as lease:
        lease.check()


def test_of_many_heirs_one_gets_the_lease(tmp_path):
    record = {"host": socket.gethostname(), "pid": 2**22 + 1, "began": "long ago", "token": "dead"}
    files.write_json(tmp_path / "lease.json", record)
    got, refused, barrier = [], [], threading.Barrier(8)

    def heir():
        barrier.wait()
        try:
            got.append(Lease(tmp_path).acquire())
        except RunError:
            refused.append(1)

    threads = [threading.Thread(target=heir) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holders = []
    for lease in got:
        try:
            lease.check()
            holders.append(lease)
        except RunError:
            pass
    assert len(holders) == 1 and len(got) + len(refused) == 8
    holders[0].release()


DRIVER = """
import os, signal, socket, sys
if sys.argv[1] != "-":
    socket.gethostname = lambda: sys.argv[1]
from collapse_utils.durable import files
from collapse_utils.__main__ import main

dumps, times = files.json.dumps, 0

def dumps_and_falls_asleep(value, **how):
    global times
    if isinstance(value, dict) and sys.argv[2] in value:
        times += 1
        if times == 9:
            os.kill(os.getpid(), signal.SIGSTOP)
    return dumps(value, **how)

files.json.dumps = dumps_and_falls_asleep
sys.exit(main(sys.argv[3:]))
"""


def start(run_dir: Path, *assignments: str, host: str = "-", asleep: str = "-") -> subprocess.Popen:
    """A real process that runs a linear chain, on a machine of the given name.  It falls asleep
    while it writes the ninth file of JSON with the field ``asleep``.
    """
    fields = [word for assignment in assignments for word in ("--set", assignment)]
    command = ["run", "linear", *fields, "--run-dir", str(run_dir), "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, host, asleep, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


LONG = ("iterations=40", "d=8", "T=32", "repeats=400")


def test_two_processes_on_one_folder(tmp_path):
    """The second leaves with the owner's name; after kill -9 of the owner the next one goes on at
    once.
    """
    owner = start(tmp_path / "run", *LONG)
    wait_for(tmp_path / "run" / "generation-02", owner)
    owner.send_signal(signal.SIGSTOP)  # alive, and slow
    second = start(tmp_path / "run", *LONG)
    output = second.communicate(timeout=300)[1]
    assert second.returncode == Occupied.STATUS
    assert output == (
        f"error: {tmp_path / 'run'}: process {owner.pid} on {socket.gethostname()} is writing "
        "here\n"
    )
    # not waited for: a dead process that its parent has not buried is dead all the same
    owner.kill()
    time.sleep(0.1)
    heir = start(tmp_path / "run", *LONG)
    assert heir.communicate(timeout=300)[1] == "" and heir.returncode == 0
    owner.communicate()
    alone = start(tmp_path / "alone" / "run", *LONG)
    alone.communicate(timeout=300)
    assert (tmp_path / "run/metrics.csv").read_bytes() == (
        tmp_path / "alone/run/metrics.csv"
    ).read_bytes()


def snapshot(folder: Path) -> dict:
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}


def wait_for_sleep(process: subprocess.Popen) -> None:
    stopped = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert stopped.si_code == os.CLD_STOPPED, process.communicate()


@pytest.mark.parametrize("file", ["phase", "items.npy", "training_items"])
def test_an_orphan_that_wakes_up_cannot_write(tmp_path, monkeypatch, file):
    """Its machine slept in the middle of a write (of progress, a block, a record): the heartbeat
    stopped, another process took over and finished, and then it goes on.
    """
    orphan = start(tmp_path / "run", *LONG, host="elsewhere", asleep=file)
    wait_for_sleep(orphan)
    try:
        monkeypatch.setattr(leases, "WATCH_S", 0.5)
        long_ago(tmp_path / "run" / "lease.json", 1000)
        shared = next((tmp_path / ".shared").glob("*/lease.json"), None)
        assert shared is None
        from collapse_utils.__main__ import main

        fields = [word for assignment in LONG for word in ("--set", assignment)]
        assert main(["run", "linear", *fields, "--run-dir", str(tmp_path / "run"), "--quiet"]) == 0
        before = snapshot(tmp_path / "run")
    finally:
        orphan.send_signal(signal.SIGCONT)
    output = orphan.communicate(timeout=300)[1]
    assert orphan.returncode == Occupied.STATUS
    assert (
        output
        == f"error: {tmp_path / 'run'}: this process has lost its lease; it stops without writing\n"
    )
    after = snapshot(tmp_path / "run")
    assert {path: state for path, state in after.items() if path.is_file()} == {
        path: state for path, state in before.items() if path.is_file()
    }


@pytest.mark.parametrize("file", ["config.json", "changed-code.json"])
def test_a_process_that_loses_its_lease_before_the_run_begins_writes_nothing(
    tmp_path, monkeypatch, file
):
    chain = toy.chain()
    section, run_dir = toy.Gaussian(chain.config), tmp_path / "run"
    if file != "config.json":  # a run that other code has begun
        run_chain(section, chain, run_dir)
        (run_dir / "DONE").unlink()
        forged.describe(run_dir, code={"digest": "x"})
    heirs = []

    def taken(directory):
        (directory / "lease.json").unlink()
        heirs.append(Lease(directory).acquire())

    monkeypatch.setattr(resume, "remove_leftovers", taken)
    with pytest.raises(Occupied, match="lost its lease"):
        run_chain(section, chain, run_dir, allow_changed_code=True)
    heirs[0].release()
    assert not (run_dir / file).exists()


def test_a_disk_without_hard_links_has_leases_and_runs_give_the_same_numbers(tmp_path, monkeypatch):
    """As Google Drive on Colab, where the parameter ``runs = "drive"`` keeps run directories."""

    def rows(folder):
        arguments = {"iterations": 2, "seeds": [0], "regimes": ["replace", "accumulate"]}
        return own.experiment(MyModel(items=20), folder, check=False, **arguments)

    linked = rows(tmp_path / "linked")

    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    assert rows(tmp_path / "unlinked").equals(linked)
    with Lease(tmp_path / "lease") as lease:
        with pytest.raises(Occupied, match=f"process {os.getpid()}"):
            Lease(tmp_path / "lease").acquire()
        lease.check()
    Lease(tmp_path / "lease").acquire().release()
