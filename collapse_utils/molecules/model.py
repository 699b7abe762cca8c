"""GeoDiff (Xu et al. 2022): a diffusion model whose noise is a sum of forces between atoms.

Positions x0 are noised to x = x0 + sigma_t e with sigma_t = sqrt((1 - a_t) / a_t), a_t = prod_{s <=
t} (1 - beta_s).  The network sees distances alone and gives every pair a number s; the target is
(d0 - d) / sigma.  Both become forces on atoms,

    f_i = 2 sum_j s_ij (x_i - x_j) / d_ij        (the 2 counts both directions of a pair)

and the loss compares forces: 5 |f - f_target|^2 over local pairs plus 2 |f - f_target|^2 over
global pairs, a mean over atoms.  Rotations, translations and permutations of atoms leave the
distances as they are, so the loss is invariant and the forces turn with the molecule.

Two encoders have the same embedded pairs as input: SchNet convolutions over local pairs and all
pairs within the cutoff, and GIN convolutions over the local pairs.  (GeoDiff's public code never
calls its second edge encoder, so we leave it out.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .config import MoleculesConfig
from .graphs import EDGE_TYPES, Batch, Graphs

LOCAL_WEIGHT, GLOBAL_WEIGHT = 5.0, 2.0  # of the two losses, as in GeoDiff
LEAST_DISTANCE = 1e-3  # angstrom; a pair that is closer has no direction
ELEMENTS = 100


def betas(levels: int, start: float, end: float) -> np.ndarray:
    """GeoDiff's schedule in float64: sigmoid(-6 .. 6) between ``start`` and ``end``."""
    return start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, levels)))


def sigmas(config: MoleculesConfig) -> np.ndarray:
    """Noise levels sigma_t in angstrom, (levels,), rising."""
    alphas = np.cumprod(1 - betas(config.levels, config.beta_start, config.beta_end))
    return np.sqrt((1 - alphas) / alphas)


@dataclass(frozen=True)
class Pairs:
    """The pairs of a batch at some positions: local ones, then global ones within the cutoff."""

    i: torch.Tensor
    j: torch.Tensor
    type: torch.Tensor
    kind: torch.Tensor
    molecule: torch.Tensor
    distance: torch.Tensor  # (pairs,) angstrom
    direction: torch.Tensor  # (pairs, 3) from j to i, of length 1
    local: int


def rows(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``values[index]`` by rows: on a CPU three times as fast as indexing, gradient included."""
    return values.index_select(0, index)


def pairs_within(batch: Batch, positions: torch.Tensor, cutoff: float) -> Pairs:
    """The pairs of ``batch`` at ``positions`` (atoms, 3), from the list of all pairs."""
    difference = rows(positions, batch.i) - rows(positions, batch.j)
    distance = difference.square().sum(-1).sqrt().clamp(min=LEAST_DISTANCE)
    far = distance[batch.local :] <= cutoff
    index = (batch.i, batch.j, batch.type, batch.kind, batch.pair_molecule)
    if not bool(far.all()):
        near = far.nonzero().squeeze(1) + batch.local
        kept = torch.cat([torch.arange(batch.local, device=near.device), near])
        index = tuple(part[kept] for part in index)
        distance, difference = distance[kept], rows(difference, kept)
    return Pairs(*index, distance, difference / distance[:, None], batch.local)


def forces(strength: torch.Tensor, pairs: Pairs, part: slice, atoms: int) -> torch.Tensor:
    """f_i = 2 sum_j s_ij (x_i - x_j) / d_ij over a part of the pairs, (atoms, 3)."""
    along = 2 * strength[:, None] * pairs.direction[part]
    total = torch.zeros(atoms, 3, dtype=along.dtype, device=along.device)
    return total.index_add(0, pairs.i[part], along).index_add(0, pairs.j[part], along, alpha=-1)


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """Half-precision numbers as float32, in which sums over neighbours are taken; others as they
    are.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


class Perceptron(nn.Sequential):
    """Linear layers with a rectifier between them."""

    def __init__(self, *widths: int):
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers[:-1])


class SchNetConvolution(nn.Module):
    """h_i <- h_i + V softplus(sum_j W(e_ij) * U h_j); the filter is 0 at the cutoff."""

    def __init__(self, hidden: int):
        super().__init__()
        self.filter = nn.Sequential(
            nn.Linear(hidden, hidden), ShiftedSoftplus(), nn.Linear(hidden, hidden)
        )
        self.inside = nn.Linear(hidden, hidden, bias=False)
        self.outside = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, hidden)
        nn.init.xavier_uniform_(self.inside.weight)
        nn.init.xavier_uniform_(self.outside.weight)
        nn.init.zeros_(self.outside.bias)

    def forward(
        self, h: torch.Tensor, parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        """``parts`` are (windowed filters (pairs, hidden), i, j) of disjoint sets of pairs."""
        message = self.inside(h)
        total = at_least_float32(torch.zeros_like(message))
        for weight, i, j in parts:
            to_i, to_j = weight * rows(message, j), weight * rows(message, i)
            total = total.index_add(0, i, at_least_float32(to_i))
            total = total.index_add(0, j, at_least_float32(to_j))
        return h + self.last(shifted_softplus(self.outside(total)))


class GINConvolution(nn.Module):
    """h_i <- h_i + P(h_i + sum_j relu(h_j + e_ij)) over local pairs."""

    def __init__(self, hidden: int):
        super().__init__()
        self.perceptron = Perceptron(hidden, hidden, hidden)

    def forward(
        self, h: torch.Tensor, edge: torch.Tensor, i: torch.Tensor, j: torch.Tensor, last: bool
    ) -> torch.Tensor:
        h = at_least_float32(h)
        total = h.index_add(0, i, at_least_float32(F.relu(rows(h, j) + edge)))
        total = total.index_add(0, j, at_least_float32(F.relu(rows(h, i) + edge)))
        out = self.perceptron(total)
        return h + (out if last else F.relu(out))


def shifted_softplus(x: torch.Tensor) -> torch.Tensor:
    return F.softplus(x) - math.log(2)


class ShiftedSoftplus(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return shifted_softplus(x)


class GeoDiff(nn.Module):
    """The dual encoder; :meth:`forward` gives every pair its s.

    With ``preconditioned`` the mean m and the spread c of the kind of each distance are buffers,
    filled from the training set, and the network gives the rest (Karras et al. 2022, applied to
    distances):

        s = - sigma (d - m) / (c^2 + sigma^2)  +  c / sqrt(c^2 + sigma^2) * network((d - m) /
        sqrt(c^2 + sigma^2), sigma, c)

    The first term is the optimal s where d0 is Gaussian with mean m and spread c, and the network
    starts at 0. Without it the network gives s from the distance alone, as GeoDiff does.
    """

    def __init__(self, config: MoleculesConfig, environments: int, kinds: int):
        super().__init__()
        hidden = config.hidden
        self.cutoff, self.preconditioned = config.cutoff, config.preconditioned
        self.register_buffer("sigma", torch.from_numpy(sigmas(config)).float())
        self.edge_type = nn.Embedding(EDGE_TYPES, hidden)
        self.edge_length = Perceptron(3 if config.preconditioned else 1, hidden, hidden)
        self.global_atom = nn.Embedding(ELEMENTS, hidden)
        self.local_atom = nn.Embedding(ELEMENTS, hidden)
        self.global_convs = nn.ModuleList(
            SchNetConvolution(hidden) for _ in range(config.global_convs)
        )
        self.local_convs = nn.ModuleList(GINConvolution(hidden) for _ in range(config.local_convs))
        self.global_out = Perceptron(2 * hidden, hidden, hidden // 2, 1)
        self.local_out = Perceptron(2 * hidden, hidden, hidden // 2, 1)
        if config.preconditioned:
            self.register_buffer("mean", torch.full((kinds,), 3.0))
            self.register_buffer("spread", torch.ones(kinds))
            self.kind = nn.Embedding(kinds, hidden)
            self.environment = nn.Embedding(environments, hidden)
            for start_at_zero in (
                self.kind,
                self.environment,
                self.global_out[-1],
                self.local_out[-1],
            ):
                nn.init.zeros_(start_at_zero.weight)
            for out in (self.global_out, self.local_out):
                nn.init.zeros_(out[-1].bias)

    def set_statistics(self, graphs: Graphs, conformations: np.ndarray) -> None:
        """Fill the mean and spread of every kind of distance from the training set."""
        for buffer, values in zip(
            (self.mean, self.spread), graphs.distance_statistics(conformations), strict=True
        ):
            buffer.copy_(torch.from_numpy(values))

    def forward(
        self, batch: Batch, pairs: Pairs, sigma: torch.Tensor, filters: FilterTable | None = None
    ) -> torch.Tensor:
        """s of every pair, (pairs,).

        ``sigma`` (molecules,) is the noise level of each molecule in angstrom; ``filters`` is a
        table that replaces the networks of the filters.
        """
        if not self.preconditioned:
            return self.network(batch, pairs, pairs.distance[:, None], filters)
        level = sigma[pairs.molecule]
        mean, spread = self.mean[pairs.kind], self.spread[pairs.kind]
        total = (spread.square() + level.square()).sqrt()
        away = (pairs.distance - mean) / total
        features = torch.stack([away, 0.5 * level.log(), 0.5 * spread.log()], dim=-1)
        return self.network(batch, pairs, features) * (spread / total) - level / total * away

    def window(self, distance: torch.Tensor) -> torch.Tensor:
        """1 at 0 and 0 from the cutoff on, as a cosine."""
        return (distance <= self.cutoff) * (
            0.5 * (torch.cos(distance * (math.pi / self.cutoff)) + 1)
        )

    def network(
        self, batch: Batch, pairs: Pairs, features: torch.Tensor, filters: FilterTable | None = None
    ) -> torch.Tensor:
        """The network's output for every pair, (pairs,), from ``features`` of its distance."""
        local = slice(0, pairs.local)
        kind = self.edge_type(pairs.type)
        global_atom, local_atom = self.global_atom(batch.element), self.local_atom(batch.element)
        if self.preconditioned:
            kind = kind + self.kind(pairs.kind)
            environment = self.environment(batch.environment)
            global_atom, local_atom = global_atom + environment, local_atom + environment
        edge = self.edge_length(features) * kind
        h = global_atom
        if filters is None and not self.preconditioned:
            filters = FilterTable(self, only_far=True)
        window = self.window(pairs.distance)[:, None]
        for number, convolution in enumerate(self.global_convs):
            if filters is None:
                parts = [(convolution.filter(edge) * window, pairs.i, pairs.j)]
            else:
                parts = []
                if filters.only_far:
                    weight = convolution.filter(edge[local]) * window[local]
                    parts = [(weight, pairs.i[local], pairs.j[local])]
                parts.append(filters.read(number, pairs))
            h = convolution(h, parts)
        far = slice(pairs.local, None)
        product = rows(h, pairs.i[far]) * rows(h, pairs.j[far])
        far_s = self.global_out(torch.cat([product, edge[far]], dim=-1)).squeeze(-1)
        g, near = local_atom, edge[local]
        i, j = pairs.i[local], pairs.j[local]
        for number, convolution in enumerate(self.local_convs, 1):
            g = convolution(g, near, i, j, last=number == len(self.local_convs))
        local_s = self.local_out(torch.cat([rows(g, i) * rows(g, j), near], dim=-1)).squeeze(-1)
        return torch.cat([local_s, far_s])


class FilterTable:
    """The filters of a model without preconditioning, as functions of distance.

    They take most of the time of a step, and depend on the edge type and the distance alone, so
    they are computed at ``POINTS`` distances up to the cutoff and interpolated linearly (error
    about 1e-5 of their size).  Training makes a table at every step, for global pairs, which are
    many and of one type (``only_far``), and takes gradients through it.  Sampling, where the model
    does not change, uses one table for all types and all steps.
    """

    POINTS = 2048

    def __init__(self, model: GeoDiff, *, only_far: bool):
        device = model.sigma.device
        self.only_far, self.scale = only_far, self.POINTS / model.cutoff
        distance = torch.linspace(0, model.cutoff, self.POINTS + 1, device=device)
        window = model.window(distance)[:, None]
        lengths = model.edge_length(distance[:, None])
        types = model.edge_type(torch.arange(1 if only_far else EDGE_TYPES, device=device))
        edges = torch.cat([lengths * kind for kind in types])
        window = window.repeat(len(types), 1)
        self.tables = [convolution.filter(edges) * window for convolution in model.global_convs]

    def read(self, number: int, pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Filters, i and j of the pairs that the table covers, for one convolution."""
        part = slice(pairs.local, None) if self.only_far else slice(0, None)
        # a sample that is not finite stays so, and does not stop the others
        at = pairs.distance[part].nan_to_num(nan=0.0) * self.scale
        below = at.floor().clamp(max=self.POINTS - 1)
        share = (at - below).clamp(max=1)[:, None]  # at the cutoff and beyond the filter is 0
        row = pairs.type[part] * (self.POINTS + 1) + below.long()
        table = self.tables[number]
        return (
            torch.lerp(rows(table, row), rows(table, row + 1), share),
            pairs.i[part],
            pairs.j[part],
        )


def losses(
    model: GeoDiff, batch: Batch, positions: torch.Tensor, level: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """GeoDiff's local and global loss of every atom, (atoms,) each.

    Parameters
    ----------
    positions : real positions x0, (atoms, 3) in angstrom.
    level : noise level t of every molecule, (molecules,).
    noise : standard normal, (atoms, 3).
    """
    sigma = model.sigma[level]
    pairs = pairs_within(batch, positions + sigma[batch.molecule][:, None] * noise, model.cutoff)
    real = (rows(positions, pairs.i) - rows(positions, pairs.j)).square().sum(-1).sqrt()
    target = (real - pairs.distance) / sigma[pairs.molecule]
    miss = model(batch, pairs, sigma) - target
    near, far = slice(0, pairs.local), slice(pairs.local, None)
    local = forces(miss[near], pairs, near, batch.atoms).square().sum(-1)
    global_ = forces(miss[far], pairs, far, batch.atoms).square().sum(-1)
    return LOCAL_WEIGHT * local, GLOBAL_WEIGHT * global_
