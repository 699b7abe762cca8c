"""One generation made by several processes: any order, any maker, the same bits."""

from __future__ import annotations

import pickle
import threading
from functools import partial
from pathlib import Path

import molecule_toys
import numpy as np
import pytest
from tiny import TINY, tiny

from collapse_utils import data, sections
from collapse_utils.__main__ import main
from collapse_utils.durable.checkpoints import Checkpoint, Pieces, in_order
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import RunError
from collapse_utils.sweeps import divided

SOON = 60  # seconds after which a test fails that waits for another thread


@pytest.mark.parametrize("name", ["language", "images", "molecules"])
def test_a_copy_of_the_pieces_makes_the_same_items_in_any_order(name, tmp_path, monkeypatch):
    monkeypatch.setattr("collapse_utils.language.section.PIECE_BATCHES", 1)
    options = {"preset": "smoke", "regime": "replace", "seed": 0}
    if name == "molecules":
        molecule_toys.write_sdf(tmp_path / "toys.sdf")
        options["data"] = str(tmp_path / "toys.sdf")
    words = tiny(name, sample_batch=6)[1::2]
    section, _ = sections.make(name, **options, assignments=words)
    model = section.fit(section.real_data()[0], 3, Checkpoint(tmp_path))

    def elsewhere(makes):
        copies = pickle.loads(pickle.dumps(list(makes)))
        assert len(copies) > 2
        return [(number, make()) for number, make in reversed(list(enumerate(copies)))]

    here, there = section.sample(model, 16, 5), section.sample(model, 16, 5, elsewhere)
    assert data.checksum(here) == data.checksum(there)


def pieces(count: int, before=lambda: None) -> dict:
    """Pieces whose content is their number; ``before`` is called before one is made."""

    def make(number):
        before()
        return np.full(3, number)

    return {number: partial(make, number) for number in range(count)}


def collect(makes, workers, begin, stop=lambda: None):
    """What is yielded and what is kept, both in the order of the numbers."""
    kept = {}
    made = dict(divided.divided(makes, kept.__setitem__, workers, begin, stop))
    assert sorted(kept) == sorted(made) == list(range(len(makes)))
    assert all(kept[number] is made[number] for number in made)
    return [made[number].tolist() for number in sorted(made)]


WHOLE = [[number] * 3 for number in range(6)]


def test_workers_and_the_chains_own_process_share_the_pieces(capsys):
    helped = threading.Event()

    def begin():
        def make(number):
            helped.set()
            return np.full(3, number)

        return make

    # the chain's own first piece waits until a worker has one
    assert collect(pieces(6, lambda: helped.wait(SOON)), 2, begin) == WHOLE
    assert helped.is_set() and "of 6 pieces" in capsys.readouterr().err


def test_a_worker_that_gets_no_place_is_not_waited_for():
    stopped = threading.Event()

    def begin():
        stopped.wait(SOON)
        raise RuntimeError("killed while it waited for its place")

    assert collect(pieces(6), 3, begin, stopped.set) == WHOLE
    assert stopped.is_set()


def test_the_piece_of_a_worker_that_dies_is_made_again(capsys):
    died, begun = threading.Event(), []

    def begin():
        begun.append(len(begun))

        def make(number):
            if len(begun) == divided.ATTEMPTS:
                died.set()
            raise RuntimeError("killed by somebody")

        return make

    assert collect(pieces(6, lambda: died.wait(SOON)), 1, begin) == WHOLE
    output = capsys.readouterr().err
    assert len(begun) == divided.ATTEMPTS and died.is_set()
    assert "a worker cannot sample: killed by somebody; its piece is made again" in output


def test_a_worker_of_another_kind_is_named_and_not_begun_again(capsys):
    refused, begun = threading.Event(), []

    def begin():
        begun.append(1)
        refused.set()
        raise RunError("its GPU is a T4, that of the chain an A100")

    assert collect(pieces(6, lambda: refused.wait(SOON)), 1, begin) == WHOLE
    assert len(begun) == 1 and "its GPU is a T4" in capsys.readouterr().err


def test_a_signal_stops_the_workers():
    stopped = threading.Event()

    def interrupt():
        raise Interrupted(15)

    def begin():
        stopped.wait(SOON)
        raise RuntimeError("stopped")

    with pytest.raises(Interrupted):
        collect(pieces(6, interrupt), 2, begin, stopped.set)
    assert stopped.is_set()


def test_a_piece_that_cannot_be_kept_stops_the_chain():
    tried = threading.Event()

    def keep(number, piece):
        tried.set()
        raise RunError("the disk is full")

    def begin():
        return lambda number: np.full(3, number)

    makes = pieces(6, lambda: tried.wait(SOON))
    with pytest.raises(RunError, match="the disk is full"):
        list(divided.divided(makes, keep, 1, begin))


def backwards(missing, keep):
    return in_order(reversed(list(missing)), keep)


@pytest.mark.parametrize("again", [backwards, in_order])
def test_pieces_of_another_order_are_kept_and_not_made_twice(tmp_path, again):
    made = []

    def make(number, fails=()):
        if number in fails:
            raise RuntimeError
        made.append(number)
        return np.full(3, number)

    with pytest.raises(RuntimeError):
        first = Pieces(tmp_path / "pieces", every_s=0, divide=backwards)
        list(first(partial(make, number, fails=[2]) for number in range(6)))
    second = Pieces(tmp_path / "pieces", every_s=0, divide=again)
    arrived = dict(second(partial(make, number) for number in range(6)))
    assert sorted(made) == sorted(arrived) == list(range(6)) and made[:3] == [5, 4, 3]
    assert [arrived[number].tolist() for number in range(6)] == WHOLE


def test_pieces_that_an_earlier_version_numbered_are_made_again(tmp_path, capsys):
    from collapse_utils.durable import files

    for first, count in ((0, 2), (2, 3)):  # every folder began at 0
        with files.new_folder(tmp_path / f"from-{first:06d}") as folder:
            arrays = {f"{number}.array": np.full(3, first + number) for number in range(count)}
            np.savez(Path(folder) / "pieces.npz", **arrays)
    arrived = dict(Pieces(tmp_path, every_s=0)(pieces(6).values()))
    assert [arrived[number].tolist() for number in range(6)] == WHOLE
    assert "from-000002: an earlier version numbered it" in capsys.readouterr().err


def test_without_the_engines_word_a_chain_makes_its_pieces_alone(monkeypatch):
    monkeypatch.delenv(divided.VARIABLE, raising=False)
    assert divided.from_environment() is in_order


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_a_number_of_processes_below_one_is_refused(tmp_path, capsys, value):
    words = ["sweep", "linear", *TINY["linear"], "--out", str(tmp_path / "runs")]
    assert main([*words, "--engine", "ray", f"--divide={value}"]) == 2
    output = capsys.readouterr().err
    assert output.startswith("error: --divide: got ") and "an integer >= 1" in output
    assert not (tmp_path / "runs").exists()
