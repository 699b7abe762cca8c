"""Where molecules come from: the rdkit wheel, an SDF, a list of SMILES, or GEOM-Drugs.

Reading gives molecules with all hydrogens and their conformations, whose atoms are in one order.
A record that cannot be used is named.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
from rdkit import Chem, RDConfig, RDLogger

from ..errors import data_error
from ..sources import Source, content_checksum, local_copy, local_path, text_lines
from .config import MoleculesConfig

BAD_SHARE = 0.05  # of a source's records that may be unusable before the source is refused
KNOWN_ELEMENTS = range(1, 100)  # atomic numbers of the embedding, as in GeoDiff
SHIPPED = ("PBF/testData/egfr.sdf", "Fastcluster/testdata/cdk2.sdf")  # in RDKit's Contrib folder
MOST_BYTES = 64 * 2**20  # of one record of an SDF, or of a list of SMILES
MOST_EXTENT = 1000.0  # angstrom; the largest protein that could be meant is smaller
CONVERT = "python -m collapse_utils convert FOLDER geom_drugs.sdf.gz"

SOURCES: dict[str, Source] = {
    "rdkit": Source(
        title="Inhibitors of EGFR and CDK2 that the rdkit wheel ships, with conformers by ETKDGv3 "
        "and MMFF94",
        licence="BSD 3-Clause (RDKit)",
        citation="RDKit: open-source cheminformatics (rdkit.org); Wang et al., ETKDGv3, "
        "J. Chem. Inf. Model. 60:2044, 2020",
        revision="the installed rdkit",
        address="https://www.rdkit.org",
        entry="wang2020",
    ),
    "sdf": Source(
        title="Any SDF or SDF.gz with hydrogens and 3D positions (--data FILE)",
        licence="that of the file",
        citation="that of the file",
        revision="the file's checksum",
        address="",
    ),
    "geom_drugs": Source(
        title=f"GEOM-Drugs, converted once by `{CONVERT}`",
        licence="CC0 1.0",
        citation="Axelrod and Gomez-Bombarelli, GEOM, Scientific Data 9:185, 2022",
        revision="the converted file's checksum",
        address="https://dataverse.harvard.edu/dataset.xhtml?persistentId=doi:10.7910/DVN/JNGTDF",
        doi="10.7910/DVN/JNGTDF",
        entry="axelrod2022",
    ),
}


@dataclass(frozen=True)
class ReadResult:
    """The molecules of a source, and a line for every record that cannot be used."""

    molecules: list[Chem.Mol]
    problems: list[str]
    records: int
    needs_conformers: bool  # none are given, or those that are given are not to be used


def problem_of(molecule: Chem.Mol | None, *, needs_conformers: bool = False) -> str | None:
    """Why a record cannot be used, in words, or None; the molecule is sanitised here.

    With ``needs_conformers`` it may lack hydrogens and positions.
    """
    if molecule is None:
        return "RDKit cannot read it"
    for atom in molecule.GetAtoms():
        if atom.GetAtomicNum() not in KNOWN_ELEMENTS:
            return f"unknown element {atom.GetSymbol()!r} (atom {atom.GetIdx() + 1})"
    try:
        Chem.SanitizeMol(molecule)
    except Exception as reason:  # RDKit raises several types, all of which mean the same here
        return f"RDKit cannot sanitise it ({str(reason).splitlines()[0]})"
    if molecule.GetNumAtoms() < 2:
        return "one atom has no conformation"
    pieces = len(Chem.GetMolFrags(molecule))
    if pieces > 1:
        return f"{pieces} disconnected fragments"
    if needs_conformers:
        return None
    if any(atom.GetTotalNumHs(includeNeighbors=False) for atom in molecule.GetAtoms()):
        return "hydrogens are missing"
    conformer = molecule.GetConformer() if molecule.GetNumConformers() else None
    if conformer is None or not conformer.Is3D() or abs(conformer.GetPositions()).max() == 0:
        return "no 3D positions"
    positions = conformer.GetPositions()
    extent = np.ptp(positions, axis=0).max()
    if not extent <= MOST_EXTENT:
        return f"its atoms are {extent:,.0f} angstrom apart (at most {MOST_EXTENT:,.0f})"
    if molecule.GetNumAtoms() > 3 and abs(positions[:, 2]).max() == 0:
        return "no 3D positions (all z are 0)"
    Chem.AssignStereochemistryFrom3D(molecule)
    return None


def _usable(
    records: Iterable[tuple[str, Chem.Mol | None]], where: str, *, needs_conformers: bool = False
) -> ReadResult:
    """The usable records; InputError names the first bad one if more than ``BAD_SHARE`` are bad."""
    molecules, problems, count = [], [], 0
    for label, molecule in records:
        count += 1
        problem = problem_of(molecule, needs_conformers=needs_conformers)
        if problem is None:
            molecules.append(molecule)
        else:
            problems.append(f"{label}: {problem}")
    if count == 0:
        raise data_error(where, "a file with at least one molecule")
    if len(problems) > BAD_SHARE * count:
        raise data_error(
            where,
            f"a file of which at most {BAD_SHARE:.0%} of the records cannot be used; here "
            f"{len(problems)} of {count}, first {problems[0]}",
        )
    return ReadResult(molecules, problems, count, needs_conformers)


class _Limited:
    """A binary file that gives at most ``MOST_BYTES`` for one record, against gzip bombs."""

    def __init__(self, file: IO[bytes]):
        self.file, self.since_record = file, 0

    def read(self, size: int) -> bytes:
        self.since_record += size
        if self.since_record > MOST_BYTES:
            raise OSError(f"a record of more than {MOST_BYTES:,} bytes")
        return self.file.read(size)


def read_sdf(path: Path) -> Iterator[tuple[str, Chem.Mol | None]]:
    """(label, molecule) of every record, not yet sanitised, with its one conformation."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
        limited = _Limited(file)
        try:
            records = Chem.ForwardSDMolSupplier(limited, sanitize=False, removeHs=False)
            for number, molecule in enumerate(records, 1):
                limited.since_record = 0
                name = (
                    molecule.GetProp("_Name")
                    if molecule is not None and molecule.HasProp("_Name")
                    else ""
                )
                yield f"record {number}" + (f" ({name})" if name else ""), molecule
        # RDKit turns an error of the file into a SystemError
        except (OSError, EOFError, UnicodeDecodeError, SystemError) as reason:
            cause = reason.__cause__ or reason
            raise data_error(path, f"an SDF or SDF.gz ({cause})") from None


def read_smiles(path: Path) -> Iterator[tuple[str, Chem.Mol | None]]:
    """(label, molecule) of every line ``SMILES [name]``; without conformations."""
    for number, line in enumerate(text_lines(path, MOST_BYTES), 1):
        if line.strip():
            smiles = line.split()[0]
            yield f"line {number} ({smiles})", Chem.MolFromSmiles(smiles, sanitize=False)


def grouped(molecules: Iterable[Chem.Mol], most: int) -> list[Chem.Mol]:
    """One molecule for each graph, with at most ``most`` conformations, whose atoms are in the
    order of the first.
    """
    by_smiles: dict[str, Chem.Mol] = {}
    for molecule in molecules:
        first = by_smiles.setdefault(Chem.MolToSmiles(Chem.RemoveHs(molecule)), molecule)
        if first is molecule or first.GetNumConformers() >= most:
            continue
        order = _same_order(first, molecule)
        if order is not None:
            conformer = Chem.Conformer(first.GetNumAtoms())
            conformer.SetPositions(molecule.GetConformer().GetPositions()[order])
            first.AddConformer(conformer, assignId=True)
    return list(by_smiles.values())


def _same_order(first: Chem.Mol, other: Chem.Mol) -> list[int] | None:
    """The atom of ``other`` for every atom of ``first``; None if the graphs differ."""

    def key(molecule: Chem.Mol) -> tuple:
        atoms = tuple(atom.GetAtomicNum() for atom in molecule.GetAtoms())
        return atoms, tuple(
            (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), b.GetBondType()) for b in molecule.GetBonds()
        )

    if key(first) == key(other):
        return list(range(first.GetNumAtoms()))
    match = other.GetSubstructMatch(first)
    return list(match) if len(match) == first.GetNumAtoms() == other.GetNumAtoms() else None


def _shipped() -> ReadResult:
    records = []
    for name in SHIPPED:
        path = Path(RDConfig.RDContribDir) / name
        if not path.is_file():
            raise data_error("rdkit", f"another source: this rdkit does not ship Contrib/{name}")
        records += [(f"{path.name}, {label}", molecule) for label, molecule in read_sdf(path)]
    # new conformations, so that all of them come from one force field
    return replace(_usable(records, "rdkit"), needs_conformers=True)


def _file(path: Path, most: int) -> ReadResult:
    RDLogger.DisableLog("rdApp.*")
    if path.suffix == ".smi":
        return _usable(read_smiles(path), str(path), needs_conformers=True)
    read = _usable(read_sdf(path), str(path))
    return replace(read, molecules=grouped(read.molecules, most))


def _is_sdf(path: Path) -> bool:
    return path.name.endswith((".sdf", ".sdf.gz", ".smi"))


def _local(data: str | Path) -> Path:
    """The file at ``data``, or the one that a folder there holds."""
    path = local_path(data, SOURCES)
    if path.is_dir():
        if (path / "summary_drugs.json").is_file():
            raise data_error(
                data, f"GEOM-Drugs in its published layout is converted first: `{CONVERT}`"
            )
        files = sorted(entry for entry in path.iterdir() if _is_sdf(entry))
        if len(files) != 1:
            raise data_error(data, f"a folder with one .sdf, .sdf.gz or .smi (it has {len(files)})")
        path = files[0]
    elif not _is_sdf(path):
        raise data_error(data, "a file that ends in .sdf, .sdf.gz or .smi")
    if not path.is_file():
        raise data_error(data, "a regular file, not a pipe or a device")
    return path


def locate(data: str | Path, config: MoleculesConfig) -> tuple[str, str, Callable[[], ReadResult]]:
    """The source's name for the results, a checksum of its content, and the function that reads it.

    ``data`` is the name of a source, a local file, or a folder with one such file.  GEOM-Drugs is
    read from the folder ``COLLAPSE_DATA``.
    """
    if str(data) == "rdkit":
        return "rdkit", f"rdkit {version('rdkit')}", _shipped
    if str(data) == "sdf":
        raise data_error("sdf", "the path of an SDF or SDF.gz with hydrogens and 3D positions")
    if str(data) == "geom_drugs":
        copies = (path for path in local_copy("geom_drugs") if path.name == "geom_drugs.sdf.gz")
        path = next(filter(Path.is_file, copies), None)
        if path is None:
            allowed = f"COLLAPSE_DATA=DIR with geom_drugs.sdf.gz, made by `{CONVERT}`"
            raise data_error("geom_drugs", allowed)
    else:
        path = _local(data)
    name = path.name.split(".")[0]
    return name, content_checksum([path]), partial(_file, path, config.conformers)
