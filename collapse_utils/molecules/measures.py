"""How good sampled conformations are: validity, geometry, MMFF94 strain and coverage.

Real conformations of the same molecules are the reference of all metrics.  A sample that is not
finite, has fused atoms or a torn bond is *broken*.  No sample is left out of coverage and strain:
one that is not finite covers nothing, and its strain is the largest possible.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from .data import mmff_energies, with_positions

FUSED = 0.5  # angstrom; no two atoms of a molecule are closer
TORN = 3.0  # angstrom; no bond is longer
COVERED = 1.25  # angstrom; the threshold of GeoDiff for drug-like molecules
MOST_STRAIN = 1e6  # kcal/mol; also the strain of a sample that has no finite energy
WORST_RMSD = 10.0  # angstrom; also the RMSD of a sample that is not finite
MOST_MATCHES = 200  # symmetries tried when two conformations are aligned


def bonds_and_angles(molecule: Chem.Mol) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of every bond, (bonds, 2), and of every angle, (angles, 3), with its centre second."""
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()])
    angles = [
        (ends[k].GetIdx(), atom.GetIdx(), ends[l].GetIdx())
        for atom in molecule.GetAtoms()
        for ends in [atom.GetNeighbors()]
        for k in range(len(ends))
        for l in range(k)
    ]
    return bonds, np.array(angles, int).reshape(-1, 3)


def lengths(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Bond lengths in angstrom, (conformations, bonds), of positions (conformations, atoms, 3)."""
    return np.linalg.norm(positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]], axis=-1)


def degrees(positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Bond angles in degrees, (conformations, angles)."""
    a = positions[:, angles[:, 0]] - positions[:, angles[:, 1]]
    b = positions[:, angles[:, 2]] - positions[:, angles[:, 1]]
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = np.divide((a * b).sum(-1), norms, out=np.ones_like(norms), where=norms > 0)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def broken(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Which conformations (n, atoms, 3) are not finite, have fused atoms or a torn bond."""
    finite = np.isfinite(positions).all(axis=(1, 2))
    safe = np.where(finite[:, None, None], positions, 0.0)
    first, second = np.triu_indices(positions.shape[1], 1)
    closest = np.linalg.norm(safe[:, first] - safe[:, second], axis=-1).min(axis=1)
    return ~finite | (closest < FUSED) | (lengths(safe, bonds).max(axis=1) > TORN)


def rmsd_table(molecule: Chem.Mol, references: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Heavy-atom RMSD in angstrom, best over alignments and symmetries, (references, samples)."""
    count = len(references)
    heavy = Chem.RemoveHs(with_positions(molecule, [*references, *np.nan_to_num(samples)]))
    ids = [conformer.GetId() for conformer in heavy.GetConformers()]
    table = np.full((count, len(samples)), WORST_RMSD)
    for column, sample in enumerate(samples):
        if np.isfinite(sample).all():
            for row in range(count):
                rmsd = rdMolAlign.GetBestRMS(
                    heavy, heavy, ids[count + column], ids[row], maxMatches=MOST_MATCHES
                )
                table[row, column] = min(rmsd, WORST_RMSD)
    return table


def measure_samples(
    molecules: Sequence[Chem.Mol],
    references: Sequence[np.ndarray],
    samples: Sequence[np.ndarray],
    lowest: Sequence[float | None],
) -> dict[str, float]:
    """The sample metrics over molecules, each with real and sampled positions (n, atoms, 3).

    Returns
    -------
    coverage, matching : COV-R, the share of real conformations within ``COVERED`` of a sample, and
        MAT-R, the mean distance of a real conformation to its nearest sample in angstrom; a mean
        over molecules.
    bond_error, angle_error : mean absolute difference to the mean real length (angstrom) and angle
        (degrees) of the bond or angle, over all samples that are finite.
    strain : median over samples of MMFF94 energy above the molecule's lowest, kcal/mol for each
        heavy atom.
    broken_share : share of samples that are broken.
    """
    coverage, matching, bond_misses, angle_misses, strains, breaks = [], [], [], [], [], []
    for molecule, real, sampled, low in zip(molecules, references, samples, lowest, strict=True):
        bonds, angles = bonds_and_angles(molecule)
        breaks.extend(broken(sampled, bonds))
        finite = np.isfinite(sampled).all(axis=(1, 2))
        kept = sampled[finite]
        bond_misses.append((lengths(kept, bonds) - lengths(real, bonds).mean(0)).ravel())
        angle_misses.append((degrees(kept, angles) - degrees(real, angles).mean(0)).ravel())
        nearest = rmsd_table(molecule, real, sampled).min(axis=1)
        coverage.append(np.mean(nearest <= COVERED))
        matching.append(nearest.mean())
        if low is not None:
            energies = np.full(len(sampled), MOST_STRAIN)
            strain = np.array(mmff_energies(with_positions(molecule, kept))) - low
            energies[finite] = np.where(
                np.isfinite(strain), np.minimum(strain, MOST_STRAIN), MOST_STRAIN
            )
            strains.extend(energies / molecule.GetNumHeavyAtoms())
    bond_miss, angle_miss = np.concatenate(bond_misses), np.concatenate(angle_misses)
    if len(bond_miss) == 0:  # not one sample is finite
        bond_miss, angle_miss = np.array([WORST_RMSD]), np.array([180.0])
    return {
        "coverage": float(np.mean(coverage)),
        "matching": float(np.mean(matching)),
        "bond_error": float(np.abs(bond_miss).mean()),
        "angle_error": float(np.abs(angle_miss).mean()),
        "strain": float(np.median(strains)) if strains else 0.0,
        "broken_share": float(np.mean(breaks)),
    }
