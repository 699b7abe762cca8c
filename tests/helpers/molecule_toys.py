"""Small molecules with conformations for the tests of the molecule section."""

from __future__ import annotations

from functools import cache

import numpy as np
from rdkit import Chem
from tiny import FIELDS

from collapse_utils.molecules.config import MoleculesConfig
from collapse_utils.molecules.conformers import embed
from collapse_utils.molecules.data import to_array
from collapse_utils.molecules.graphs import Graphs

SMILES = (
    "CCO",
    "c1ccccc1Cl",
    "CC(=O)N",
    "C#CCN",
    "OCC1CC1",
    "CC(C)F",
    "c1ccsc1",
    "CNC=O",
    "CCCS",
    "O=C1CCO1",
    "COC",
    "CC#N",
)


@cache
def molecules(conformers: int = 2) -> tuple[Chem.Mol, ...]:
    return tuple(embed(Chem.MolFromSmiles(smiles), conformers) for smiles in SMILES)


def graphs_and_items(conformers: int = 2) -> tuple[Graphs, np.ndarray]:
    made = molecules(conformers)
    return Graphs.build(made), to_array(made, range(len(made)), max(m.GetNumAtoms() for m in made))


def write_sdf(path, made=None, conformers: int = 2) -> None:
    with Chem.SDWriter(str(path)) as writer:
        for molecule in made if made is not None else molecules(conformers):
            for conformer in molecule.GetConformers():
                writer.write(molecule, confId=conformer.GetId())


def tiny(**fields) -> MoleculesConfig:
    """A configuration for the toy molecules that trains in a second."""
    changes = {"iterations": 3, "steps": 12, "rough_rounds": 20, "loss_draws": 2}
    whole = {"samples_per_conformer": 2, "sample_batch": 64}  # a generation in one piece
    return MoleculesConfig(**FIELDS["molecules"] | changes | whole | fields)
