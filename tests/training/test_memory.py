"""Out of memory: a step in parts is the same step; else the error names the setting."""

import fits
import numpy as np
import pytest
import torch
import toy

from collapse_utils import presets
from collapse_utils.chain import run_chain
from collapse_utils.durable.checkpoints import Checkpoint
from collapse_utils.errors import RunError
from collapse_utils.training.loop import train
from collapse_utils.training.memory import Gradients, is_out_of_memory

MOST = 10  # items that the pretended memory holds


def pieces(batch, parts):
    rows = np.array_split(np.arange(len(batch[0])), min(parts, len(batch[0])))
    return [((batch[0][a], batch[1][a]), len(a) / len(batch[0])) for a in rows]


CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def short_of_memory(most=MOST):
    def loss_of(model, batch):
        if len(batch[0]) > most:
            raise CUDA
        return fits.loss_of(model, batch)

    return loss_of


def fit(folder, loss_of, split=None, every_s=1e9, stop=None):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    options = {
        "seed": 1,
        "checkpoint": Checkpoint(folder, every_s=every_s),
        "items_per_step": 32,
        "split": split,
    }
    train(model, stop or fits.batch_at, loss_of, fits.PLAN, **options)
    return torch.cat([p.flatten() for p in model.parameters()]).detach()


def test_a_step_in_parts_is_the_same_step_up_to_rounding(tmp_path, capsys):
    whole = fit(tmp_path / "whole", fits.loss_of, pieces)
    parted = fit(tmp_path / "parted", short_of_memory(), pieces)
    assert torch.allclose(parted, whole, rtol=1e-4, atol=1e-5) and not torch.equal(
        parted, torch.zeros_like(parted)
    )
    output = capsys.readouterr().err
    # 32 items, 10 fit
    assert "taken in 2 parts" in output and "taken in 4 parts (lower batch_size" in output
    assert output.count("\n") == 2  # the size that fits is kept


def test_a_run_that_resumes_stays_in_parts(tmp_path, capsys):
    parted = fit(tmp_path / "parted", short_of_memory(), pieces)

    def stopping(step):
        if step == 20:
            raise KeyboardInterrupt
        return fits.batch_at(step)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "stopped", short_of_memory(), pieces, every_s=0, stop=stopping)
    capsys.readouterr()
    assert torch.equal(fit(tmp_path / "stopped", short_of_memory(), pieces), parted)
    assert capsys.readouterr().err == ""


def test_what_cannot_be_made_smaller_is_an_error(tmp_path):
    for split in (None, pieces):
        with pytest.raises(torch.OutOfMemoryError):
            fit(tmp_path / "run", short_of_memory(most=0), split)


def test_a_real_allocator_that_refuses_is_recognised():
    for allocate in (lambda: torch.empty(2**48), lambda: np.empty(2**55)):
        with pytest.raises((RuntimeError, MemoryError)) as refused:
            allocate()
        assert is_out_of_memory(refused.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("memory"))

    def hungry(model, batch):
        return model * sum(
            torch.empty(2**48 if len(part) > 2 else 1).numel() * 0 + part.sum() for part in [batch]
        )

    weight = torch.ones((), requires_grad=True)

    class Model:
        def zero_grad(self, set_to_none):
            weight.grad = None

    def halves(batch, parts):
        return [
            (piece, len(piece) / len(batch))
            for piece in torch.tensor_split(batch, min(parts, len(batch)))
        ]

    def loss_of(model, batch):
        return hungry(weight, batch)

    gradients = Gradients(loss_of, halves)
    gradients(Model(), torch.arange(8.0))
    assert gradients.parts == 4 and weight.grad == sum((2 * k + 2 * k + 1) * 0.25 for k in range(4))


@pytest.mark.parametrize(
    "method, error, output",
    [
        ("fit", CUDA, "fit: out of memory; lower batch_size"),
        ("fit", MemoryError(), "lower batch_size (now 8): --set batch_size=... (MemoryError)"),
        (
            "sample",
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "sample: out of memory; lower sample_batch",
        ),
        (
            "evaluate",
            MemoryError("Unable to allocate 8 GiB"),
            "evaluate: out of memory; lower sample_batch",
        ),
    ],
)
def test_the_message_names_the_field_to_lower(tmp_path, method, error, output):
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Sized(toy.GaussianConfig):
        batch_size: int = presets.setting(8, "items a step", at_least=1)
        sample_batch: int = presets.setting(64, "items sampled side by side", at_least=1)

    config = Sized(iterations=2)
    section = toy.Gaussian(config)

    def failing(*_):
        raise error

    setattr(section, method, failing)
    with pytest.raises(RunError) as refused:
        run_chain(section, toy.Chain("gaussian", "replace", 0, config), tmp_path / "run")
    assert output in str(refused.value) and "\n" not in str(refused.value)


def gradient(model, loss_of, split, batch, parts):
    model.zero_grad()
    gradients = Gradients(loss_of, split)
    gradients.parts = parts
    loss = gradients(model, batch)
    return loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("parts", [2, 3, 100])
def test_stories_are_split_into_whole_stories(parts):
    from collapse_utils.language import batches
    from collapse_utils.language.model import build

    shape = {
        "layers": 1,
        "hidden": 16,
        "heads": 2,
        "ffn": 16,
        "vocabulary": 50,
        "max_length": 12,
        "dropout": 0.0,
    }
    model = build("llama", **shape, seed=0).eval()
    model.set_attn_implementation(batches.NAME)
    rng = np.random.default_rng(0)
    lengths = [5, 12, 3, 9, 2]
    batch = batches.batch(
        rng.integers(1, 50, sum(lengths)), np.concatenate([[0], np.cumsum(lengths)])
    )

    def loss_of(model, batch):
        return batches.token_losses(model, batch).mean()

    whole = gradient(model, loss_of, None, batch, 1)
    parted = gradient(model, loss_of, batches.split, batch, parts)
    assert len(batches.split(batch, parts)) == min(parts, 5)
    assert sum(share for _, share in batches.split(batch, parts)) == pytest.approx(1)
    for a, b in zip(whole, parted, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 100])
def test_molecules_are_split_into_whole_molecules(parts):
    import molecule_toys

    from collapse_utils.molecules.model import GeoDiff, losses
    from collapse_utils.molecules.section import split_noised

    graphs, items = molecule_toys.graphs_and_items()
    config = molecule_toys.tiny()
    torch.manual_seed(0)
    model = GeoDiff(config, graphs.environments, graphs.kinds)
    rows = items[[0, 3, 9, 12, 17]]
    positions = torch.from_numpy(
        rows["positions"][graphs.real_atoms(rows["molecule"], rows["positions"].shape[1])]
    )
    levels = torch.tensor([10, 300, 600, 800, 999])
    noise = torch.randn(positions.shape, generator=torch.Generator().manual_seed(0))
    batch = graphs.batch(rows["molecule"]), positions, levels, noise

    def loss_of(model, batch):
        return sum(losses(model, *batch)).mean()

    whole = gradient(model, loss_of, None, batch, 1)
    parted = gradient(model, loss_of, split_noised, batch, parts)
    assert len(split_noised(batch, parts)) == min(parts, 5)
    for a, b in zip(whole, parted, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))
