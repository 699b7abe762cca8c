"""Code that changes while a run is under way is noticed, and named; what is finished is read."""

from __future__ import annotations

import json
import os

import forged
import numpy as np
import pytest
import toy

from collapse_utils import data
from collapse_utils.__main__ import main
from collapse_utils.chain import run_chain
from collapse_utils.durable import code, files, leases, provenance
from collapse_utils.durable.leases import Lease
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import InputError, Occupied

CHAIN = toy.chain("accumulate")


def run(folder, stop_at=None, **options):
    section = toy.Neural(CHAIN.config, stop_at)
    return run_chain(section, CHAIN, folder / "run", checkpoint_s=0, **options)


@pytest.fixture
def stopped(tmp_path):
    with pytest.raises(Interrupted):
        run(tmp_path, stop_at=(3, 7))
    return tmp_path


def test_a_run_notes_its_code_and_libraries(stopped):
    noted = json.loads((stopped / "run" / "config.json").read_text())["code"]
    assert noted == code.of("gaussian") and set(noted) == {"digest", *code.LIBRARIES}
    assert len(noted["digest"]) == 16 and noted["torch"]


def test_a_run_ends_on_a_machine_without_git(stopped, monkeypatch):
    monkeypatch.setattr(provenance, "SOURCE_TREE", stopped)
    (stopped / ".git").mkdir()
    monkeypatch.setenv("PATH", str(stopped))
    run(stopped)
    assert files.read_checked(stopped / "run" / "DONE")["commit"] is None


def test_the_digest_is_of_what_a_section_computes_with(tmp_path, monkeypatch):
    contents = {
        "chain.py": "1",
        "language/section.py": "2",
        "images/section.py": "3",
        "pages/x.py": "4",
        "training/loop.py": "5",
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "PACKAGE", tmp_path)

    def digest(section):
        code.digest.cache_clear()
        return code.digest(section)

    try:
        before = {section: digest(section) for section in ("language", "images", "own_model")}
        for name, moved in {
            "pages/x.py": set(),
            "images/section.py": {"images", "own_model"},
            "training/loop.py": {"language", "images", "own_model"},
        }.items():
            (tmp_path / name).write_text("changed")
            after = {section: digest(section) for section in before}
            assert {section for section in before if after[section] != before[section]} == moved
            before = after
    finally:
        code.digest.cache_clear()


@pytest.mark.parametrize(
    ("field", "output"), [("digest", "other code of this package"), ("torch", "torch 0.0")]
)
def test_a_run_that_other_code_began_is_refused_by_name_or_goes_on(stopped, field, output):
    noted = {**code.of("gaussian"), field: "0.0"}
    forged.describe(stopped / "run", code=noted)
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=rf"{output}.*--allow-changed-code"):
        run(stopped)
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before
    rows = run(stopped, allow_changed_code=True)
    done = files.read_checked(stopped / "run" / "DONE")
    assert done["changed_code"] == [{"code": code.of("gaussian"), "iterations": [3, 4]}]
    assert run(stopped) == rows  # it is finished


class Shown(toy.Gaussian):
    """The toy with a preview."""

    def preview(self, items, folder):
        (folder / "items.txt").write_text(str(items[:2]))


@pytest.mark.parametrize(
    ("damaged", "made"),
    [
        ("iteration-02/metrics.json", [2]),
        ("iteration-03/preview/items.txt", [3]),
        ("metrics.csv", []),
        ("DONE", []),
    ],
)
def test_the_provenance_of_a_finished_run_says_what_other_code_has_repaired(
    tmp_path, damaged, made
):
    def repair(**options):
        (tmp_path / "run" / damaged).write_text("{ cut sh")
        return run_chain(Shown(CHAIN.config), CHAIN, tmp_path / "run", **options)

    rows = run_chain(Shown(CHAIN.config), CHAIN, tmp_path / "run")
    before = files.read_checked(tmp_path / "run" / "DONE")
    assert repair() == rows  # by the code that has made the run: nothing to be noted
    assert "changed_code" not in files.read_checked(tmp_path / "run" / "DONE")
    forged.describe(tmp_path / "run", code={**code.of("gaussian"), "torch": "0.0"})
    with pytest.raises(InputError, match="--allow-changed-code"):
        repair()
    assert repair(allow_changed_code=True) == rows
    done = files.read_checked(tmp_path / "run" / "DONE")
    assert done["changed_code"] == [{"code": code.of("gaussian"), "iterations": made}]
    kept = before.keys() - (
        {"peak_memory_mb", "wall_s", "finished"} if damaged == "DONE" else set()
    )
    assert {name: done[name] for name in kept} == {name: before[name] for name in kept}


def test_a_repair_that_is_killed_has_said_before_what_it_makes(tmp_path):
    run_dir = tmp_path / "run"
    run(tmp_path)
    forged.describe(run_dir, code={**code.of("gaussian"), "numpy": "0.0"})
    (run_dir / "iteration-02" / "metrics.json").write_text("")
    (run_dir / "iteration-04" / "metrics.json").write_text("")

    class Killed(toy.Neural):
        def evaluate(self, model, real_test):
            if (run_dir / "iteration-02" / "metrics.json").exists():
                raise Interrupted(15)
            return super().evaluate(model, real_test)

    with pytest.raises(Interrupted):
        run_chain(Killed(CHAIN.config), CHAIN, run_dir, checkpoint_s=0, allow_changed_code=True)
    expected = [{"code": code.of("gaussian"), "iterations": [2, 4]}]
    assert files.read_checked(run_dir / "DONE")["changed_code"] == expected
    run(tmp_path)
    assert files.read_checked(run_dir / "DONE")["changed_code"] == expected


def test_code_that_comes_back_is_noted_with_what_it_makes(stopped):
    first, other = code.of("gaussian"), {**code.of("gaussian"), "numpy": "0.0"}
    forged.describe(stopped / "run", code=first)
    change = {"code": other, "iterations": [3]}
    files.write_checked(stopped / "run" / "changed-code.json", {"changes": [change]})
    run(stopped, allow_changed_code=True)
    done = files.read_checked(stopped / "run" / "DONE")
    assert done["changed_code"] == [change, {"code": first, "iterations": [3, 4]}]


def test_a_note_of_a_change_from_before_iterations_were_listed_is_kept(stopped):
    forged.describe(stopped / "run", code={"digest": "x"})
    change = {"iteration": 3, "code": code.of("gaussian")}
    files.write_checked(stopped / "run" / "changed-code.json", {"changes": [change]})
    run(stopped)
    done = files.read_checked(stopped / "run" / "DONE")
    assert done["changed_code"] == [{**change, "iterations": [3, 4]}]


def test_a_change_is_allowed_once(stopped):
    forged.describe(stopped / "run", code={**code.of("gaussian"), "numpy": "0.0"})
    with pytest.raises(Interrupted):
        run(stopped, stop_at=(1, 9), allow_changed_code=True)  # its fits 1 and 2 are done
    run(stopped)
    assert len(files.read_checked(stopped / "run" / "DONE")["changed_code"]) == 1


def test_a_finished_run_of_an_older_version_is_read_and_one_under_way_is_told_how_to_go_on(
    stopped, tmp_path_factory
):
    whole = tmp_path_factory.mktemp("whole")
    rows = run(whole)
    forged.describe(whole / "run", package_version="0.0.9", code={"digest": "x"})
    assert run(whole) == rows
    description = json.loads((stopped / "run" / "config.json").read_text())
    del description["code"], description["fingerprint"]
    sealed = {**description, "fingerprint": forged.fingerprint(description)}
    files.write_json(stopped / "run" / "config.json", sealed)
    with pytest.raises(InputError, match=r"no digest of its code.*--allow-changed-code"):
        run(stopped)
    assert run(stopped, allow_changed_code=True) == rows


def test_the_command_line_takes_the_way_on(tmp_path, capsys):
    words = [
        "run",
        "linear",
        "--set",
        "iterations=2",
        "--run-dir",
        str(tmp_path / "run"),
        "--quiet",
    ]
    assert main(words) == 0
    (tmp_path / "run" / "DONE").unlink()
    forged.describe(tmp_path / "run", code={"digest": "other"})
    assert main(words) == 2 and "--allow-changed-code" in capsys.readouterr().err
    assert main([*words, "--allow-changed-code"]) == 0


def test_a_process_of_another_container_keeps_its_lease(tmp_path, monkeypatch):
    """It has the same host name, and its number means nothing here."""
    owner = {"host": leases.socket.gethostname(), "space": "pid:[1]", "pid": 2**22 + 1}
    files.write_json(tmp_path / "lease.json", {**owner, "began": "long ago", "token": "its"})
    with pytest.raises(Occupied, match="is writing here"):
        Lease(tmp_path).acquire()
    assert leases.held(tmp_path)
    monkeypatch.setattr(leases, "WATCH_S", 0.3)
    os.utime(tmp_path / "lease.json", (1, 1))  # it has not been renewed for long
    with Lease(tmp_path) as heir:
        heir.check()


def test_a_run_directory_that_status_would_not_see_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not begin with a dot"):
        run_chain(toy.Gaussian(CHAIN.config), CHAIN, tmp_path / ".hidden")


def test_a_seed_may_be_an_integer_of_numpy(tmp_path):
    rows = [
        run_chain(toy.Gaussian(CHAIN.config), toy.chain(seed=seed), tmp_path / str(number))
        for number, seed in enumerate((3, np.int64(3)))
    ]
    assert rows[0] == rows[1]


def test_a_block_is_hashed_once_in_a_process(tmp_path, monkeypatch):
    seen = []
    original = files._file_checksum
    monkeypatch.setattr(files, "_file_checksum", lambda p: seen.append(p) or original(p))
    chain = toy.chain("accumulate", iterations=9)
    run_chain(toy.Gaussian(chain.config), chain, tmp_path / "run")
    blocks = [path for path in seen if path.name == "items.npy" and ".tmp" not in str(path)]
    assert len(blocks) == len(set(blocks)) == 0  # written here, and so known to be whole
    (tmp_path / "run" / "DONE").unlink()
    (tmp_path / "run" / "iteration-09" / "metrics.json").unlink()
    run_chain(toy.Gaussian(chain.config), chain, tmp_path / "run")
    blocks = [path for path in seen if path.name == "items.npy" and ".tmp" not in str(path)]
    assert len(blocks) == len(set(blocks)) == 8


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_long_chain_keeps_few_files_open(tmp_path):
    most = []

    class Watched(toy.Gaussian):
        def fit(self, training_data, seed, checkpoint):
            most.append(len(os.listdir("/proc/self/fd")))
            return super().fit(training_data, seed, checkpoint)

    chain = toy.chain("accumulate", iterations=data.MAX_OPEN_FILES + 30)
    run_chain(Watched(chain.config), chain, tmp_path / "run")
    assert most[-1] - most[0] < 10 < max(most) - most[0] <= data.MAX_OPEN_FILES + 5


def test_many_generations_are_one_training_set(tmp_path):
    blocks = []
    for number in range(data.MAX_OPEN_FILES + 3):
        np.save(tmp_path / f"{number}.npy", np.full((2, 3), number))
        blocks.append(data.lazy(np.load(tmp_path / f"{number}.npy", mmap_mode="r")))
    pool = data.join(blocks)
    assert np.array_equal(pool[:][::2, 0], range(len(blocks)))
