"""New conformations of molecules: ETKDGv3, relaxed with a force field."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem
from tqdm import tqdm

from ..errors import data_error


def embed(molecule: Chem.Mol, count: int) -> Chem.Mol | None:
    """``count`` conformations by ETKDGv3, relaxed with MMFF94 (or UFF for unknown atoms).

    The random numbers depend on the molecule alone.  None if RDKit finds no conformation.
    """
    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.AddHs(Chem.Mol(molecule))
    molecule.RemoveAllConformers()
    options = AllChem.ETKDGv3()
    options.numThreads = 1
    digest = hashlib.blake2b(Chem.MolToSmiles(molecule).encode(), digest_size=4).digest()
    options.randomSeed = int.from_bytes(digest, "little") % (2**31 - 1)
    if len(AllChem.EmbedMultipleConfs(molecule, count, options)) < count:
        options.useRandomCoords = True
        if len(AllChem.EmbedMultipleConfs(molecule, count, options)) < count:
            return None
    if AllChem.MMFFHasAllMoleculeParams(molecule):
        AllChem.MMFFOptimizeMoleculeConfs(molecule, maxIters=2000, mmffVariant="MMFF94")
    else:
        AllChem.UFFOptimizeMoleculeConfs(molecule, maxIters=2000)
    return molecule


def _embed(job: tuple[bytes, int]) -> bytes | None:
    embedded = embed(Chem.Mol(job[0]), job[1])
    return None if embedded is None else embedded.ToBinary()


def embed_all(molecules: list[Chem.Mol], count: int) -> list[Chem.Mol]:
    """The molecules with ``count`` new conformations each, made on all cores with a progress bar.

    InputError names a molecule that cannot be embedded.
    """
    jobs = [(molecule.ToBinary(), count) for molecule in molecules]
    workers = min(
        os.cpu_count() or 1, int(os.environ.get("COLLAPSE_WORKERS", "64")), -(-len(jobs) // 8)
    )
    bar = {"desc": "conformers", "total": len(jobs), "unit": "molecule", "leave": False}
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            results = list(tqdm(pool.map(_embed, jobs, chunksize=4), **bar))
    else:
        results = [_embed(job) for job in tqdm(jobs, **bar)]
    for molecule, result in zip(molecules, results, strict=True):
        if result is None:
            smiles = Chem.MolToSmiles(Chem.RemoveHs(molecule))
            raise data_error(smiles, "molecules for which ETKDGv3 finds a conformation in space")
    return [Chem.Mol(result) for result in results]
