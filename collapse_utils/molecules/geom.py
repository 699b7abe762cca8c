"""GEOM-Drugs in its published layout, converted once into one SDF.gz that every later run reads.

    FOLDER/summary_drugs.json     {SMILES: {"pickle_path": "drugs/....pickle", "uniqueconfs": ...}}
    FOLDER/drugs/....pickle       {"conformers": [{"rd_mol": RDKit molecule,
                                                   "boltzmannweight": ...}, ...], ...}

A pickle can run any code, so the files are read by an unpickler that allows the class of RDKit's
molecules and nothing else.
"""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

from rdkit import Chem

from ..durable import files
from ..errors import InputError, data_error
from .sources import problem_of

ALLOWED_CLASSES = {("rdkit.Chem.rdchem", "Mol"): Chem.Mol, ("rdkit.Chem", "Mol"): Chem.Mol}


class MoleculeUnpickler(pickle.Unpickler):
    """Reads plain values and RDKit molecules; InputError names any other class."""

    def __init__(self, file: Any, name: str):
        super().__init__(file)
        self.name = name

    def find_class(self, module: str, name: str) -> type:
        try:
            return ALLOWED_CLASSES[module, name]
        except KeyError:
            content = f"{self.name} asks for {module}.{name}"
            allowed = "pickles of RDKit molecules and plain values; nothing was run"
            raise data_error(content, allowed) from None


def read_pickle(path: Path) -> Any:
    """The content of one file of GEOM; InputError if it is no pickle or has another class."""
    try:
        with open(path, "rb") as file:
            return MoleculeUnpickler(file, path.name).load()
    except InputError:
        raise
    except (
        OSError,
        EOFError,
        pickle.UnpicklingError,
        AttributeError,
        IndexError,
        ValueError,
    ) as problem:
        raise data_error(path, f"a pickle of GEOM ({problem})") from None


def convert(
    folder: Path, target: Path, *, conformers: int, molecules: int | None
) -> dict[str, int]:
    """Write the most probable conformations of the first molecules to an SDF.gz.

    Returns
    -------
    Counts: molecules and conformations written, records left out (fewer conformations than the
    summary says, no bonds that RDKit accepts, fragments).
    """
    summary = folder / "summary_drugs.json"
    if not summary.is_file():
        raise InputError(
            "FOLDER", str(folder), "a folder with summary_drugs.json and drugs/*.pickle"
        )
    if not target.name.endswith(".sdf.gz"):
        raise InputError("FILE", str(target), "a file name that ends in .sdf.gz")
    counts = {"molecules": 0, "conformations": 0, "left_out": 0}
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with gzip.open(temporary, "wt", encoding="utf-8") as file:
            writer = Chem.SDWriter(file)
            for smiles, entry in files.read_json(summary).items():
                if counts["molecules"] == molecules:
                    break
                conformations = (
                    _most_probable(folder, entry, conformers) if entry.get("pickle_path") else []
                )
                if not conformations:
                    counts["left_out"] += 1
                    continue
                for molecule in conformations:
                    molecule.SetProp("_Name", smiles)
                    writer.write(molecule)
                counts["molecules"] += 1
                counts["conformations"] += len(conformations)
            writer.close()
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    if not counts["molecules"]:
        target.unlink()
        raise InputError(
            "FOLDER", str(folder), f"at least one usable molecule ({json.dumps(counts)})"
        )
    return counts


def _most_probable(folder: Path, entry: dict, most: int) -> list[Chem.Mol]:
    path = (folder / entry["pickle_path"]).resolve()
    if folder.resolve() not in path.parents:
        raise data_error(entry["pickle_path"], "a path inside the folder")
    content = read_pickle(path)
    records = content.get("conformers", [])
    if not 0 < entry.get("uniqueconfs", 0) <= len(records):
        return []
    ordered = sorted(records, key=lambda one: -one.get("boltzmannweight", 0.0))[:most]
    molecules = [Chem.Mol(one["rd_mol"]) for one in ordered]
    return [] if any(problem_of(molecule) for molecule in molecules) else molecules
