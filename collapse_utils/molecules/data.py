"""Conformations: where they come from, how they are checked and split, and their arrays on disk.

A source is read once into RDKit molecules.  Every record is checked; a record that cannot be used
is named and counted, and the source is refused if they are more than ``BAD_SHARE`` of it.  Records
of one graph are conformations of one molecule. Molecules are ordered by a hash of their SMILES and
split into test, validation and training, so that no molecule (nor a stereoisomer of it) is on two
sides.  The result is a folder in the cache:

    train.npy, validation.npy, test.npy   structured arrays: molecule (its number) and positions,
                                          zero-padded
    graphs.npz                            the flat arrays of ``graphs.py``, for all molecules
    molecules.sdf                         the graphs as RDKit reads them, in numerical order
    info.json                             counts, and the lowest MMFF94 energy of each test molecule
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem

from ..durable import files
from ..durable.run_dir import fingerprint
from ..errors import InputError, data_error
from . import conformers, sources
from .config import MoleculesConfig
from .graphs import Graphs


@dataclass(frozen=True)
class Conformers:
    """Real conformations in three splits, whose molecules are numbers into ``graphs``."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    graphs: Graphs
    molecules: list[Chem.Mol]
    info: dict


def item_type(max_atoms: int) -> np.dtype:
    """One conformation: its molecule's number, and centred, zero-padded positions in angstrom."""
    return np.dtype([("molecule", "<i4"), ("positions", "<f4", (max_atoms, 3))])


def identity(molecule: Chem.Mol) -> str:
    """The SMILES that identifies a molecule in a split: no hydrogens, no stereochemistry."""
    return Chem.MolToSmiles(Chem.RemoveHs(molecule), isomericSmiles=False)


def to_array(molecules: Iterable[Chem.Mol], numbers: Iterable[int], max_atoms: int) -> np.ndarray:
    """All conformations of the molecules as one structured array, each centred at its mean."""
    rows = []
    for molecule, number in zip(molecules, numbers, strict=True):
        for conformer in molecule.GetConformers():
            positions = np.zeros((max_atoms, 3), np.float32)
            atoms = conformer.GetPositions()
            positions[: len(atoms)] = atoms - atoms.mean(axis=0)
            rows.append((number, positions))
    return np.array(rows, item_type(max_atoms))


def with_positions(molecule: Chem.Mol, positions: Iterable[np.ndarray]) -> Chem.Mol:
    """A copy of the molecule with the given conformations; the inverse of :func:`to_array`."""
    copy = Chem.Mol(molecule)
    copy.RemoveAllConformers()
    for coordinates in positions:
        conformer = Chem.Conformer(copy.GetNumAtoms())
        conformer.SetPositions(np.ascontiguousarray(coordinates[: copy.GetNumAtoms()], np.float64))
        copy.AddConformer(conformer, assignId=True)
    return copy


def mmff_energies(molecule: Chem.Mol) -> list[float]:
    """MMFF94 energies of the conformations in kcal/mol; empty if MMFF94 lacks an atom."""
    properties = AllChem.MMFFGetMoleculeProperties(molecule, mmffVariant="MMFF94")
    if properties is None:
        return []
    fields = (
        AllChem.MMFFGetMoleculeForceField(
            molecule, properties, confId=conformer.GetId(), ignoreInterfragInteractions=False
        )
        for conformer in molecule.GetConformers()
    )
    return [field.CalcEnergy() for field in fields]


def lowest_energy(molecule: Chem.Mol) -> float | None:
    """The lowest MMFF94 energy of the relaxed conformations, or None if MMFF94 lacks an atom."""
    copy = Chem.Mol(molecule)
    if not AllChem.MMFFHasAllMoleculeParams(copy):
        return None
    relaxed = AllChem.MMFFOptimizeMoleculeConfs(copy, maxIters=1000, mmffVariant="MMFF94")
    return min(energy for _, energy in relaxed)


def prepare(
    config: MoleculesConfig, data: str | Path, cache: Path, seed: int = 0
) -> tuple[str, Conformers]:
    """The source's name and its conformations, made once in ``cache`` and memory-mapped from there.

    ``seed`` chooses the training molecules where ``config.draw`` is ``by_seed``: seed s takes the
    s-th ``config.molecules`` of them; test and validation molecules are common to all seeds.

    Raises InputError for a source that is not there, records that cannot be used, and too few
    molecules.
    """
    name, content, read = sources.locate(data, config)
    fields = ("molecules", "conformers", "max_atoms", "validation_molecules", "test_molecules")
    key = {"content": content, "layout": 2, **{field: getattr(config, field) for field in fields}}
    draw = seed if config.draw == "by_seed" else None
    if draw is not None:
        key["draw"] = draw
    folder = cache / "molecules" / f"{name}-{fingerprint(key)}"
    files.cached_folder(folder, lambda new: _prepare(config, name, read(), draw, new))
    return name, load(folder)


def load(folder: Path) -> Conformers:
    """The content of a prepared folder."""
    names = ("train", "validation", "test")
    splits = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names
    }
    with np.load(folder / "graphs.npz", allow_pickle=False) as arrays:
        graphs = Graphs({name: arrays[name] for name in arrays.files})
    molecules = list(Chem.SDMolSupplier(str(folder / "molecules.sdf"), removeHs=False))
    return Conformers(
        **splits, graphs=graphs, molecules=molecules, info=files.read_json(folder / "info.json")
    )


def _prepare(
    config: MoleculesConfig, name: str, read: sources.Read, draw: int | None, new: Path
) -> None:
    RDLogger.DisableLog("rdApp.*")
    for line in read.problems[:5]:
        print(f"{name}: left out {line}", file=sys.stderr)
    fitting: dict[str, Chem.Mol] = {}
    for molecule in read.molecules:  # stereoisomers count as one molecule: the first
        if molecule.GetNumAtoms() <= config.max_atoms:
            fitting.setdefault(identity(molecule), molecule)
    order = sorted(
        fitting, key=lambda smiles: hashlib.blake2b(smiles.encode(), digest_size=16).digest()
    )
    held_out = config.test_molecules + config.validation_molecules
    required = held_out + (config.molecules or -(-config.batch_size // config.conformers))
    most = len(order) - held_out
    if most < -(-config.batch_size // config.conformers):
        raise data_error(
            name,
            f"a source of {required:,} different molecules or more, as the preset wants, of at "
            f"most {config.max_atoms} atoms, {held_out:,} of them held out; {name} has "
            f"{len(order):,}",
        )
    if len(order) < required:
        raise InputError(
            "molecules",
            config.molecules,
            f"at most {most}: {name} has {len(order)} different molecules of at most "
            f"{config.max_atoms} atoms, {held_out} of them held out",
        )
    if draw is not None:
        seeds_served = most // config.molecules
        if draw >= seeds_served:
            raise InputError(
                "seed",
                draw,
                f"below {seeds_served} with draw=by_seed: {name} has {most} training molecules of "
                f"at most {config.max_atoms} atoms, {config.molecules} for each seed",
            )
        del order[held_out : held_out + draw * config.molecules]
    order = order[: held_out + config.molecules] if config.molecules else order
    molecules = conformers.with_conformers(
        [fitting[smiles] for smiles in order], config.conformers, made=read.flat
    )
    ends = {"test": config.test_molecules, "validation": held_out, "train": len(order)}
    # The test set is common to all seeds, so its arrays have one shape for all of them.
    most_atoms = max(molecule.GetNumAtoms() for molecule in molecules)
    width = most_atoms if draw is None else config.max_atoms
    info: dict = {"source": name, "records": read.records, "left_out": read.problems}
    info["molecules"], start = len(order), 0
    for split, end in ends.items():
        array = to_array(molecules[start:end], range(start, end), width)
        np.save(new / f"{split}.npy", array)
        info |= {f"{split}_molecules": end - start, f"{split}_conformations": len(array)}
        start = end
    graphs = Graphs.build(molecules)
    np.savez(new / "graphs.npz", **graphs.arrays)
    with Chem.SDWriter(str(new / "molecules.sdf")) as writer:
        for molecule in molecules:
            writer.write(molecule, confId=molecule.GetConformers()[0].GetId())
    info["atoms"] = {"mean": float(graphs.atoms.mean()), "most": int(graphs.atoms.max())}
    info["lowest_energy"] = list(map(lowest_energy, molecules[: config.test_molecules]))
    files.write_json(new / "info.json", info)
