"""The chain: what it promises for every section."""

import multiprocessing
import os

import numpy as np
import pytest
import toy

from collapse_utils import data, regimes
from collapse_utils.chain import run_chain
from collapse_utils.durable import files
from collapse_utils.durable.leases import Lease
from collapse_utils.durable.metrics import read_metrics
from collapse_utils.errors import InputError, RunError


def run(path, regime="replace", seed=0, shared=None, **fields):
    chain = toy.chain(regime, seed, **fields)
    section = toy.Gaussian(chain.config)
    return run_chain(section, chain, path, shared=shared), section


def values(rows, metric):
    return [row["value"] for row in rows if row["metric"] == metric]


EVERY = (*regimes.REGIMES, "fixed_real=0.3", "redrawn_real=0.3")


@pytest.mark.parametrize("regime", EVERY)
def test_every_regime_trains_on_what_it_says(tmp_path, regime):
    rows, _ = run(tmp_path / "run", regime)
    assert values(rows, "items") == [50 * regimes.training_size(regime, t) for t in range(1, 5)]
    assert (tmp_path / "run" / "DONE").exists()


@pytest.mark.parametrize("regime", EVERY)
def test_same_seed_same_bits(tmp_path, regime):
    one, _ = run(tmp_path / "a" / "run", regime)
    two, _ = run(tmp_path / "b" / "run", regime)
    assert one == two
    assert (tmp_path / "a/run/metrics.csv").read_bytes() == (
        tmp_path / "b/run/metrics.csv"
    ).read_bytes()
    other, _ = run(tmp_path / "c" / "run", regime, seed=1)
    assert one != other


def test_regimes_agree_with_a_loop_written_by_hand(tmp_path):
    """The accumulate chain against the same arithmetic without the chain's machinery."""
    from collapse_utils import seeds

    rows, section = run(tmp_path / "run", "accumulate")
    train, test = section.real_data()
    pool = [train]
    expected = []
    for t in range(1, 5):
        model = section.fit(np.concatenate(pool), 0, None)
        expected.append(section.evaluate(model, test)["negative_log_likelihood"])
        pool.append(section.sample(model, len(train), seeds.derive(0, "iteration", t, "sample", 0)))
    assert values(rows, "negative_log_likelihood") == expected


def test_a_mixed_chain_agrees_with_a_loop_written_by_hand(tmp_path):
    """A quarter of the 50 items is real; the same ones at every iteration."""
    from collapse_utils import seeds

    rows, section = run(tmp_path / "run", "fixed_real=0.24")
    train, test = section.real_data()
    kept = train[np.sort(seeds.generator(0, "real items").permutation(50)[:12])]
    data, expected = train, []
    for t in range(1, 5):
        model = section.fit(data, 0, None)
        expected.append(section.evaluate(model, test)["negative_log_likelihood"])
        synthetic = section.sample(model, 50, seeds.derive(0, "iteration", t, "sample", 0))
        data = np.concatenate([kept, synthetic[:38]])
    assert values(rows, "negative_log_likelihood") == expected
    assert values(rows, "items") == [50] * 4


def test_first_fit_and_first_generation_are_shared_by_all_regimes(tmp_path):
    fits = {}
    for regime in regimes.REGIMES:
        rows, _ = run(tmp_path / regime, regime)
        fits[regime] = (
            rows[0]["value"],
            (tmp_path / regime / "generation-01/block-00/items.npy").stat().st_ino,
        )
    assert len(set(map(str, fits.values()))) == 1  # the same numbers, and one file under four names
    hot, _ = run(tmp_path / "hot", temperature=0.3)
    # another temperature shares the fit ...
    assert len(list((tmp_path / ".shared").iterdir())) == 1
    assert hot[0] == read_metrics(tmp_path / "replace")[0]
    assert hot[3] != read_metrics(tmp_path / "replace")[3]  # ... and not the samples


def test_a_deleted_shared_folder_does_no_harm(tmp_path):
    whole, _ = run(tmp_path / "a" / "run", "accumulate")
    run(tmp_path / "b" / "run", "accumulate", iterations=4)
    import shutil

    shutil.rmtree(tmp_path / "b" / ".shared")
    (tmp_path / "b/run/DONE").unlink()
    shutil.rmtree(tmp_path / "b/run/generation-03")
    again, _ = run(tmp_path / "b" / "run", "accumulate")
    assert again == whole


class _Stop(Exception):
    pass


@pytest.mark.parametrize("regime", regimes.REGIMES)
@pytest.mark.parametrize("method", ["fit", "sample", "evaluate"])
@pytest.mark.parametrize("call", [1, 3])
def test_a_chain_that_stopped_anywhere_ends_with_the_same_bits(tmp_path, regime, method, call):
    whole, _ = run(tmp_path / "whole" / "run", regime)
    chain = toy.chain(regime)
    broken = toy.Gaussian(chain.config)
    original, calls = getattr(broken, method), []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == call:
            raise _Stop
        return original(*arguments)

    setattr(broken, method, failing)
    with pytest.raises(_Stop):
        run_chain(broken, chain, tmp_path / "run")
    assert not (tmp_path / "run" / "DONE").exists()
    assert not (tmp_path / "run" / "lease.json").exists()
    resumed, _ = run(tmp_path / "run", regime)
    assert resumed == whole


def test_a_finished_run_is_read_and_not_repeated(tmp_path):
    first, _ = run(tmp_path / "run")
    again, section = run(tmp_path / "run")
    assert again == first and section.fits == 0


def _run_in_process(path, regime, queue):
    _, section = run(path, regime)
    queue.put((regime, section.fits))


def test_processes_share_the_first_generation_and_agree(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    jobs = [
        context.Process(target=_run_in_process, args=(tmp_path / regime, regime, queue))
        for regime in regimes.REGIMES
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 4
    inodes = {
        (tmp_path / regime / "generation-01/block-00/items.npy").stat().st_ino
        for regime in regimes.REGIMES
    }
    assert len(inodes) == 1
    for regime in regimes.REGIMES:
        alone, _ = run(
            tmp_path / "alone" / regime, regime, shared=tmp_path / "alone" / f"shared-{regime}"
        )
        assert read_metrics(tmp_path / regime) == alone


@pytest.mark.parametrize(
    "fields, named", [({"items": 60}, "config.items"), ({"temperature": 0.5}, "config.temperature")]
)
def test_another_configuration_is_refused_by_field(tmp_path, fields, named):
    run(tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=named):
        run(tmp_path / "run", **fields)
    with pytest.raises(InputError, match="seed"):
        run(tmp_path / "run", seed=3)
    with pytest.raises(InputError, match="regime"):
        run(tmp_path / "run", "accumulate")
    assert before == {
        path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()
    }


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="--run-dir"):
        run(tmp_path / "thesis.tex")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match="can be written"):
        run(tmp_path / "locked" / "run")


def test_a_folder_that_no_one_can_write_is_refused():
    with pytest.raises(InputError, match="can be written"):
        run("/proc/run")


def test_a_live_owner_is_named(tmp_path):
    run(tmp_path / "run")
    (tmp_path / "run" / "DONE").unlink()
    with Lease(tmp_path / "run"), pytest.raises(RunError, match=f"process {os.getpid()}"):
        run(tmp_path / "run")


def test_a_dead_owner_is_followed_and_an_heir_keeps_the_old_owner_out(tmp_path):
    old = Lease(tmp_path).acquire()
    record = files.read_json(tmp_path / "lease.json")
    # a process that does not exist
    files.write_json(tmp_path / "lease.json", {**record, "pid": 2**22 + 1})
    with Lease(tmp_path) as heir:
        heir.check()
        with pytest.raises(RunError, match="lost its lease"):
            old.check()
    assert not (tmp_path / "lease.json").exists()


@pytest.mark.parametrize(
    "method, replacement, message",
    [
        ("fit", None, "no method fit"),
        (
            "sample",
            lambda model, size, seed: np.zeros((size - 1, 3)),
            "returned 49 items; asked for 50",
        ),
        ("sample", lambda model, size, seed: np.zeros((size, 2)), r"float64 array \(50, 2\)"),
        ("sample", lambda model, size, seed: np.zeros((size, 3), "f4"), "float32 array"),
        ("evaluate", lambda model, test: {}, "expected {metric name: value}"),
        ("evaluate", lambda model, test: {"loss": "low"}, "'loss' is 'low'"),
        ("evaluate", lambda model, test: {"loss": float("nan")}, "'loss' is nan"),
    ],
)
def test_mistakes_of_a_section_are_told_by_name(tmp_path, method, replacement, message):
    chain = toy.chain()
    section = toy.Gaussian(chain.config)
    setattr(section, method, replacement)
    with pytest.raises(RunError, match=message):
        run_chain(section, chain, tmp_path / "run")


def test_a_divergence_is_recorded_only_when_asked(tmp_path):
    """Both ways: stop names the metric; record keeps the outcome of that iteration and goes on."""

    def section_that_diverges(config):
        section = toy.Gaussian(config)
        original = section.evaluate

        def evaluate(model, test):
            bad = {"negative_log_likelihood": float("nan")} if section.fits == 2 else {}
            return {**original(model, test), **bad}

        section.evaluate = evaluate
        return section

    stop, record = toy.chain(), toy.chain(diverged="record")
    with pytest.raises(RunError, match=r"'negative_log_likelihood' is nan; .*diverged=record"):
        run_chain(section_that_diverges(stop.config), stop, tmp_path / "stop" / "run")
    rows = run_chain(section_that_diverges(record.config), record, tmp_path / "record" / "run")
    assert values(rows, "diverged") == [0.0, 1.0, 0.0, 0.0]
    losses = values(rows, "negative_log_likelihood")
    assert losses[1] == float("inf") and np.isfinite([losses[0], *losses[2:]]).all()
    assert "negative_log_likelihood,inf\n" in (tmp_path / "record/run/metrics.csv").read_text()
    assert run_chain(toy.Gaussian(record.config), record, tmp_path / "record" / "run") == rows
    plain = run_chain(toy.Gaussian(stop.config), stop, tmp_path / "plain" / "run")
    assert values(plain, "diverged") == []


def test_pool_reads_the_rows_of_a_concatenation():
    blocks = [np.arange(12).reshape(4, 3), np.arange(100, 106).reshape(2, 3)]
    whole = np.concatenate(blocks)
    pool = data.join(blocks)
    rows = np.array([5, 0, 5, 3])
    assert np.array_equal(pool[rows], whole[rows]) and np.array_equal(np.asarray(pool), whole)
    assert np.array_equal(pool[1:5], whole[1:5]) and np.array_equal(pool[-1], whole[-1])
    picked = data.join(blocks, np.array([1, 4, 5]))
    assert np.array_equal(picked[[2, 0]], whole[[5, 1]]) and len(picked) == 3


def test_data_survive_the_disk(tmp_path):
    from datasets import Dataset

    for index, items in enumerate(
        [np.zeros((3, 2), "u1"), Dataset.from_dict({"tokens": [[1, 2], [3]]})]
    ):
        folder = tmp_path / str(index)
        folder.mkdir()
        data.save(items, folder)
        assert data.checksum(data.load(folder)) == data.checksum(items)
        assert data.same_kind(data.load(folder)[:] if index == 0 else data.load(folder), items)
    changed = Dataset.from_dict({"tokens": [[1, 2], [4]]})
    assert data.checksum(changed) != data.checksum(items)


def test_notes_are_kept_as_they_will_be_read(tmp_path):
    section = toy.Gaussian(toy.chain().config)
    section.notes = lambda: {"gain": np.float32(0.5), "by_size": {2: 1, 10: np.int64(3)}}
    run_chain(section, toy.chain(), tmp_path / "run")
    done = files.read_checked(tmp_path / "run" / "DONE")
    assert done["notes"] == {"gain": 0.5, "by_size": {"2": 1, "10": 3}}
    section.notes = lambda: {"rows": np.zeros(3)}
    with pytest.raises(RunError, match="notes: returned a value that JSON cannot hold"):
        run_chain(section, toy.chain(), tmp_path / "other")
