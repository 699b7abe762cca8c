"""Chains on a GPU: near those of the CPU, resumed to the same bits, within the memory they name."""

import functools

import pandas as pd
import pytest
import torch

from collapse_utils import sections
from collapse_utils.__main__ import main
from collapse_utils.durable import signals
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.training import loop

pytestmark = pytest.mark.gpu

# The relative distance between the first fits of a GPU and of a CPU at ``smoke``: the same batches
# in another order of summation.  Dropout and later fits follow other random streams.
FIRST_FIT = {"language": 0.02, "images": 0.02, "molecules": 0.05, "linear": 1e-12}
HEADLINE = {name: sections.headline(name) for name in FIRST_FIT}


def run(section, folder, *options):
    words = ["run", section, "--preset", "smoke", "--set", "iterations=2", "--quiet"]
    assert main([*words, "--run-dir", str(folder), *options]) == 0
    return pd.read_csv(folder / "metrics.csv").set_index(["iteration", "metric"]).value


@pytest.mark.parametrize("section", FIRST_FIT)
def test_a_smoke_chain_is_near_that_of_the_cpu(section, tmp_path, monkeypatch):
    on_gpu = run(section, tmp_path / "gpu" / "run")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = run(section, tmp_path / "cpu" / "run")
    first = (1, HEADLINE[section])
    assert on_gpu[first] == pytest.approx(on_cpu[first], rel=FIRST_FIT[section])
    assert set(on_gpu.index) == set(on_cpu.index)


@pytest.mark.parametrize("section", ["language", "images", "molecules"])
def test_a_fit_that_is_stopped_and_resumed_has_the_same_bits(section, tmp_path, monkeypatch):
    """With deterministic algorithms; the state holds the GPU's random numbers too."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        options = {"preset": "smoke", "regime": "replace", "seed": 0}
        model, _ = sections.make(section, **options)
        train, _ = model.real_data()

        def weights(folder, every_s=1e9):
            fitted = model.fit(train, 1, Checkpoint(folder, every_s=every_s))
            return torch.cat([p.detach().flatten().cpu() for p in fitted.parameters()])

        whole = weights(tmp_path / "whole")
        original, calls = loop.Gradients.__call__, []

        @functools.wraps(original)
        def interrupted(self, *arguments):
            calls.append(1)
            if len(calls) == 5:
                raise signals.Interrupted(15)
            return original(self, *arguments)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(loop.Gradients, "__call__", interrupted)
            weights(tmp_path / "parts", every_s=0)
        assert torch.equal(weights(tmp_path / "parts"), whole)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.slow
@pytest.mark.parametrize("section", ["language", "images", "molecules"])
def test_the_first_fit_and_generation_of_colab_fit_into_a_t4(section, tmp_path):
    """16 GB, of which a Colab T4 leaves about 15."""
    torch.cuda.reset_peak_memory_stats()
    model, _ = sections.make(section, preset="colab", regime="replace", seed=0)
    train, _ = model.real_data()
    fitted = model.fit(train, 1, Checkpoint(tmp_path / "fit"))
    model.sample(fitted, min(len(train), 2000), 2)
    assert torch.cuda.max_memory_allocated() < 15e9


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("section", ["language", "images", "molecules"])
def test_a_fit_in_lower_precision_is_near_that_in_float32(section, precision, tmp_path):
    full = run(section, tmp_path / "full" / "run")
    lower = run(section, tmp_path / "lower" / "run", "--set", f"precision={precision}")
    first = (1, HEADLINE[section])
    assert lower[first] == pytest.approx(full[first], rel=0.05)
