"""Conformations: where they come from, how they are checked and split, and their arrays on disk.

A source is read once into RDKit molecules.  Every record is checked.  A record that cannot be used
is named and counted, and a source is refused if more than ``BAD_SHARE`` of its records are.
Records of one graph are conformations of one molecule.  Molecules are ordered by a hash of their
SMILES and split into test, validation and training, so that no molecule and no stereoisomer of it
is in two splits.  The result is a folder in the cache:

    train.npy, validation.npy, test.npy   structured arrays: molecule (its number) and positions,
                                          zero-padded
    graphs.npz                            the flat arrays of ``graphs.py``, for all molecules
    molecules.sdf                         the graphs as RDKit reads them, in numerical order
    info.json                             counts, and the lowest MMFF94 energy of each test molecule
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem

from .. import selection
from ..data import map_array
from ..durable import files
from ..durable.run_dir import fingerprint
from ..sources import content_key
from . import sources
from .config import MoleculesConfig
from .conformers import embed_all
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

    ``seed`` chooses the training molecules where ``config.draw`` is ``by_seed`` (``selection.py``).

    Raises
    ------
    InputError : a source that is not there, records that cannot be used, and too few molecules.
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
    arrays = {name: map_array(folder / f"{name}.npy") for name in ("train", "validation", "test")}
    with np.load(folder / "graphs.npz", allow_pickle=False) as file:
        graphs = Graphs({name: file[name] for name in file.files})
    molecules = list(Chem.SDMolSupplier(str(folder / "molecules.sdf"), removeHs=False))
    info = files.read_json(folder / "info.json")
    return Conformers(**arrays, graphs=graphs, molecules=molecules, info=info)


def _prepare(
    config: MoleculesConfig, name: str, read: sources.ReadResult, draw: int | None, folder: Path
) -> None:
    RDLogger.DisableLog("rdApp.*")
    for line in read.problems[:5]:
        print(f"{name}: left out {line}", file=sys.stderr)
    by_smiles: dict[str, Chem.Mol] = {}
    for molecule in read.molecules:  # stereoisomers count as one molecule: the first
        if molecule.GetNumAtoms() <= config.max_atoms:
            by_smiles.setdefault(identity(molecule), molecule)
    parts = selection.split(
        sorted(by_smiles, key=lambda smiles: content_key(smiles.encode())),
        {"test": config.test_molecules, "validation": config.validation_molecules},
        size=config.molecules,
        part=draw or 0,
        least=-(-config.batch_size // config.conformers),
        field="molecules",
        source=name,
        kind=f"different molecules of at most {config.max_atoms} atoms",
    )
    molecules = [by_smiles[smiles] for part in parts.values() for smiles in part]
    if read.needs_conformers:
        molecules = embed_all(molecules, config.conformers)
    # The test set is common to all seeds, so its arrays have one shape for all of them.
    most_atoms = max(molecule.GetNumAtoms() for molecule in molecules)
    width = most_atoms if draw is None else config.max_atoms
    info: dict = {"source": name, "records": read.records, "left_out": read.problems}
    info["molecules"], start = len(molecules), 0
    for split, part in parts.items():
        end = start + len(part)
        array = to_array(molecules[start:end], range(start, end), width)
        np.save(folder / f"{split}.npy", array)
        info |= {f"{split}_molecules": end - start, f"{split}_conformations": len(array)}
        start = end
    graphs = Graphs.build(molecules)
    np.savez(folder / "graphs.npz", **graphs.arrays)
    with Chem.SDWriter(str(folder / "molecules.sdf")) as writer:
        for molecule in molecules:
            writer.write(molecule, confId=molecule.GetConformers()[0].GetId())
    info["atoms"] = {"mean": float(graphs.atoms.mean()), "most": int(graphs.atoms.max())}
    info["lowest_energy"] = list(map(lowest_energy, molecules[: config.test_molecules]))
    files.write_json(folder / "info.json", info)
