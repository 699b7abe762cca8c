"""Conformations per second: the book's GeoDiff and a plain one in ``torch_geometric``.

Both sides are the same dual encoder at the paper's width (hidden 128, 6 SchNet and 4 GIN
convolutions, cutoff 10 angstrom) with the same batches of 32 drug-like molecules, in float32 on two
threads.  The other side is written as the public GeoDiff is: ``MessagePassing`` layers on edges in
both directions; in training it works out the edges up to order 3 from a dense adjacency matrix of
the whole batch at every step, in sampling it has them; it finds the radius graph at every step and
merges the two as sparse matrices.  Two kinder variants are timed beside it: ``float``, with the
adjacency in floating point, which BLAS multiplies, and ``cached``, which has all edges up to order
3 in training, too.  (Its radius graph is a matrix of distances of the whole batch, because no build
of torch-cluster fits every torch; it takes 1 to 2% of the other side's time.)  The weights are
copied from one side to the other and the losses compared, so that both are known to compute the
same numbers.  Writes ``benchmarks/results/molecule_speed.json``.

    pip install torch_geometric
    python benchmarks/molecule_speed.py [--rounds 5] [--threads 2] [--only PART] [--more]

The parts are training, sampling, layout and limits.  The last needs no torch_geometric: it says
how far our steps of the file are from the rate of matrix products, which it measures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

OUT = Path(__file__).parent / "results" / "molecule_speed.json"
MOLECULES, LEVELS = 32, 1000
NO_COUNTER = contextlib.nullcontext()


def set_threads(threads: int) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def configuration():
    from dataclasses import replace

    from collapse_utils.molecules.config import PRESETS

    return replace(PRESETS["paper"], sampler="langevin")


def setting():
    """The model, the graphs and a batch of conformations of molecules of the rdkit wheel."""
    import numpy as np
    import torch
    from rdkit import Chem

    from collapse_utils.molecules import sources
    from collapse_utils.molecules.data import to_array
    from collapse_utils.molecules.graphs import Graphs
    from collapse_utils.molecules.model import GeoDiff

    molecules = sources._shipped().molecules[:: 412 // MOLECULES][:MOLECULES]
    molecules = [Chem.Mol(molecule) for molecule in molecules]
    graphs = Graphs.build(molecules)
    items = to_array(molecules, range(len(molecules)), int(graphs.atoms.max()))
    torch.manual_seed(0)
    model = GeoDiff(configuration(), graphs.environments, graphs.kinds)
    batch = graphs.batch(np.arange(MOLECULES))
    positions = torch.from_numpy(
        items["positions"][graphs.real_atoms(items["molecule"], items["positions"].shape[1])]
    )
    return model, graphs, batch, positions


def draws(step: int, atoms: int):
    import torch

    generator = torch.Generator().manual_seed(step)
    half = torch.randint(LEVELS, (MOLECULES // 2,), generator=generator)
    return torch.cat([half, LEVELS - 1 - half]), torch.randn(atoms, 3, generator=generator)


# The other side


def other_model(ours):
    """GeoDiff in torch_geometric with the weights of ``ours``."""
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch_geometric.nn import MessagePassing

    class CFConv(MessagePassing):
        def __init__(self, source, cutoff):
            super().__init__(aggr="add")
            self.nn, self.lin1, self.lin2, self.last, self.cutoff = (
                source.filter,
                source.inside,
                source.outside,
                source.last,
                cutoff,
            )

        def forward(self, h, edge_index, edge_length, edge_attr):
            c = (
                0.5
                * (torch.cos(edge_length * math.pi / self.cutoff) + 1.0)
                * (edge_length <= self.cutoff)
            )
            w = self.nn(edge_attr) * c.view(-1, 1)
            x = self.lin2(self.propagate(edge_index, x=self.lin1(h), w=w))
            return self.last(F.softplus(x) - math.log(2))

        def message(self, x_j, w):
            return x_j * w

    class GINEConv(MessagePassing):
        def __init__(self, source):
            super().__init__(aggr="add")
            self.nn = source.perceptron

        def forward(self, x, edge_index, edge_attr):
            return self.nn(self.propagate(edge_index, x=x, edge_attr=edge_attr) + x)

        def message(self, x_j, edge_attr):
            return F.relu(x_j + edge_attr)

    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.cutoff, self.sigma = ours.cutoff, ours.sigma
            self.length, self.kind = ours.edge_length, ours.edge_type
            self.z_global, self.z_local = ours.global_atom, ours.local_atom
            self.schnet = nn.ModuleList(CFConv(conv, ours.cutoff) for conv in ours.global_convs)
            self.gin = nn.ModuleList(GINEConv(conv) for conv in ours.local_convs)
            self.out_global, self.out_local = ours.global_out, ours.local_out

        def embed(self, length, kind):
            return self.length(length) * self.kind(kind)

        def forward(self, z, edge_index, kind, length):
            local = kind > 0
            attr = self.embed(length, kind)
            h = self.z_global(z)
            for conv in self.schnet:
                h = h + conv(h, edge_index, length.squeeze(-1), attr)
            pair = torch.cat([h[edge_index[0]] * h[edge_index[1]], attr], dim=-1)
            s_global = self.out_global(pair)
            attr_local = self.embed(length, kind)  # the public code embeds the edges a second time
            near = edge_index[:, local]
            g = self.z_local(z)
            for number, conv in enumerate(self.gin):
                out = conv(g, near, attr_local[local])
                g = g + (F.relu(out) if number < len(self.gin) - 1 else out)
            pair = torch.cat([g[near[0]] * g[near[1]], attr_local[local]], dim=-1)
            return s_global, self.out_local(pair), local

    return Other()


class Edges:
    """The edges of the other side, rebuilt as the public GeoDiff does."""

    def __init__(self, batch, variant: str):
        import torch

        self.n, self.batch, self.variant = batch.atoms, batch.molecule, variant
        near = slice(0, batch.local)
        bond = batch.type[near] < 6  # not an angle, not a dihedral
        i, j, kind = batch.i[near], batch.j[near], batch.type[near]
        both = torch.stack([torch.cat([i, j]), torch.cat([j, i])])
        self.all_index, self.all_type = both, torch.cat([kind, kind])
        keep = torch.cat([bond, bond])
        self.bond_index, self.bond_type = both[:, keep], torch.cat([kind, kind])[keep]

    def order(self):
        """Edges up to order 3 from powers of the dense adjacency matrix."""
        import torch
        from torch_geometric.utils import coalesce, dense_to_sparse, to_dense_adj

        if self.variant == "cached":
            return self.all_index, self.all_type
        number = torch.float if self.variant == "float" else torch.long
        adjacency = to_dense_adj(self.bond_index, max_num_nodes=self.n).squeeze(0).to(number)
        eye = torch.eye(self.n, dtype=number)
        powers = [eye, ((adjacency + eye) > 0).to(number)]
        for _ in range(2):
            powers.append(((powers[-1] @ powers[1]) > 0).to(number))
        order = sum((powers[k] - powers[k - 1]) * k for k in range(1, 4)).long()
        types = (
            to_dense_adj(self.bond_index, edge_attr=self.bond_type, max_num_nodes=self.n)
            .squeeze(0)
            .long()
        )
        index, kind = dense_to_sparse(types + torch.where(order > 1, order + 4, 0))
        return coalesce(index, kind.long(), self.n)

    def with_radius(self, positions, index, kind, cutoff):
        import torch

        close = (torch.cdist(positions, positions) <= cutoff) & (
            self.batch[:, None] == self.batch[None, :]
        )
        close.fill_diagonal_(False)
        radius = close.nonzero().t()
        shape = (self.n, self.n)
        local = torch.sparse_coo_tensor(index, kind, shape)
        merged = (
            local + torch.sparse_coo_tensor(radius, torch.zeros_like(radius[0]), shape)
        ).coalesce()
        return merged.indices(), merged.values()


def eq_transform(s, positions, index, length):
    import torch

    along = (positions[index[0]] - positions[index[1]]) / length * s
    out = torch.zeros_like(positions).index_add(0, index[0], along)
    return out.index_add(0, index[1], -along)


def other_losses(model, edges, z, positions, level, noise):
    sigma = model.sigma[level]
    noisy = positions + noise * sigma[edges.batch][:, None]
    index, kind = edges.with_radius(noisy, *edges.order(), model.cutoff)
    length = (noisy[index[0]] - noisy[index[1]]).norm(dim=-1, keepdim=True)
    s_global, s_local, local = model(z, index, kind, length)
    real = (positions[index[0]] - positions[index[1]]).norm(dim=-1, keepdim=True)
    target = (real - length) / sigma[edges.batch[index[0]]][:, None]
    far = ((length <= model.cutoff) & ~local[:, None]).float()
    loss_global = eq_transform(s_global * far, noisy, index, length) - eq_transform(
        target * far, noisy, index, length
    )
    near, near_length = index[:, local], length[local]
    loss_local = eq_transform(s_local, noisy, near, near_length) - eq_transform(
        target[local], noisy, near, near_length
    )
    return 5 * loss_local.square().sum(-1), 2 * loss_global.square().sum(-1)


# What is timed


def training(side: str, threads: int, counter=NO_COUNTER) -> dict:
    """Seconds a training step, and the loss of the first step; ``counter`` surrounds the steps."""
    import torch

    torch.set_num_threads(threads)
    from collapse_utils.molecules.model import losses
    from collapse_utils.training.allocator import keep_memory

    model, graphs, batch, positions = setting()
    if side == "ours":
        keep_memory()
        network = model

        def step_of(level, noise):
            return losses(model, fresh(graphs), positions, level, noise)
    else:
        network, edges = other_model(model), Edges(batch, side)

        def step_of(level, noise):
            return other_losses(network, edges, batch.element, positions, level, noise)

    adam = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.95, 0.999))
    times, first = [], None
    for step in range(1 + (6 if side == "ours" else 3)):
        level, noise = draws(step, batch.atoms)
        started = time.perf_counter()
        with counter:
            local, global_ = step_of(level, noise)
            loss = (local + global_).mean()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 30_000.0)
        adam.step()
        adam.zero_grad()
        times.append(time.perf_counter() - started)
        first = loss.item() if first is None else first
    return {"seconds": statistics.mean(times[1:]), "check": first}


def fresh(graphs):
    """A batch made anew, as in training, in the order of the timed conformations."""
    import numpy as np

    return graphs.batch(np.arange(MOLECULES))


def sampling(side: str, threads: int, counter=NO_COUNTER) -> dict:
    """Seconds a Langevin step, over levels spread evenly; and the force at the first level."""
    import torch

    torch.set_num_threads(threads)
    from collapse_utils.molecules.model import FilterTable, forces, pairs_within
    from collapse_utils.training.allocator import keep_memory

    model, _, batch, positions = setting()
    keep_memory()
    edges = Edges(batch, "cached")
    network, filters = (
        (model, FilterTable(model, only_far=False))
        if side == "ours"
        else (other_model(model), None)
    )
    times, first = [], None
    with torch.no_grad():
        for step, level in enumerate([500, *range(0, LEVELS, 90)]):
            sigma = model.sigma[level]
            _, noise = draws(step, batch.atoms)
            x = positions + sigma * noise
            started = time.perf_counter()
            if side == "ours":
                pairs = pairs_within(batch, x, model.cutoff)
                with counter:
                    s = model(batch, pairs, sigma.expand(MOLECULES), filters)
                force = forces(s, pairs, slice(None), batch.atoms)
            else:
                index, kind = edges.with_radius(x, *edges.order(), model.cutoff)
                length = (x[index[0]] - x[index[1]]).norm(dim=-1, keepdim=True)
                s_global, s_local, local = network(batch.element, index, kind, length)
                force = eq_transform(s_global * ~local[:, None], x, index, length)
                force = force + eq_transform(s_local, x, index[:, local], length[local])
            times.append(time.perf_counter() - started)
            first = force.abs().mean().item() if first is None else first
    return {"seconds": statistics.mean(times[1:]), "check": first}


def layout(side: str, threads: int) -> dict:
    """Seconds for one SchNet convolution with gradient: pairs, directed edges, or padding."""
    import torch

    torch.set_num_threads(threads)
    from collapse_utils.molecules.model import SchNetConvolution, pairs_within, shifted_softplus
    from collapse_utils.training.allocator import keep_memory

    keep_memory()
    model, _, batch, positions = setting()
    convolution: SchNetConvolution = model.global_convs[0]
    pairs = pairs_within(batch, positions, model.cutoff)
    width = int(batch.slot.max()) + 1
    atom = batch.molecule * width + batch.slot
    hidden = 128
    if side == "pairs":
        edge = torch.randn(len(pairs.i), hidden)
        inside = torch.ones(len(pairs.i), 1)

        def once(h):
            return convolution(h, [(convolution.filter(edge) * inside, pairs.i, pairs.j)])

    elif side == "edges":
        i, j = torch.cat([pairs.i, pairs.j]), torch.cat([pairs.j, pairs.i])
        edge = torch.randn(len(i), hidden)

        def once(h):
            weight = convolution.filter(edge)
            message = convolution.inside(h)
            total = torch.zeros_like(h).index_add(0, i, weight * message[j])
            return h + convolution.last(shifted_softplus(convolution.outside(total)))

    else:
        edge = torch.randn(MOLECULES, width, width, hidden)
        mask = torch.zeros(MOLECULES * width)
        mask[atom] = 1
        mask = mask.view(MOLECULES, width)
        window = (mask[:, :, None] * mask[:, None, :]).unsqueeze(-1)

        def once(h):
            weight = convolution.filter(edge) * window
            padded = (
                torch.zeros(MOLECULES * width, hidden)
                .index_copy(0, atom, convolution.inside(h))
                .view(-1, 1, width, hidden)
            )
            total = (weight * padded).sum(2).view(-1, hidden)[atom]
            return h + convolution.last(shifted_softplus(convolution.outside(total)))

    times = []
    for _ in range(4):
        h = torch.randn(batch.atoms, hidden, requires_grad=True)
        started = time.perf_counter()
        once(h).sum().backward()
        times.append(time.perf_counter() - started)
    return {"seconds": statistics.mean(times[1:]), "check": 0.0}


PARTS = {
    "training": (training, ("ours", "public", "float", "cached")),
    "sampling": (sampling, ("ours", "public")),
    "layout": (layout, ("pairs", "edges", "padded")),
}


def measure(part: str, side: str, threads: int) -> dict:
    """One measurement in its own process, since a process keeps its allocator's settings."""
    command = [sys.executable, __file__, "--one", part, side, "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def limits(seconds: dict[str, float], threads: int) -> dict:
    """Our share of the rate of matrix products, given the ``seconds`` of our steps by part."""
    from limits import product_rate
    from torch.utils.flop_counter import FlopCounterMode

    peak = product_rate(threads)
    shares: dict = {"limit_gflops": round(peak / 1e9, 1)}
    for part, spent in seconds.items():
        counter = FlopCounterMode(display=False)
        PARTS[part][0]("ours", threads, counter)
        # entering a counter starts it anew: what it holds is the last step
        share = counter.get_total_flops() / spent / peak
        shares[part] = {"share_of_product_rate": round(share, 3)}
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=(*PARTS, "limits"), action="append")
    parser.add_argument("--more", action="store_true", help="add the rounds to those in the file")
    parser.add_argument("--one", nargs=2, metavar=("PART", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(options.threads)
    if options.one:
        part, side = options.one
        print(json.dumps(PARTS[part][0](side, options.threads)))
        return
    result = json.loads(OUT.read_text()) if OUT.exists() else {}
    for part in options.only or (*PARTS, "limits"):
        if part == "limits":
            seconds = {one: result[one]["seconds"]["ours"] for one in ("training", "sampling")}
            result[part] = limits(seconds, options.threads)
            print(part, result[part])
            continue
        sides = PARTS[part][1]
        runs = {
            side: list(result[part]["all"][side]) if options.more and part in result else []
            for side in sides
        }
        # alternating, so that whatever else the machine does meets all sides
        for _ in range(options.rounds):
            for side in sides:
                runs[side].append(measure(part, side, options.threads))
        checks = [runs[side][0]["check"] for side in sides]
        assert max(checks) - min(checks) <= 1e-3 * max(abs(c) for c in checks), (
            f"{part}: the sides differ: {checks}"
        )
        seconds = {side: statistics.median(run["seconds"] for run in runs[side]) for side in sides}
        result[part] = {
            "seconds": seconds,
            "conformations_per_second": {
                side: MOLECULES / value for side, value in seconds.items()
            },
            "times_ours": {side: value / seconds[sides[0]] for side, value in seconds.items()},
            "rounds": len(runs[sides[0]]),
            "all": runs,
        }
        print(part, {side: round(value, 2) for side, value in result[part]["times_ours"].items()})
    result["settings"] = {"molecules": MOLECULES, "threads": options.threads}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
