"""Training in lower precision: close to float32, and resumed to the same bits."""

import molecule_toys
import pandas as pd
import pytest
import torch
from tiny import tiny

from collapse_utils import sections
from collapse_utils.__main__ import main
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.durable.reading import read_curve
from collapse_utils.errors import InputError
from collapse_utils.presets import PRECISIONS
from collapse_utils.training import precision
from collapse_utils.training.loop import Plan, train

CPU = torch.device("cpu")
STEPS = 200


def data(step):
    chance = torch.Generator().manual_seed(step)
    x = torch.randn(64, 8, generator=chance)
    return x, (x[:, :1] * x[:, 1:2]).tanh()


def loss_of(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


class Stop(Exception):
    pass


def fit(folder, name, stop=None, **options):
    """The model and its learning curve; with ``stop`` the process ends before that step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.GELU(), torch.nn.Linear(64, 1))
    plan = Plan(STEPS, 0.01, 0.05, 0.1, 0.0, 1.0, precision=name, **options)

    def batch_at(step):
        if step == stop:
            raise Stop
        return data(step)

    every = 0.0 if stop else float("inf")
    checkpoint = Checkpoint(folder, every_s=every)
    train(model, batch_at, loss_of, plan, seed=0, checkpoint=checkpoint, items_per_step=64)
    return model, [row["training_loss"] for row in read_curve(folder)]


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_learns_what_float32_learns(tmp_path, name):
    """The loss falls more than tenfold, and differs by less than 5% of where it began."""
    _, full = fit(tmp_path / "full", "float32")
    model, half = fit(tmp_path / "half", name)
    assert full[-1] < full[0] / 10 and half != full
    assert max(abs(a - b) for a, b in zip(full, half, strict=True)) < 0.05 * full[0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_tf32_and_float32_are_the_same_bits_on_a_cpu_and_change_no_setting(tmp_path):
    before = torch.get_float32_matmul_precision()
    weights = [fit(tmp_path / name, name)[0].state_dict() for name in ("float32", "tf32")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_fit_that_is_stopped_resumes_to_the_same_bits(tmp_path, name):
    whole, _ = fit(tmp_path / "whole", name)
    with pytest.raises(Stop):
        fit(tmp_path / "stopped", name, stop=77)
    resumed, _ = fit(tmp_path / "stopped", name)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key])


def test_float32_is_the_loop_written_out(tmp_path):
    """The gradients, the clipping and the step pass through the scaler unchanged."""
    model, _ = fit(tmp_path, "float32")
    torch.manual_seed(0)
    other = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.GELU(), torch.nn.Linear(64, 1))
    plan = Plan(STEPS, 0.01, 0.05, 0.1, 0.0, 1.0)
    groups = [[p for p in other.parameters() if (p.dim() >= 2) == wide] for wide in (True, False)]
    adam = torch.optim.AdamW(
        [{"params": group} for group in groups], betas=plan.betas, weight_decay=0.0, fused=True
    )
    for step in range(STEPS):
        for group in adam.param_groups:
            group["lr"] = plan.rate(step)
        adam.zero_grad()
        loss_of(other, data(step)).backward()
        torch.nn.utils.clip_grad_norm_(list(other.parameters()), plan.clip)
        adam.step()
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


def test_a_step_that_overflows_in_float16_is_skipped_and_no_divergence(tmp_path):
    """The first scale, 65536, overflows with a loss a million times larger."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plan = Plan(1, 0.01, 0.0, 1.0, 0.0, 1.0, precision="float16", diverged="record")
    options = {"seed": 0, "checkpoint": Checkpoint(tmp_path), "items_per_step": 64}
    train(model, data, lambda model, batch: 1e4 * loss_of(model, batch), plan, **options)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not Checkpoint(tmp_path).diverged()


@pytest.mark.parametrize("name", ["language", "images", "molecules"])
def test_a_section_with_a_network_has_the_field(name):
    config, variant = sections.configuration(name, "smoke")
    assert config.precision == "float32" and variant == ""
    for value in PRECISIONS[1:]:
        _, variant = sections.configuration(name, "smoke", [f"precision={value}"])
        assert variant == f"precision={value}"
    with pytest.raises(InputError, match="one of float32, tf32, bfloat16, float16"):
        sections.configuration(name, "smoke", ["precision=half"])


def test_only_float16_scales_the_loss():
    assert [name for name in PRECISIONS if precision.scaler(name, CPU).is_enabled()] == ["float16"]


@pytest.mark.parametrize("name", ["language", "images", "molecules"])
def test_a_section_learns_in_bfloat16_what_it_learns_in_float32(name, tmp_path, monkeypatch):
    """The headline metric of the first fit is within 2%, and another number."""
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    options = {"language": [], "images": [], "molecules": ["--data", str(tmp_path / "toys.sdf")]}
    molecule_toys.write_sdf(tmp_path / "toys.sdf")
    result = []
    for value in ("float32", "bfloat16"):
        folder = tmp_path / value / "run"
        words = ["run", name, *tiny(name, iterations=1), *options[name], "--quiet"]
        assert main([*words, "--set", f"precision={value}", "--run-dir", str(folder)]) == 0
        table = pd.read_csv(folder / "metrics.csv").set_index("metric")["value"]
        result.append(table[sections.headline(name)])
    assert result[1] == pytest.approx(result[0], rel=0.02) and result[1] != result[0]
