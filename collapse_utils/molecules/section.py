"""Section 2.2: GeoDiff trained from scratch on conformations of drug-like molecules.

One fit is a fixed number of optimisation steps, as the authors ran it, whatever the size of the
training set, so accumulate does not get more training than replace.  A generation holds a new
conformation of the molecule of every real training item.  Real held-out molecules give GeoDiff's
local, global and total loss, under noise that is the same in every iteration.  Samples for those
molecules give the metrics that a chemist would look at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rdkit import Chem

from .. import seeds
from ..data import Data, Pool
from ..durable.checkpoints import Checkpoint, Kept, at_once
from ..errors import RunError
from ..training import loop
from .config import MoleculesConfig
from .data import item_type, prepare, with_positions
from .graphs import Batch
from .measures import measure_samples
from .model import GeoDiff, losses
from .sampling import sample_positions
from .sources import SOURCES as SOURCES

TITLE = "Molecules (section 2.2)"
HEADLINE = "local_loss"
PATIENCE, PLATEAU_DECAY = 10, 0.6  # of the plateau schedule, as the authors ran it
SHOWN_MOLECULES = 3  # in a preview
EVALUATION_BATCH = 64  # conformations evaluated side by side

# batch, real positions, noise level of each molecule, noise
Noised = tuple[Batch, torch.Tensor, torch.Tensor, torch.Tensor]


def make(config: MoleculesConfig, *, data: str | Path, seed: int, cache: Path) -> MoleculesSection:
    """The section on a source; ``seed`` chooses molecules where ``draw`` is ``by_seed``."""
    return MoleculesSection(config, data, cache, seed)


def batch_order(items: int, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """The items of every step, (steps, batch_size): one shuffled pass after another.

    Unlike in :class:`~..training.batches.Batches`, a batch may belong to two passes.
    """
    passes = -(-steps * batch_size // items)
    order = [seeds.generator(seed, "order", number).permutation(items) for number in range(passes)]
    return np.concatenate(order)[: steps * batch_size].reshape(steps, batch_size)


def split_noised(noised: Noised, parts: int) -> list[tuple[Noised, float]]:
    """At most ``parts`` smaller batches of whole molecules, each with its share of the atoms."""
    batch, positions, levels, noise = noised
    pieces = []
    for rows in np.array_split(np.arange(batch.size), min(parts, batch.size)):
        first, last = int(rows[0]), int(rows[-1]) + 1
        piece, atoms = batch.part(first, last)
        pieces.append(
            ((piece, positions[atoms], levels[first:last], noise[atoms]), piece.atoms / batch.atoms)
        )
    return pieces


class MoleculesSection:
    """The four methods of the chain, on one set of molecules."""

    resumable_sampling = True  # ``sample`` keeps its pieces: see durable.checkpoints.Pieces
    same_steps = True  # of every fit, whatever the size of its training set

    def __init__(self, config: MoleculesConfig, data: str | Path, cache: Path, seed: int = 0):
        self.config = config
        self.source, self.real = prepare(config, data, cache, seed)

    def real_data(self) -> tuple[Data, Data]:
        return self.real.train, self.real.test

    def noised(
        self, rows: np.ndarray, rng: np.random.Generator, levels: np.ndarray | None = None
    ) -> Noised:
        """Conformations as a batch, with the noise that is to be added to them.

        Levels are drawn in pairs t and T - 1 - t as in GeoDiff, unless they are given.
        """
        device, molecules = loop.device(), rows["molecule"]
        if levels is None:
            half = rng.integers(self.config.levels, size=(len(rows) + 1) // 2)
            levels = np.concatenate([half, self.config.levels - 1 - half])[: len(rows)]
        real_atoms = self.real.graphs.real_atoms(molecules, rows["positions"].shape[1])
        positions = rows["positions"][real_atoms]
        noise = rng.standard_normal(positions.shape, np.float32)
        tensors = (
            torch.from_numpy(part).to(device, non_blocking=True)
            for part in (positions, levels, noise)
        )
        return self.real.graphs.batch(molecules).to(device), *tensors

    def plan(self) -> loop.Plan:
        """How a model is optimised: by Adam with the configured schedule."""
        config = self.config
        schedule: dict = {"warmup": 0.02}
        if config.schedule == "plateau":
            # of the total loss; the authors have one plateau for each of the two encoders
            schedule = {"warmup": 0.0, "patience": PATIENCE, "decay": PLATEAU_DECAY}
            schedule["validations"] = max(config.steps // 1000, 1)
        betas = (config.beta_1, 0.999)
        return loop.Plan.of(config, final_rate=0.01, weight_decay=0.0, betas=betas, **schedule)

    def fit(self, training_data: Data | Pool, seed: int, checkpoint: Checkpoint) -> GeoDiff:
        """A fresh model after ``steps`` steps; training items that are not finite are skipped."""
        config = self.config
        torch.manual_seed(seeds.derive(seed, "initialisation"))
        graphs = self.real.graphs
        model = GeoDiff(config, graphs.environments, graphs.kinds).to(loop.device())
        usable = finite_rows(training_data)
        if len(usable) == 0:
            problem = f"none of the {len(training_data)} training conformations is finite"
            if config.diverged == "stop":
                raise RunError(f"fit: {problem}")
            model.eval()  # as initialised: no conformation is left to learn from
            if checkpoint.start() is None:
                loop.save_finished(model, checkpoint, 0, [], {"step": 0, "problem": problem})
            return model
        if config.preconditioned:
            model.set_statistics(graphs, training_data)
        order = batch_order(len(usable), config.batch_size, config.steps, seed)

        def batch_at(step: int) -> Noised:
            rows = training_data[usable[order[step]]]
            return self.noised(rows, seeds.generator(seed, "noise", step))

        def loss_of(model: GeoDiff, batch: Noised) -> torch.Tensor:
            local, global_ = losses(model, *batch)
            return (local + global_).mean()

        loop.train(
            model,
            batch_at,
            loss_of,
            self.plan(),
            seed=seed,
            checkpoint=checkpoint,
            items_per_step=config.batch_size,
            validate=lambda model: sum(self.test_losses(model, self.real.validation)),
            split=split_noised,
        )
        return model

    def sample(self, model: GeoDiff, size: int, seed: int, kept: Kept = at_once) -> Data:
        """A new conformation of the molecule of each of the first ``size`` real training items."""
        train_items = self.real.train
        items = np.zeros(size, item_type(train_items["positions"].shape[1]))
        items["molecule"] = train_items["molecule"][np.arange(size) % len(train_items)]
        items["positions"] = self.conformations(model, items["molecule"], seed, kept)
        return items

    def conformations(
        self, model: GeoDiff, molecules: np.ndarray, seed: int, kept: Kept = at_once
    ) -> np.ndarray:
        """Sampled positions for these numbers of ``molecules``, (len(molecules), width, 3)."""
        width = self.real.train["positions"].shape[1]
        return sample_positions(
            model, self.real.graphs, np.asarray(molecules, np.int64), width, self.config, seed, kept
        )

    @torch.no_grad()
    def test_losses(self, model: GeoDiff, items: Data) -> tuple[float, float]:
        """Local and global loss, a mean over atoms and ``loss_draws`` noise draws.

        The draws of a conformation are spread evenly over the noise levels, and they are the same
        for every model.
        """
        draws, levels = self.config.loss_draws, self.config.levels
        sums, atoms = np.zeros(2), 0
        for draw in range(draws):
            rng = seeds.generator(0, "evaluation noise", draw)
            shift = rng.random(len(items))
            spread = (draw + (np.arange(len(items)) + shift) / len(items)) / draws * levels
            at = rng.permutation(spread.astype(np.int64))
            for start in range(0, len(items), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                both = losses(model, *self.noised(items[part], rng, at[part]))
                sums += [loss.double().sum().item() for loss in both]
                atoms += len(both[0])
        return tuple((sums / atoms).tolist())

    def evaluate(self, model: GeoDiff, real_test: Data) -> dict[str, float]:
        """Losses on real conformations and quality of samples; the same noise for every fit."""
        local, global_ = self.test_losses(model, real_test)
        molecules = np.repeat(real_test["molecule"], self.config.samples_per_conformer)
        positions = self.conformations(model, molecules, seeds.derive(0, "evaluation samples"))
        numbers, counts = np.unique(real_test["molecule"]), self.real.graphs.atoms
        return {
            "local_loss": local,
            "global_loss": global_,
            "total_loss": local + global_,
            **measure_samples(
                [self.real.molecules[number] for number in numbers],
                [
                    np.array(real_test["positions"][real_test["molecule"] == n, : counts[n]], float)
                    for n in numbers
                ],
                [positions[molecules == n, : counts[n]].astype(float) for n in numbers],
                [self.real.info["lowest_energy"][number] for number in numbers],
            ),
        }

    def notes(self) -> dict:
        """What the provenance says about the data."""
        return {key: value for key, value in self.real.info.items() if key != "lowest_energy"}

    def preview(self, items: Data, folder: Path) -> None:
        """Write the first molecules, real and sampled, as ``molecules.sdf`` and as a picture."""
        from matplotlib.figure import Figure

        from .drawing import draw_row

        numbers = list(dict.fromkeys(np.asarray(items["molecule"]).tolist()))[:SHOWN_MOLECULES]
        figure = Figure(
            figsize=(2.2 * len(numbers), 3.2), dpi=50, facecolor="white", layout="constrained"
        )
        axes = figure.subplots(2, len(numbers), squeeze=False)
        shown = []
        for column, number in enumerate(numbers):
            molecule, atoms = self.real.molecules[number], self.real.graphs.atoms[number]
            real, sampled = (
                np.array(part["positions"][part["molecule"] == number][0, :atoms], float)
                for part in (self.real.train, items)
            )
            draw_row(axes[:, column], molecule, [real, sampled], ["real", "sampled"])
            for name, positions in (("real", real), ("sampled", np.nan_to_num(sampled))):
                shown.append(with_positions(molecule, [positions]))
                shown[-1].SetProp("_Name", name)
        figure.savefig(folder / "molecules.png")
        with Chem.SDWriter(str(folder / "molecules.sdf")) as writer:
            for molecule in shown:
                writer.write(molecule)


def finite_rows(items: Data | Pool) -> np.ndarray:
    """Numbers of the conformations that are finite."""
    finite = [
        np.isfinite(items[start : start + 4096]["positions"]).all(axis=(1, 2))
        for start in range(0, len(items), 4096)
    ]
    return np.flatnonzero(np.concatenate(finite))
