"""What ``estimate`` says of a faster ``sample_batch``: only where it is worth it, and no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from collapse_utils.__main__ import main
from collapse_utils.language.model import build
from collapse_utils.language.sampler import rates
from collapse_utils.sweeps import estimate

TINY = ("stories=64", "vocabulary=300", "max_length=24", "layers=1", "hidden=16", "heads=2")
SHAPE = {"layers": 1, "hidden": 16, "heads": 2, "ffn": 32, "vocabulary": 260, "max_length": 24}


def told(tmp_path, capsys, monkeypatch, section="language", settings=TINY) -> str:
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    given = [word for setting in settings for word in ("--set", setting)]
    assert main(["estimate", section, "--preset", "smoke", *given]) == 0
    return capsys.readouterr().out


def test_a_batch_that_is_worth_it_is_named_with_its_gain(tmp_path, capsys, monkeypatch):
    asked = []

    def measured(model, batches, **options):
        asked.append((list(batches), options["max_length"], options["threads"]))
        return {size: [100.0 + 20 * (size == 32), 90.0] for size in batches}

    monkeypatch.setattr(rates, "rates", measured)
    lines = told(tmp_path, capsys, monkeypatch).splitlines()
    assert lines[-1] == (
        "advice     sample_batch=32 samples 1.20 times as fast as 64; a new experiment may use it "
        "(results change by rounding)"
    )
    # the preset's own, and no batch of more than half of the 64 stories
    assert asked == [([32, 64], 24, 1)]


def test_the_batch_of_the_preset_needs_no_advice(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        rates, "rates", lambda model, batches, **_: {size: [100.0 + size / 100] for size in batches}
    )
    assert "advice" not in told(tmp_path, capsys, monkeypatch)


def test_a_section_without_advice_has_no_such_line(tmp_path, capsys, monkeypatch):
    settings = ("T=64", "d=4", "repeats=8")
    assert "advice" not in told(tmp_path, capsys, monkeypatch, "linear", settings)


class Timed:
    """A section whose fits take 10 s, and half a second more an item unless ``same_steps``."""

    def __init__(self, same_steps: bool, items: int = 1600):
        self.same_steps, self.items, self.now = same_steps, items, 0.0

    def clock(self) -> float:
        return self.now

    def real_data(self):
        return np.zeros((self.items, 2)), np.zeros((10, 2))

    def fit(self, training_data, seed, checkpoint):
        checkpoint.folder.mkdir()
        self.now += 10.0 if self.same_steps else 10.0 + 0.5 * len(training_data)

    def sample(self, model, size, seed):
        return np.zeros((size, 2))

    def evaluate(self, model, real_test):
        return {}


# a hundred fits of accumulate, of 1 to 100 items
@pytest.mark.parametrize(("same_steps", "seconds"), [(True, 1000), (False, 1000 + 0.5 * 5050)])
def test_the_time_of_a_fit_grows_with_its_items_only_where_its_steps_do(same_steps, seconds):
    section = Timed(same_steps)
    cost = estimate.totals(estimate.measure(section, section.clock), "accumulate", 100, 1)
    assert cost["fit_s"] == pytest.approx(seconds)


# 40 items are enough for two sizes; with 10 both fits are of all of them, and a fit costs what
# these did.  Each fit has a folder of its own, in which it finds no state of another.
@pytest.mark.parametrize(("items", "seconds"), [(40, 1000 + 0.5 * 5050), (10, 100 * 15)])
def test_a_small_training_set_is_timed_too(items, seconds):
    section = Timed(False, items)
    cost = estimate.totals(estimate.measure(section, section.clock), "accumulate", 100, 1)
    assert cost["fit_s"] == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({32: [80.0], 64: [100.0], 128: [120.0]}, (128, 1.2)),
        ({64: [100.0], 128: [105.0]}, None),  # not more than 5%
        ({32: [80.0, 200.0], 64: [100.0, 100.0]}, (32, 2.0)),  # the best round counts
        ({64: [100.0]}, None),
    ],
)
def test_only_more_than_five_percent_is_worth_another_batch(measured, expected):
    assert rates.faster(measured, 64) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_every_batch_is_timed_in_every_round_and_nothing_is_left_changed(architecture):
    model, before = build(architecture, **SHAPE, seed=0), torch.get_num_threads()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    measured = rates.rates(model, (1, 3, 8), max_length=24, threads=2, rounds=2)
    assert list(measured) == [1, 3, 8]
    assert all(len(rounds) == 2 and min(rounds) > 0 for rounds in measured.values())
    assert torch.get_num_threads() == before and model.training
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_the_shortest_stories_can_be_timed():
    measured = rates.rates(build("llama", **SHAPE, seed=0), (2,), max_length=2, threads=1, rounds=1)
    assert measured[2][0] > 0
