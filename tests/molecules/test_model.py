"""The model: symmetries, noise schedule, GeoDiff's loss, and a case with a known optimum."""

import math

import numpy as np
import pytest
import torch
from molecule_toys import graphs_and_items, molecules, tiny
from rdkit import Chem

from collapse_utils.molecules import model as model_module
from collapse_utils.molecules.config import PRESETS
from collapse_utils.molecules.data import to_array
from collapse_utils.molecules.graphs import Graphs
from collapse_utils.molecules.model import (
    FilterTable,
    GeoDiff,
    betas,
    forces,
    losses,
    pairs_within,
    sigmas,
)
from collapse_utils.molecules.sampling import DistanceFit, deterministic


def network(graphs, items, seed=0, **fields):
    """A model with random weights everywhere, so that no symmetry holds for want of a signal."""
    torch.manual_seed(seed)
    model = GeoDiff(tiny(hidden=16, local_convs=2, **fields), graphs.environments, graphs.kinds)
    if model.preconditioned:
        model.set_statistics(graphs, items)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def rotation(seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return torch.from_numpy(q * np.sign(np.linalg.det(q))).float()


def prepared(graphs, items):
    batch = graphs.batch(items["molecule"])
    positions = torch.from_numpy(
        items["positions"][graphs.real_atoms(items["molecule"], items["positions"].shape[1])]
    )
    rng = np.random.default_rng(3)
    noise = torch.from_numpy(rng.standard_normal(positions.shape, np.float32))
    return batch, positions, torch.from_numpy(rng.integers(1000, size=len(items))), noise


def close(a, b, tolerance=1e-4):
    return (a - b).abs().max() <= tolerance * max(b.abs().max().item(), 1.0)


@pytest.mark.parametrize("preconditioned", [True, False])
def test_the_loss_is_invariant_and_the_forces_turn_with_the_molecule(preconditioned):
    graphs, items = graphs_and_items()
    model = network(graphs, items, preconditioned=preconditioned, sampler="langevin")
    batch, positions, levels, noise = prepared(graphs, items)
    turn, shift = rotation(), torch.tensor([3.0, -2.0, 1.0])
    plain = losses(model, batch, positions, levels, noise)
    turned = losses(model, batch, positions @ turn + shift, levels, noise @ turn)
    assert all(close(a, b) and b.abs().max() > 1 for a, b in zip(turned, plain, strict=True))

    sigma = model.sigma[levels]

    def denoised(at):
        pairs = pairs_within(batch, at, model.cutoff)
        force = forces(model(batch, pairs, sigma), pairs, slice(None), batch.atoms)
        return at + 0.01 * sigma[batch.molecule][:, None] * force

    noisy = positions + 0.3 * noise
    assert close(denoised(noisy @ turn + shift), denoised(noisy) @ turn + shift)


def test_the_loss_does_not_depend_on_the_order_of_atoms_nor_of_molecules():
    made = molecules()
    rng = np.random.default_rng(0)
    orders = [rng.permutation(m.GetNumAtoms()) for m in made]
    shuffled = [
        Chem.RenumberAtoms(m, order.tolist()) for m, order in zip(made, orders, strict=True)
    ]
    width = max(m.GetNumAtoms() for m in made)
    graphs, other = Graphs.build(made), Graphs.build(shuffled)
    items, other_items = (to_array(them, range(len(made)), width) for them in (made, shuffled))
    batch, positions, levels, noise = prepared(graphs, items)
    model = network(graphs, items)
    plain = losses(model, batch, positions, levels, noise)
    starts = np.cumsum([0, *graphs.atoms[items["molecule"]]])
    order = np.concatenate([starts[k] + orders[n] for k, n in enumerate(items["molecule"])])
    other_batch, other_positions, _, _ = prepared(other, other_items)
    assert torch.allclose(other_positions, positions[order])
    result = losses(model, other_batch, other_positions, levels, noise[order])
    assert all(close(a, b[order]) for a, b in zip(result, plain, strict=True))

    reverse = np.arange(len(items))[::-1].copy()
    atoms = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in reverse])
    result = losses(
        model,
        graphs.batch(items["molecule"][reverse]),
        positions[atoms],
        levels[reverse],
        noise[atoms],
    )
    assert all(close(a, b[atoms]) for a, b in zip(result, plain, strict=True))


def test_the_sampler_turns_with_its_noise_up_to_the_choice_of_axes():
    """Distances in sampled molecules do not depend on the orientation of the rough geometry."""
    graphs, items = graphs_and_items()
    model = network(graphs, items)
    batch = graphs.batch(np.arange(4))
    config = tiny(sampling_steps=4)

    def sampled(turn):
        generator = torch.Generator().manual_seed(0)
        first = iter(
            [
                torch.randn(len(batch.i), generator=generator),
                torch.randn(batch.atoms, 3, generator=generator),
            ]
        )
        return deterministic(
            model,
            batch,
            config,
            lambda *shape: next(first) if len(shape) == 1 else 0 * next(first) @ turn,
        )

    def distances(x):
        return (x[batch.i] - x[batch.j]).norm(dim=-1)

    assert close(distances(sampled(rotation(1))), distances(sampled(rotation(2))), 1e-3)


def test_noise_levels_follow_the_closed_form():
    config = PRESETS["paper"]
    steps = betas(config.levels, config.beta_start, config.beta_end)
    t = np.arange(1000)
    expected = 1e-7 + (9e-3 - 1e-7) / (1 + np.exp(6 - 12 * t / 999))
    assert np.allclose(steps, expected, rtol=1e-12)
    level = sigmas(config)
    # sigma^2 = 1 / prod(1 - beta) - 1
    assert np.allclose(level**2, np.expm1(-np.cumsum(np.log1p(-steps))), rtol=1e-9)
    assert np.all(np.diff(level) > 0)
    # The integral of the sigmoid: -log a_T is about 9e-3 * 1000 / 2 = 4.5 (and 1 % from the second
    # order).
    assert math.log1p(level[-1] ** 2) == pytest.approx(4.5, rel=0.01)


def test_the_loss_is_geodiffs_by_its_definition():
    """Against loops over directed edges: weights 5 and 2, and the cutoff on noisy distances."""
    graphs, items = graphs_and_items()
    row = items[np.flatnonzero(items["molecule"] == 1)[:1]]
    model = network(graphs, items)
    batch, positions, _, noise = prepared(graphs, row)
    level = torch.tensor([620])
    sigma = model.sigma[level]
    noisy = positions + sigma * noise
    pairs = pairs_within(batch, noisy, model.cutoff)
    s = model(batch, pairs, sigma).detach().double()
    assert len(pairs.i) < len(batch.i)  # some pair is beyond the cutoff
    hops = Chem.GetDistanceMatrix(molecules()[1])
    local, far = torch.zeros(batch.atoms, 3).double(), torch.zeros(batch.atoms, 3).double()
    for k, (i, j) in enumerate(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)):
        d = (noisy[i] - noisy[j]).double().norm()
        miss = s[k] - ((positions[i] - positions[j]).double().norm() - d) / sigma.double()
        direction = (noisy[i] - noisy[j]).double() / d
        part = local if hops[i, j] <= 3 else far
        for _ in range(2):  # both directions of the edge
            part[i] += miss * direction
            part[j] -= miss * direction
    result = losses(model, batch, positions, level, noise)
    assert torch.allclose(result[0].double(), 5 * local.square().sum(1), rtol=1e-3)
    assert torch.allclose(result[1].double(), 2 * far.square().sum(1), rtol=1e-3)
    assert far.abs().max() > 0


def two_atoms(lengths, seed):
    """A hydrogen molecule whose length is drawn from ``lengths``."""
    graphs = Graphs.build([Chem.AddHs(Chem.MolFromSmiles("[H][H]"))])
    rng = np.random.default_rng(seed)
    items = np.zeros(512, [("molecule", "<i4"), ("positions", "<f4", (2, 3))])
    items["positions"][:, 0, 0] = rng.choice(lengths, 512) / 2
    items["positions"][:, 1] = -items["positions"][:, 0]
    return graphs, items


def posterior_mean(d, sigma, lengths):
    """E[d0 | d] for equally likely lengths: the difference of two noised atoms has variance 2
    sigma^2 an axis, and its norm has the density (d / d0) exp(-(d - d0)^2 / 4 sigma^2) (1 - exp(-d
    d0 / sigma^2)) up to a factor."""
    d0 = np.asarray(lengths)[:, None]
    log_weight = (
        -((d - d0) ** 2) / (4 * sigma**2) + np.log1p(-np.exp(-d * d0 / sigma**2)) - np.log(d0)
    )
    weight = np.exp(log_weight - log_weight.max(axis=0))
    return (weight * d0).sum(0) / weight.sum(0)


def test_two_atoms_of_one_length_are_denoised_exactly():
    graphs, items = two_atoms([0.74], 0)
    model = GeoDiff(tiny(), graphs.environments, graphs.kinds)
    model.set_statistics(graphs, items)
    batch, positions, levels, noise = prepared(graphs, items)
    sigma = model.sigma[levels]
    pairs = pairs_within(batch, positions + sigma[batch.molecule][:, None] * noise, model.cutoff)
    s = model(batch, pairs, sigma)
    spread = model.spread[0].item()
    expected = sigma * (0.74 - pairs.distance) / (spread**2 + sigma**2)
    assert model.mean[0].item() == pytest.approx(0.74, abs=0.01) and spread < 0.1
    assert close(s, expected, 1e-2)


def test_two_atoms_of_two_lengths_reach_the_optimal_denoiser():
    lengths = [1.0, 2.0]
    graphs, items = two_atoms(lengths, 0)
    torch.manual_seed(0)
    model = GeoDiff(tiny(hidden=32, levels=1000), graphs.environments, graphs.kinds)
    model.set_statistics(graphs, items)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    batch = graphs.batch(items["molecule"])
    positions = torch.from_numpy(items["positions"].reshape(-1, 3))
    rng = np.random.default_rng(1)
    for step in range(250):
        for group in adam.param_groups:
            group["lr"] = 0.01 * (1 - step / 250)
        # sigma from 0.19 to 2.3 angstrom
        levels = torch.from_numpy(rng.integers(250, 700, size=len(items)))
        noise = torch.from_numpy(rng.standard_normal(positions.shape, np.float32))
        loss = losses(model, batch, positions, levels, noise)[0].mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    levels = torch.from_numpy(np.linspace(260, 690, len(items)).astype(int))
    noise = torch.from_numpy(rng.standard_normal(positions.shape, np.float32))
    sigma = model.sigma[levels]
    pairs = pairs_within(batch, positions + sigma[batch.molecule][:, None] * noise, model.cutoff)
    result = (pairs.distance + sigma * model(batch, pairs, sigma)).detach().numpy()
    best = posterior_mean(
        pairs.distance.numpy().astype(float), sigma.numpy().astype(float), lengths
    )
    real = np.linalg.norm(items["positions"][:, 0] - items["positions"][:, 1], axis=1)
    assert np.abs(result - best).mean() < 0.05  # angstrom; the two lengths are 1 apart
    assert np.mean((result - real) ** 2) < 1.1 * np.mean((best - real) ** 2)
    assert np.mean((best - real) ** 2) < 0.8 * real.var()  # the optimum is far from knowing nothing


def test_positions_fit_exact_distances():
    graphs, items = graphs_and_items()
    rows = items[::2]
    batch, positions, _, noise = prepared(graphs, rows)
    expected = (positions[batch.i] - positions[batch.j]).norm(dim=-1)
    start = positions + 0.3 * noise
    fitted = DistanceFit(batch)(start, batch.i, batch.j, expected, torch.ones_like(expected), 100)
    error = ((fitted[batch.i] - fitted[batch.j]).norm(dim=-1) - expected).abs()
    before = ((start[batch.i] - start[batch.j]).norm(dim=-1) - expected).abs()
    assert error.mean() < 0.02 * before.mean()


def test_statistics_of_distances_are_means_and_a_kind_without_data_takes_its_familys():
    graphs, items = graphs_and_items()
    mean, spread = graphs.distance_statistics(items)
    kinds, types = graphs.arrays["kind"], graphs.arrays["type"]
    ends = np.cumsum(graphs.pairs)
    kind = np.bincount(kinds[types == 1]).argmax()  # the commonest kind of single bond, by hand
    result = []
    for number, positions in items:
        at = slice(ends[number] - graphs.pairs[number], ends[number])
        of_kind = kinds[at] == kind
        i, j = graphs.arrays["i"][at][of_kind], graphs.arrays["j"][at][of_kind]
        result.extend(np.linalg.norm(positions[i] - positions[j], axis=1))
    assert len(result) > 10
    assert mean[kind] == pytest.approx(np.mean(result), abs=0.01)
    # no chlorobenzene: C-Cl was never seen
    fewer, _ = graphs.distance_statistics(items[items["molecule"] != 1])
    chlorine = (
        graphs.arrays["element"][graphs.atoms[0] :][graphs.arrays["i"][ends[0] : ends[1]]] == 17
    )
    unseen = kinds[ends[0] : ends[1]][(types[ends[0] : ends[1]] > 0) & chlorine]
    assert np.isfinite(fewer).all() and (len(unseen) == 0 or np.all(fewer[unseen] > 0.9))
    assert np.all(spread >= 0.01)


def test_filters_read_from_a_table_give_the_networks_numbers_and_gradients(monkeypatch):
    """Against filters computed for every pair, which is what a table of no error would give."""
    graphs, items = graphs_and_items()
    model = network(graphs, items, preconditioned=False, sampler="langevin", cutoff=4.0)
    batch, positions, levels, noise = prepared(graphs, items)

    def everything():
        model.zero_grad()
        loss = sum(part.mean() for part in losses(model, batch, positions, levels, noise))
        loss.backward()
        return loss.item(), torch.cat([p.grad.flatten() for p in model.parameters()])

    class Exact(FilterTable):
        def read(self, number, pairs):
            far = slice(pairs.local, None)
            edge = model.edge_length(pairs.distance[far, None]) * model.edge_type(pairs.type[far])
            weight = (
                model.global_convs[number].filter(edge) * model.window(pairs.distance[far])[:, None]
            )
            return weight, pairs.i[far], pairs.j[far]

    loss, gradient = everything()
    sigma = model.sigma[levels]
    pairs = pairs_within(batch, positions + 0.1 * noise, model.cutoff)
    assert len(pairs.i) > pairs.local
    whole = model(batch, pairs, sigma, FilterTable(model, only_far=False))
    monkeypatch.setattr(model_module, "FilterTable", Exact)
    exact_loss, exact_gradient = everything()
    assert loss == pytest.approx(exact_loss, rel=1e-4)
    assert close(gradient, exact_gradient, 1e-3)
    assert close(whole, model(batch, pairs, sigma), 1e-3)
