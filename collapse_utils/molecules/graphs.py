"""Molecular graphs as flat arrays, and batches of them as lists of atom pairs.

What the model needs of a molecule does not change with noise: its atoms, its bonds, and the number
of bonds between two atoms.  It is computed once with RDKit and stored in flat arrays.  Every pair
of atoms is listed once (i < j), because all that the network computes for a pair is symmetric.
Pairs of order 1 to 3 (bonded, over one angle, over one dihedral) are the *local* edges.  The others
are *global* edges while they are shorter than the cutoff, so each step needs one comparison on a
list that exists already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rdkit import Chem

ORDER = 3  # edges up to a dihedral are local
MAX_HOPS = 24  # pairs that are further apart count as this far
BOND_TYPES = {"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3, "AROMATIC": 4}
OTHER_BOND, ANGLE, DIHEDRAL = 5, 6, 7  # 0: no local edge
EDGE_TYPES = 8
ATOM_FIELDS = ("element", "environment")
PAIR_FIELDS = ("i", "j", "type", "kind", "family")
PRIOR = 2.0  # observations that a coarser group is worth in the statistics of distances
LEAST_SPREAD = 0.01  # angstrom
NAMED = ("environment", "kind", "family")


def graph_of(molecule: Chem.Mol) -> dict[str, Any]:
    """The graph of one molecule, with environments, kinds and families as tuples.

    Returns
    -------
    element, environment : (atoms,) atomic number; element, degree, aromaticity, ring and charge.
    i, j : (pairs,) every pair i < j, local ones first.
    type : (pairs,) edge type, 0 for a pair that is not local.
    kind, family : (pairs,) what the pair is: edge type, rings and middle bond (for a far pair the
        bonds in between), with the environments of its ends and of the atoms in the middle (kind),
        or with the elements of its ends (family).
    """
    environments = [
        (a.GetAtomicNum(), a.GetTotalDegree(), a.GetIsAromatic(), a.IsInRing(), a.GetFormalCharge())
        for a in molecule.GetAtoms()
    ]
    hops = np.minimum(Chem.GetDistanceMatrix(molecule), MAX_HOPS).astype(np.int64)
    first, second = np.triu_indices(len(environments), 1)
    local = hops[first, second] <= ORDER
    order = np.argsort(~local, kind="stable")
    first, second = first[order], second[order]
    types, kinds, families = [], [], []
    neighbours = [{n.GetIdx() for n in a.GetNeighbors()} for a in molecule.GetAtoms()]
    rings = [set(r) for r in molecule.GetRingInfo().AtomRings()]

    def ring(*atoms: int) -> int:
        """Size of the smallest ring that holds all the atoms; 0: none does."""
        return min((len(r) for r in rings if r.issuperset(atoms)), default=0)

    def dihedral(i: int, a: int, b: int, j: int) -> tuple:
        sides = sorted((ring(i, a, b), ring(a, b, j)))
        shape = (ring(i, j), *sides, str(molecule.GetBondBetweenAtoms(a, b).GetBondType()))
        return shape, tuple(sorted((environments[a], environments[b])))

    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        distance = int(hops[i, j])
        if distance == 1:
            bond = molecule.GetBondBetweenAtoms(i, j)
            kind = BOND_TYPES.get(str(bond.GetBondType()), OTHER_BOND)
            shape = (ring(i, j),)
            middle = ()
        elif distance == 2:
            between = neighbours[i] & neighbours[j]  # two atoms in a ring of four
            kind, shape, middle = ANGLE, (ring(i, j),), min(environments[k] for k in between)
        elif distance == 3:
            # Whether the ends are cis or trans to the middle bond depends on rings and bond type.
            paths = ((a, b) for a in neighbours[i] for b in neighbours[j] if b in neighbours[a])
            kind, (shape, middle) = DIHEDRAL, min(dihedral(i, a, b, j) for a, b in paths)
        else:
            kind, shape, middle = 0, (distance,), ()
        types.append(kind)
        ends = () if kind == 0 else tuple(sorted((environments[i], environments[j])))
        kinds.append((kind, shape, middle, ends))
        families.append((kind, shape, tuple(environment[0] for environment in ends)))
    return {
        "element": np.array([e[0] for e in environments], np.uint8),
        "environment": environments,
        "i": first.astype(np.int16),
        "j": second.astype(np.int16),
        "type": np.array(types, np.uint8),
        "kind": kinds,
        "family": families,
    }


def _numbered(names: list[list[tuple]]) -> np.ndarray:
    """The names in one flat array of numbers, 0, 1, ... in the order of their text."""
    number = {
        name: k
        for k, name in enumerate(sorted({name for part in names for name in part}, key=repr))
    }
    return np.array([number[name] for part in names for name in part], np.int32)


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The ranges start, start + 1, ..., start + count - 1, one after another."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)


@dataclass(frozen=True)
class Batch:
    """Some molecules in one batch, with the pairs of all; the first ``local`` pairs are local."""

    element: torch.Tensor  # (atoms,)
    environment: torch.Tensor  # (atoms,)
    molecule: torch.Tensor  # (atoms,) row in the batch
    slot: torch.Tensor  # (atoms,) index of the atom in its molecule
    i: torch.Tensor  # (pairs,) atoms of the batch
    j: torch.Tensor
    type: torch.Tensor  # (pairs,) edge type, 0 beyond order 3
    kind: torch.Tensor  # (pairs,) what the pair is, for the statistics of distances
    pair_molecule: torch.Tensor  # (pairs,)
    local: int
    size: int  # molecules

    @property
    def atoms(self) -> int:
        return len(self.element)

    def part(self, first: int, last: int) -> tuple[Batch, slice]:
        """The molecules first .. last - 1 as a batch, and where their atoms are in this one."""
        start, end = torch.searchsorted(
            self.molecule, torch.tensor([first, last], device=self.molecule.device)
        ).tolist()
        atoms = slice(start, end)
        pairs = (self.pair_molecule >= first) & (self.pair_molecule < last)
        piece = Batch(
            element=self.element[atoms],
            environment=self.environment[atoms],
            molecule=self.molecule[atoms] - first,
            slot=self.slot[atoms],
            i=self.i[pairs] - start,
            j=self.j[pairs] - start,
            type=self.type[pairs],
            kind=self.kind[pairs],
            pair_molecule=self.pair_molecule[pairs] - first,
            local=int(pairs[: self.local].sum()),
            size=last - first,
        )
        return piece, atoms

    def to(self, device: torch.device) -> Batch:
        moved = {
            name: part.to(device, non_blocking=True) if torch.is_tensor(part) else part
            for name, part in vars(self).items()
        }
        return Batch(**moved)


class Graphs:
    """The graphs of a set of molecules in flat arrays, from which ``batch`` makes batches."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.arrays = arrays
        self.atoms, self.pairs, self.local = (
            arrays[name] for name in ("atom_count", "pair_count", "local_count")
        )
        self.environments = int(arrays["environment"].max()) + 1
        self.kinds = int(arrays["kind"].max()) + 1
        self._atom_start = np.cumsum(self.atoms) - self.atoms
        self._pair_start = np.cumsum(self.pairs) - self.pairs

    @classmethod
    def build(cls, molecules: Iterable[Chem.Mol]) -> Graphs:
        """The graphs of RDKit molecules, hydrogens included."""
        graphs = [graph_of(molecule) for molecule in molecules]
        arrays = {
            name: _numbered([g[name] for g in graphs])
            if name in NAMED
            else np.concatenate([g[name] for g in graphs])
            for name in (*ATOM_FIELDS, *PAIR_FIELDS)
        }
        arrays["atom_count"] = np.array([len(g["element"]) for g in graphs], np.int64)
        arrays["pair_count"] = np.array([len(g["i"]) for g in graphs], np.int64)
        arrays["local_count"] = np.array([np.count_nonzero(g["type"]) for g in graphs], np.int64)
        return cls(arrays)

    def batch(self, molecules: np.ndarray) -> Batch:
        """The molecules of the given numbers, in that order; a number may occur several times."""
        molecules = np.asarray(molecules, np.int64)
        counts, rows = self.atoms[molecules], np.arange(len(molecules))
        atoms = _ranges(self._atom_start[molecules], counts)
        offsets = np.cumsum(counts) - counts
        local, far = self.local[molecules], (self.pairs - self.local)[molecules]
        starts = self._pair_start[molecules]
        pairs = np.concatenate([_ranges(starts, local), _ranges(starts + local, far)])
        pair_molecule = np.concatenate([np.repeat(rows, local), np.repeat(rows, far)])
        shift = offsets[pair_molecule]
        tensors = {
            "element": self.arrays["element"][atoms],
            "environment": self.arrays["environment"][atoms],
            "molecule": np.repeat(rows, counts),
            "slot": _ranges(np.zeros(len(molecules), np.int64), counts),
            "i": self.arrays["i"][pairs] + shift,
            "j": self.arrays["j"][pairs] + shift,
            "type": self.arrays["type"][pairs],
            "kind": self.arrays["kind"][pairs],
            "pair_molecule": pair_molecule,
        }
        tensors = {
            name: torch.from_numpy(array.astype(np.int64, copy=False))
            for name, array in tensors.items()
        }
        return Batch(**tensors, local=int(local.sum()), size=len(molecules))

    def real_atoms(self, molecules: np.ndarray, width: int) -> np.ndarray:
        """(molecules, width) mask of the slots that hold an atom."""
        return np.arange(width) < self.atoms[molecules][:, None]

    def distance_statistics(self, conformations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread in angstrom of every kind of pair in ``conformations``.

        Each kind is shrunk towards its family, and each family towards its edge type, with the
        weight of ``PRIOR`` observations, so a kind without observations gets its family's numbers.
        Conformations that are not finite are left out.
        """
        kinds = self.arrays["kind"]
        sums = np.zeros((3, self.kinds))
        for start in range(0, len(conformations), 256):
            rows = conformations[start : start + 256]
            rows = rows[np.isfinite(rows["positions"]).all(axis=(1, 2))]
            molecules = rows["molecule"].astype(np.int64)
            pairs = _ranges(self._pair_start[molecules], self.pairs[molecules])
            row = np.repeat(np.arange(len(rows)), self.pairs[molecules])
            first, second = (
                rows["positions"][row, self.arrays[end][pairs]].astype(np.float64) for end in "ij"
            )
            distance = np.linalg.norm(first - second, axis=1)
            for power in range(3):
                sums[power] += np.bincount(kinds[pairs], distance**power, self.kinds)
        # one pair of every kind, which gives its family and its type
        where = np.unique(kinds, return_index=True)[1]
        family, edge_type = self.arrays["family"][where], self.arrays["type"][where]
        families = int(family.max()) + 1
        type_of_family = np.zeros(families, np.int64)
        type_of_family[family] = edge_type
        by_type, by_family = np.zeros((3, EDGE_TYPES)), np.zeros((3, families))
        np.add.at(by_type, (slice(None), edge_type), sums)
        np.add.at(by_family, (slice(None), family), sums)
        broad = _shrunk_moments(by_type, np.full(EDGE_TYPES, 3.0), np.full(EDGE_TYPES, 1.0))
        middle = _shrunk_moments(by_family, *(part[type_of_family] for part in broad))
        mean, spread = _shrunk_moments(sums, *(part[family] for part in middle))
        return mean.astype(np.float32), spread.astype(np.float32)


def _shrunk_moments(
    sums: np.ndarray, mean: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation from sums (count, x, x^2), shrunk towards a coarser group's."""
    count = sums[0] + PRIOR
    posterior_mean = (sums[1] + PRIOR * mean) / count
    # E (x - m)^2 of the group's own observations and of PRIOR ones spread like the coarser group
    # around our own mean.
    own_mean = np.divide(sums[1], sums[0], out=mean.copy(), where=sums[0] > 0)
    scatter = np.maximum(sums[2] - sums[0] * own_mean**2, 0.0)
    variance = (scatter + PRIOR * spread**2) / count
    return posterior_mean, np.maximum(np.sqrt(variance), LEAST_SPREAD)
