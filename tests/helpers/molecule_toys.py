"""Small molecules with conformations for the tests of the molecule section."""

from __future__ import annotations

from functools import cache

import numpy as np
from rdkit import Chem

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
    return MoleculesConfig(
        **{
            "iterations": 3,
            "molecules": 8,
            "conformers": 2,
            "max_atoms": 20,
            "validation_molecules": 1,
            "test_molecules": 3,
            "hidden": 8,
            "local_convs": 1,
            "cutoff": 5.0,
            "steps": 12,
            "batch_size": 4,
            "sampling_steps": 3,
            "rough_rounds": 20,
            "fitting_rounds": 5,
            "loss_draws": 2,
            **fields,
        }
    )
