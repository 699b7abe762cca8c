"""The optimisation loop: resumable to the last bit, and it says when it has failed."""

import csv
import dataclasses
import itertools
from itertools import pairwise

import pytest
import torch
from fits import PLAN, batch_at, fit, loss_of, model, stop_after
from safetensors.torch import load_file

from collapse_utils.durable import files
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.durable.reading import read_curve
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import RunError
from collapse_utils.training.loop import Plan, train


def test_training_learns_and_keeps_its_curve(tmp_path):
    fit(tmp_path, validate=lambda network: 1.0)
    curve = read_curve(tmp_path)
    assert curve[-1]["step"] == 40 and curve[-1]["items"] == 40 * 32
    assert curve[-1]["training_loss"] < 0.3 * curve[0]["training_loss"]
    assert sum(row["validation_loss"] is not None for row in curve) == 8
    with open(next(tmp_path.glob("state-*/curve.csv"))) as file:
        assert len(list(csv.DictReader(file))) == len(curve)


@pytest.mark.parametrize("stop_at", [1, 7, 20, 39])
def test_a_fit_that_was_stopped_ends_with_the_same_bits(tmp_path, stop_at):
    """Dropout is on, so the random state must come back too."""
    whole = fit(tmp_path / "whole")

    with pytest.raises(Interrupted):
        fit(tmp_path / "stopped", stop_after(stop_at), every_s=0)
    assert torch.equal(fit(tmp_path / "stopped"), whole)
    assert read_curve(tmp_path / "stopped") == read_curve(tmp_path / "whole")


def test_a_finished_fit_is_read_back(tmp_path):
    whole = fit(tmp_path)

    def never(network, batch):
        raise AssertionError("trained again")

    assert torch.equal(fit(tmp_path, never), whole)


def test_a_damaged_state_is_passed_over(tmp_path, capsys):
    whole = fit(tmp_path / "whole")

    with pytest.raises(Interrupted):
        fit(tmp_path / "run", stop_after(20), every_s=0)
    states = sorted((tmp_path / "run").glob("state-*"))
    assert [state.name for state in states] == ["state-000000019", "state-000000020"]
    weights = states[1] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3] + b"\0\0\1")
    assert torch.equal(fit(tmp_path / "run"), whole)
    assert "state-000000020/model.safetensors: its content has changed" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_chain_and_names_the_step(tmp_path, bad):
    calls = itertools.count(1)

    def failing(network, batch):
        return loss_of(network, batch) * (bad if next(calls) == 13 else 1.0)

    with pytest.raises(RunError, match=r"at step 13 of 40 \(learning rate 0\.0") as output:
        fit(tmp_path, failing, every_s=0)
    assert "state-0000000" in str(output.value)


def failing_at(call, bad=float("nan")):
    calls = itertools.count(1)

    def loss(network, batch):
        return loss_of(network, batch) * (bad if next(calls) == call else 1.0)

    return loss


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("call", [1, 13])
def test_a_divergence_may_be_recorded_with_the_last_finite_weights(tmp_path, bad, call):
    plan = dataclasses.replace(PLAN, diverged="record")
    weights = fit(tmp_path / "diverged", failing_at(call, bad), plan=plan)
    with pytest.raises(Interrupted):
        fit(tmp_path / "stopped", stop_after(call - 1), every_s=0)
    if call > 1:
        before = load_file(tmp_path / "stopped" / f"state-{call - 1:09d}" / "model.safetensors")
        assert torch.equal(
            weights,
            torch.cat(
                [before[name].flatten() for name in ("0.weight", "0.bias", "2.weight", "2.bias")]
            ),
        )
    state = Checkpoint(tmp_path / "diverged").newest()
    assert (
        files.read_json(state / "diverged.json")["step"] == call
        and Checkpoint(tmp_path / "diverged").diverged()
    )

    def never(network, batch):
        raise AssertionError("trained again")

    assert torch.equal(fit(tmp_path / "diverged", never, plan=plan), weights)


def test_an_interrupted_divergence_ends_with_the_same_bits(tmp_path):
    plan = dataclasses.replace(PLAN, diverged="record")
    whole = fit(tmp_path / "whole", failing_at(25), plan=plan)
    with pytest.raises(Interrupted):
        fit(tmp_path / "stopped", stop_after(11), every_s=0, plan=plan)
    assert torch.equal(fit(tmp_path / "stopped", failing_at(25 - 11), plan=plan), whole)
    assert read_curve(tmp_path / "stopped") == read_curve(tmp_path / "whole")


def test_recording_changes_nothing_in_a_fit_that_does_not_diverge(tmp_path):
    whole = fit(tmp_path / "stop")
    assert torch.equal(
        fit(tmp_path / "record", plan=dataclasses.replace(PLAN, diverged="record")), whole
    )
    assert not Checkpoint(tmp_path / "record").diverged()


def test_a_fit_that_was_read_back_does_not_drop_out(tmp_path):
    fit(tmp_path)
    network = model(1)
    train(
        network, batch_at, loss_of, PLAN, seed=1, checkpoint=Checkpoint(tmp_path), items_per_step=32
    )
    assert not network.training


def test_a_signal_in_the_last_step_is_not_lost(tmp_path):
    from collapse_utils.durable.signals import _signals

    whole = fit(tmp_path / "whole")
    calls = itertools.count(1)

    def asked(network, batch):
        if next(calls) == PLAN.steps:
            _signals.handle(15, None)
        return loss_of(network, batch)

    with pytest.raises(Interrupted):
        fit(tmp_path / "asked", asked)
    assert torch.equal(
        fit(tmp_path / "asked", lambda network, batch: pytest.fail("trained again")), whole
    )


def test_the_learning_rate_rises_and_falls_as_it_says():
    plan = Plan(steps=100, learning_rate=2.0, warmup=0.1, final_rate=0.25, weight_decay=0, clip=1)
    rates = [plan.rate(step) for step in range(100)]
    assert rates[9] == max(rates) == 2.0 and rates[0] == pytest.approx(0.2)
    assert all(a >= b for a, b in pairwise(rates[9:]))
    assert rates[99] == pytest.approx(0.5, rel=0.01)


def test_no_decay_on_vectors():
    from collapse_utils.training.loop import optimiser

    decayed, free = optimiser(model(), PLAN).param_groups
    assert {p.dim() for p in decayed["params"]} == {2} and {p.dim() for p in free["params"]} == {1}
    assert decayed["weight_decay"] == 0.01 and free["weight_decay"] == 0


# The third validation in a row without a better loss halves the rate.
PLATEAU = dataclasses.replace(
    PLAN, warmup=0.0, final_rate=0.0, weight_decay=0.0, decay=0.5, patience=2, validations=20
)


def test_the_learning_rate_falls_when_the_validation_loss_stops_falling(tmp_path):
    falling = iter([5.0, 4.0] + [4.0] * 18)
    fit(tmp_path / "through", plan=PLATEAU, validate=lambda network: next(falling))
    rates = {
        row["step"]: row["learning_rate"]
        for row in read_curve(tmp_path / "through")
        if row["validation_loss"]
    }
    # the best loss is seen at step 4; the third validation without a better one halves the rate
    assert [rates[step] for step in (10, 11 if 11 in rates else 12, 18)] == [0.05, 0.025, 0.0125]


def test_a_plateau_is_remembered_across_an_interruption(tmp_path):
    through = fit(tmp_path / "through", plan=PLATEAU, validate=lambda network: 1.0)
    with pytest.raises(Interrupted):
        fit(
            tmp_path / "stopped",
            loss=stop_after(21),
            every_s=0.0,
            plan=PLATEAU,
            validate=lambda network: 1.0,
        )
    assert torch.equal(
        fit(tmp_path / "stopped", plan=PLATEAU, validate=lambda network: 1.0), through
    )
