"""Sampling a GeoDiff model: annealed Langevin dynamics, few deterministic steps, or none.

The Langevin sampler starts from Gaussian noise at the largest level.  The deterministic sampler
starts at a lower level, from a rough geometry, whose distances are drawn with the mean and spread
of the model's training set.  In each step the denoised positions are those whose distances are
closest to the denoised *distances* d + sigma s (weighted least squares, solved by majorisation).
The direction of the noise is kept for the next noise level, as in DDIM.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from .. import seeds
from ..durable.checkpoints import Kept
from .config import MoleculesConfig
from .graphs import Batch, Graphs
from .model import LEAST_DISTANCE, FilterTable, GeoDiff, forces, pairs_within

WIDEST = 100.0  # angstrom; larger spreads (of an exploded training set) have the same weight
RELAXATION = 1.9  # of a majorisation step; below 2 it still converges


def sampled_levels(levels: int, steps: int) -> np.ndarray:
    """``steps`` of the lowest ``levels`` noise levels, from the largest down, evenly in t."""
    return np.round(np.linspace(levels - 1, 0, steps)).astype(int)


def centred(positions: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Positions with every molecule's mean at 0."""
    sums = torch.zeros(batch.size, 3, dtype=positions.dtype, device=positions.device)
    counts = torch.bincount(batch.molecule, minlength=batch.size)[:, None]
    means = sums.index_add(0, batch.molecule, positions) / counts
    return positions - means[batch.molecule]


class DistanceFit:
    """Positions that fit given distances: weighted stress majorisation of a whole batch.

    A round is the Guttman transform x <- x + 2 V^+ f (de Leeuw and Heiser's relaxed update, which
    converges in half the rounds), where f_i = sum_j w_ij (d0_ij - d_ij) (x_i - x_j) / d_ij and V is
    the Laplacian of the weights.  Molecules are padded to the largest, so a round is two batched
    matrix products.
    """

    def __init__(self, batch: Batch):
        counts = torch.bincount(batch.molecule, minlength=batch.size)
        self.size, self.width = batch.size, int(counts.max())
        self.slot, self.atom = batch.slot, batch.molecule * self.width + batch.slot
        self.real = (torch.arange(self.width, device=counts.device) < counts[:, None]).double()
        # Distances do not determine the mean of the positions, and padded rows have no distances:
        # both terms make the Laplacian invertible.
        self.means = self.real[:, :, None] * self.real[:, None, :] / counts[:, None, None]
        self.base = self.means + torch.diag_embed(1 - self.real)

    def dense(self, values: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        """Symmetric matrices (molecules, width, width) with the values of pairs, 0 elsewhere."""
        matrix = torch.zeros(
            self.size * self.width * self.width, dtype=values.dtype, device=values.device
        )
        matrix[self.atom[i] * self.width + self.slot[j]] = values
        matrix[self.atom[j] * self.width + self.slot[i]] = values
        return matrix.view(-1, self.width, self.width)

    def __call__(
        self,
        positions: torch.Tensor,
        i: torch.Tensor,
        j: torch.Tensor,
        distances: torch.Tensor,
        weights: torch.Tensor,
        rounds: int,
    ) -> torch.Tensor:
        """Positions (atoms, 3) after ``rounds`` rounds towards ``distances`` of the pairs i, j."""
        weight, target = self.dense(weights, i, j), self.dense(distances, i, j)
        laplacian = torch.diag_embed(weight.double().sum(-1)) - weight.double() + self.base
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(laplacian)).to(positions.dtype)
        x = torch.zeros(self.size * self.width, 3, dtype=positions.dtype, device=positions.device)
        x[self.atom] = positions
        x = x.view(-1, self.width, 3)
        for _ in range(rounds):
            norms = x.square().sum(-1)
            squared = norms[:, :, None] + norms[:, None, :] - 2 * (x @ x.mT)
            distance = squared.clamp_(min=LEAST_DISTANCE**2).sqrt_()
            pull = weight * (target / distance - 1)
            force = pull.sum(-1, keepdim=True) * x - pull @ x
            x = x + RELAXATION * (inverse @ force)
        return x.view(-1, 3)[self.atom]


def rough_geometry(model: GeoDiff, batch: Batch, draws: torch.Tensor, rounds: int) -> torch.Tensor:
    """Positions (atoms, 3) whose distances are drawn from the training set's, kind by kind.

    Metric-matrix embedding: the three leading eigenvectors of the doubly centred squared distances;
    then majorisation. ``draws`` (pairs,) is standard normal.
    """
    fit = DistanceFit(batch)
    spread = model.spread[batch.kind]
    target = (model.mean[batch.kind] + spread * draws).clamp(min=0.7)
    squared = fit.dense(target.double().square(), batch.i, batch.j)
    centring = torch.diag_embed(fit.real) - fit.means
    values, vectors = torch.linalg.eigh(-0.5 * centring @ squared @ centring)
    top = vectors[:, :, -3:] * values[:, None, -3:].clamp(min=0).sqrt()
    positions = top.reshape(-1, 3)[fit.atom].float()
    return fit(positions, batch.i, batch.j, target, 1 / spread.clamp(max=WIDEST).square(), rounds)


@torch.no_grad()
def deterministic(
    model: GeoDiff, batch: Batch, config: MoleculesConfig, draw: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Positions (atoms, 3): a rough geometry, noised and denoised in ``sampling_steps`` steps."""
    positions = rough_geometry(model, batch, draw(len(batch.i)), config.rough_rounds)
    top = max(int((model.sigma <= config.start_sigma).sum()), 1)
    levels = sampled_levels(top, min(config.sampling_steps, top))
    sigma = model.sigma[levels].tolist()
    positions = positions + sigma[0] * draw(batch.atoms, 3)
    fit = DistanceFit(batch)
    for level, after in zip(sigma, [*sigma[1:], 0.0], strict=True):
        pairs = pairs_within(batch, positions, model.cutoff)
        s = model(batch, pairs, torch.full((batch.size,), level, device=positions.device))
        # 1 / variance of d0 given d, relative to 1 / sigma^2
        weights = 1 + (level / model.spread[pairs.kind]).square()
        distances = (pairs.distance + level * s).clamp(min=LEAST_DISTANCE)
        rounds = config.fitting_rounds if after else config.rough_rounds
        denoised = fit(positions, pairs.i, pairs.j, distances, weights, rounds)
        positions = denoised + (after / level) * (positions - denoised)
    return centred(positions, batch)


@torch.no_grad()
def langevin(
    model: GeoDiff, batch: Batch, config: MoleculesConfig, draw: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """GeoDiff's annealed Langevin dynamics from Gaussian noise, one step at each noise level.

    The step at level t is step_size (sigma_t / 0.01)^2.  The global force acts below
    ``global_start_sigma``.  As in GeoDiff the steps are at the largest ``sampling_steps`` levels,
    so with fewer steps than levels a sample keeps the remaining noise.
    """
    positions = centred(model.sigma[-1] * draw(batch.atoms, 3), batch)
    filters = None if model.preconditioned else FilterTable(model, only_far=False)
    for level in reversed(range(config.sampling_steps)):
        level += config.levels - config.sampling_steps
        sigma = model.sigma[level]
        pairs = pairs_within(batch, positions, model.cutoff)
        s = model(batch, pairs, sigma.expand(batch.size), filters)
        near, far = slice(0, pairs.local), slice(pairs.local, None)
        force = forces(s[near], pairs, near, batch.atoms)
        if sigma < config.global_start_sigma:
            pull = forces(s[far], pairs, far, batch.atoms)
            norm = pull.norm(dim=-1, keepdim=True)
            force = force + config.weight_global * pull * (
                config.clip_force / norm.clamp(min=config.clip_force)
            )
        step = config.step_size * (sigma / 0.01).square()
        positions = positions + step * force / sigma + (2 * step).sqrt() * draw(batch.atoms, 3)
        positions = centred(positions, batch)
    return positions


@torch.no_grad()
def geometry(
    model: GeoDiff, batch: Batch, config: MoleculesConfig, draw: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """The rough geometry alone, without the network: an ablation of the diffusion model."""
    return centred(rough_geometry(model, batch, draw(len(batch.i)), config.rough_rounds), batch)


SAMPLERS = {"deterministic": deterministic, "langevin": langevin, "geometry": geometry}


def sample_positions(
    model: GeoDiff,
    graphs: Graphs,
    molecules: np.ndarray,
    width: int,
    config: MoleculesConfig,
    seed: int,
    kept: Kept,
) -> np.ndarray:
    """A conformation for each of ``molecules`` (numbers): (len(molecules), width, 3).

    Conformations are drawn in blocks of molecules of similar size.  Every block has random numbers
    of its own, so that the result depends on the arguments alone, and every block is a piece for
    ``kept``.  Positions that are not finite are returned unchanged.
    """
    result = np.zeros((len(molecules), width, 3), np.float32)
    order = np.argsort(graphs.atoms[molecules], kind="stable")
    parts = [
        order[begin : begin + config.sample_batch]
        for begin in range(0, len(order), config.sample_batch)
    ]

    blocks = (
        partial(_sample_block, model, graphs, molecules[rows], config, seed, number)
        for number, rows in enumerate(parts)
    )
    for number, positions in kept(blocks):
        rows = parts[number]
        padded = np.zeros((len(rows), width, 3), np.float32)
        padded[graphs.real_atoms(molecules[rows], width)] = positions
        result[rows] = padded
    return result


def _sample_block(
    model: GeoDiff,
    graphs: Graphs,
    molecules: np.ndarray,
    config: MoleculesConfig,
    seed: int,
    number: int,
) -> np.ndarray:
    """Block ``number``: the positions (atoms, 3) of conformations of these ``molecules``."""
    device, rng = model.sigma.device, seeds.generator(seed, "sample", number)

    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(shape, np.float32)).to(device)

    batch = graphs.batch(molecules).to(device)
    return SAMPLERS[config.sampler](model, batch, config, draw).cpu().numpy()
