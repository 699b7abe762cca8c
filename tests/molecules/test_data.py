"""Molecules from files: reading and writing, splits, and naming what cannot be used."""

import gzip
import json
import os
import pickle

import numpy as np
import pytest
from molecule_toys import SMILES, molecules, tiny, write_sdf
from rdkit import Chem
from rdkit.Chem import AllChem

from collapse_utils.__main__ import main
from collapse_utils.durable import files
from collapse_utils.errors import InputError
from collapse_utils.molecules import conformers, geom, sources
from collapse_utils.molecules.data import identity, prepare, to_array, with_positions


def sdf(path, *made, conformer=0):
    with Chem.SDWriter(str(path)) as writer:
        for molecule in made:
            writer.write(molecule, confId=conformer)
    return path


def prepared(path, cache, **fields):
    return prepare(tiny(**fields), path, cache)


def test_sdf_to_arrays_and_back(tmp_path):
    made = molecules()
    write_sdf(tmp_path / "in.sdf", made)
    read = [molecule for _, molecule in sources.read_sdf(tmp_path / "in.sdf")]
    assert all(sources.problem_of(molecule) is None for molecule in read)
    result = sources.grouped(read, most=2)
    assert [m.GetNumConformers() for m in result] == [2] * len(made)
    array = to_array(result, range(len(result)), 20)
    back = [
        with_positions(result[n], array["positions"][array["molecule"] == n])
        for n in range(len(result))
    ]
    write_sdf(tmp_path / "out.sdf", back)
    again = sources.grouped(
        (m for _, m in sources.read_sdf(tmp_path / "out.sdf") if sources.problem_of(m) is None),
        most=2,
    )
    for first, second in zip(made, again, strict=True):
        assert Chem.MolToSmiles(first) == Chem.MolToSmiles(second)
        for a, b in zip(first.GetConformers(), second.GetConformers(), strict=True):
            centred = a.GetPositions() - a.GetPositions().mean(axis=0)
            assert np.abs(centred - b.GetPositions()).max() < 2e-4  # an SDF keeps four digits


def test_conformers_with_their_atoms_in_another_order_join_their_molecule():
    first = Chem.Mol(molecules()[1], confId=0)
    other = Chem.RenumberAtoms(first, list(range(first.GetNumAtoms()))[::-1])
    (joined,) = sources.grouped([Chem.Mol(first), other], most=5)
    a, b = (joined.GetConformer(k).GetPositions() for k in joined.GetConformers() and (0, 1))
    assert joined.GetNumConformers() == 2
    bonds = [(x.GetBeginAtomIdx(), x.GetEndAtomIdx()) for x in joined.GetBonds()]
    assert (
        max(abs(np.linalg.norm(a[i] - a[j]) - np.linalg.norm(b[i] - b[j])) for i, j in bonds) < 0.02
    )


def test_splits_share_no_molecule_nor_stereoisomer(tmp_path):
    stereo = [conformers.embed(Chem.MolFromSmiles(s), 2) for s in ("C[C@H](F)O", "C[C@@H](F)O")]
    path = tmp_path / "set.sdf"
    write_sdf(path, [*molecules(), *stereo])
    name, real = prepared(path, tmp_path / "cache")
    assert name == "set" and real.info["records"] == 2 * (len(SMILES) + 2)
    splits = (real.train, real.validation, real.test)
    numbers = [set(split["molecule"].tolist()) for split in splits]
    assert [len(n) for n in numbers] == [8, 1, 3] and [len(split) for split in splits] == [16, 2, 6]
    names = [{identity(real.molecules[k]) for k in part} for part in numbers]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    for split in splits:
        for number, positions in split:
            atoms = real.molecules[number].GetNumAtoms()
            assert atoms == real.graphs.atoms[number]
            assert (
                np.abs(positions[:atoms].mean(axis=0)).max() < 1e-5 and not positions[atoms:].any()
            )
            bonds = [
                (b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in real.molecules[number].GetBonds()
            ]
            assert all(0.9 < np.linalg.norm(positions[i] - positions[j]) < 2.0 for i, j in bonds)


def test_with_draw_by_seed_seeds_share_the_test_set_and_no_training_molecule(tmp_path):
    path = tmp_path / "set.sdf"
    write_sdf(path, molecules())
    config = tiny(draw="by_seed", molecules=4, batch_size=2)
    reals = [prepare(config, path, tmp_path / "cache", seed)[1] for seed in (0, 1)]
    trained = [{identity(real.molecules[k]) for k in real.train["molecule"]} for real in reals]
    assert [len(names) for names in trained] == [4, 4] and not trained[0] & trained[1]
    assert all(reals[0].test.tobytes() == real.test.tobytes() for real in reals)
    with pytest.raises(InputError, match=r"seed: got 2; allowed: below 2 with draw=by_seed"):
        prepare(config, path, tmp_path / "cache", 2)
    with pytest.raises(InputError, match="draw"):
        tiny(draw="by_seed", molecules=0)


def test_the_cache_is_made_once_and_made_again_when_it_is_damaged(tmp_path):
    path = tmp_path / "set.sdf"
    write_sdf(path)
    _, first = prepared(path, tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "molecules").glob("set-*")
    made = (folder / "train.npy").stat().st_mtime_ns
    prepared(path, tmp_path / "cache")
    assert (folder / "train.npy").stat().st_mtime_ns == made
    before = np.array(first.train)
    content = (folder / "train.npy").read_bytes()
    (folder / "train.npy").unlink()
    (folder / "train.npy").write_bytes(content[:-4] + b"\x00\x00\x80?")
    assert files.damage(folder)
    _, again = prepared(path, tmp_path / "cache")
    assert files.damage(folder) is None and np.array_equal(np.array(again.train), before)


def test_conformers_are_made_the_same_way_every_time_and_in_every_process(tmp_path, monkeypatch):
    flat = [Chem.MolFromSmiles(smiles) for smiles in SMILES[:9]]
    monkeypatch.setenv("COLLAPSE_WORKERS", "1")
    alone = conformers.embed_all(flat, 2)
    monkeypatch.setenv("COLLAPSE_WORKERS", "2")
    parallel = conformers.embed_all(flat, 2)
    for a, b in zip(alone, parallel, strict=True):
        assert a.GetNumConformers() == 2
        assert np.array_equal(a.GetConformer(1).GetPositions(), b.GetConformer(1).GetPositions())


def test_the_shipped_molecules_are_all_usable():
    read = sources._shipped()
    assert read.records == 412 and not read.problems and read.needs_conformers
    assert len({identity(m) for m in read.molecules}) == 388  # the rest are stereoisomers of others


def flat_positions(molecule):
    copy = Chem.Mol(molecule, confId=0)
    AllChem.Compute2DCoords(copy)
    return copy


def without_hydrogens(molecule):
    return Chem.RemoveHs(Chem.Mol(molecule, confId=0))


def five_bonds(molecule):
    """Carbon with five bonds."""
    edit = Chem.RWMol(Chem.Mol(molecule, confId=0))
    carbon = next(a.GetIdx() for a in edit.GetAtoms() if a.GetAtomicNum() == 6)
    new = edit.AddAtom(Chem.Atom(1))
    edit.AddBond(carbon, new, Chem.BondType.SINGLE)
    other = edit.GetMol()
    conformer = Chem.Conformer(other.GetNumAtoms())
    conformer.SetPositions(np.random.default_rng(0).normal(size=(other.GetNumAtoms(), 3)) * 3)
    other.RemoveAllConformers()
    other.AddConformer(conformer)
    return other


def single_atom(_):
    return AllChem.AddHs(Chem.MolFromSmiles("[He]"))


def two_fragments(molecule):
    return Chem.CombineMols(Chem.Mol(molecule, confId=0), Chem.Mol(molecules()[1], confId=0))


def dummy_atom(molecule):
    edit = Chem.RWMol(Chem.Mol(molecule, confId=0))
    edit.GetAtomWithIdx(0).SetAtomicNum(0)
    return edit.GetMol()


BAD = {
    "no 3D positions": flat_positions,
    "hydrogens are missing": without_hydrogens,
    "cannot sanitise": five_bonds,
    "one atom": single_atom,
    "2 disconnected fragments": two_fragments,
    "unknown element 'R'": dummy_atom,
}


@pytest.mark.parametrize("complaint", BAD)
def test_a_record_that_cannot_be_used_is_named(tmp_path, complaint):
    bad = BAD[complaint](molecules()[0])
    bad.SetProp("_Name", "culprit")
    path = tmp_path / "bad.sdf"
    with Chem.SDWriter(str(path)) as writer:
        writer.SetKekulize(False)
        writer.write(Chem.Mol(molecules()[2], confId=0))
        writer.write(bad)
    with pytest.raises(InputError) as caught:
        prepared(path, tmp_path / "cache")
    line = str(caught.value)
    assert (
        "record 2 (culprit)" in line and complaint in line and "1 of 2" in line and "\n" not in line
    )
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_few_bad_records_are_left_out_counted_and_told(tmp_path, capsys):
    path = tmp_path / "mostly.sdf"
    bad = dummy_atom(molecules()[0])
    bad.SetProp("_Name", "culprit")
    with Chem.SDWriter(str(path)) as writer:
        for molecule in molecules():
            for k in (0, 1):
                writer.write(molecule, confId=k)
        writer.write(bad)
    _, real = prepared(path, tmp_path / "cache")
    assert real.info["records"] == 2 * len(SMILES) + 1
    assert len(real.info["left_out"]) == 1 and "culprit" in real.info["left_out"][0]
    assert "culprit" in capsys.readouterr().err


def test_text_that_is_no_sdf_and_an_empty_file(tmp_path):
    for name, content in (
        ("text.sdf", b"hello\nworld\n$$$$\n"),
        ("empty.sdf", b""),
        ("bad.sdf.gz", b"not gzip"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name.split(".")[0]):
            prepared(tmp_path / name, tmp_path / "cache")


def far_atom(molecule):
    molecule.GetConformer().SetAtomPosition(0, (99999.9999, 0.0, 0.0))
    return molecule


def test_absurd_records_are_named(tmp_path, monkeypatch):
    """An atom far away, a record without end, a pipe, and a list in another encoding."""
    assert "angstrom apart" in sources.problem_of(far_atom(Chem.Mol(molecules()[0])))
    write_sdf(tmp_path / "in.sdf")
    monkeypatch.setattr(sources, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="a record of more than 1,000 bytes"):
        list(sources.read_sdf(tmp_path / "in.sdf"))
    os.mkfifo(tmp_path / "pipe.sdf")
    with pytest.raises(InputError, match="a regular file"):
        prepared(tmp_path / "pipe.sdf", tmp_path / "cache")
    (tmp_path / "list.smi").write_bytes("CCO Zoë".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        prepared(tmp_path / "list.smi", tmp_path / "cache")


def test_smiles_that_cannot_be_read_or_embedded_are_named(tmp_path, monkeypatch):
    path = tmp_path / "list.smi"
    path.write_text("\n".join([*SMILES[:3], "C1CC"]) + "\n")
    with pytest.raises(InputError, match=r"line 4 \(C1CC\): RDKit cannot read it"):
        prepared(path, tmp_path / "cache")
    monkeypatch.setenv("COLLAPSE_WORKERS", "1")
    strained = "C1#CC#CC1"  # two triple bonds in a ring of five: well-formed, and nowhere in space
    path.write_text("\n".join([*SMILES, strained]) + "\n")
    with pytest.raises(InputError, match=r"C1#CCC#C1.*ETKDGv3 finds a conformation"):
        prepared(path, tmp_path / "cache", molecules=0, test_molecules=1)


def test_sources_that_are_not_there_and_sizes_that_do_not_fit(tmp_path, monkeypatch):
    monkeypatch.delenv("COLLAPSE_DATA", raising=False)
    write_sdf(tmp_path / "set.sdf")
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "summary_drugs.json").write_text("{}")
    (tmp_path / "nothing").mkdir()
    for data, complaint in {
        "zinc": "one of rdkit, sdf, geom_drugs",
        "sdf": "the path of an SDF",
        "geom_drugs": "python -m collapse_utils convert",
        str(tmp_path / "published"): "converted first",
        str(tmp_path / "nothing"): "it has 0",
        str(tmp_path / "published" / "summary_drugs.json"): "ends in .sdf",
    }.items():
        with pytest.raises(InputError, match=complaint):
            prepared(data, tmp_path / "cache")
    with pytest.raises(InputError, match="molecules: got 9; allowed: at most 8: set has 12"):
        prepared(tmp_path / "set.sdf", tmp_path / "cache", molecules=9)
    with pytest.raises(
        InputError,
        match=r"--data: got 'set'; allowed: a source of .* or more, as the preset requires",
    ):
        prepared(tmp_path / "set.sdf", tmp_path / "cache", test_molecules=40)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beta_end", 1e-8),
        ("sampling_steps", 2000),
        ("sampler", "euler"),
        ("hidden", 0),
        ("batch_size", 1),
        ("cutoff", -1.0),
        ("preconditioned", False),
        ("molecules", 1),
        ("schedule", "linear"),
        ("beta_start", 1.0),
    ],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(InputError):
        tiny(**{field: value})


# GEOM-Drugs in its published layout


class Intruder:
    def __reduce__(self):
        return (print, ("run",))


def geom_folder(path, content=None):
    (path / "drugs").mkdir(parents=True)
    summary = {}
    for k, molecule in enumerate(molecules()):
        conformers = [
            {"rd_mol": Chem.Mol(molecule, confId=c), "boltzmannweight": w}
            for c, w in ((0, 0.2), (1, 0.8))
        ]
        summary[SMILES[k]] = {"pickle_path": f"drugs/{k}.pickle", "uniqueconfs": 2}
        with open(path / "drugs" / f"{k}.pickle", "wb") as file:
            pickle.dump(
                {"smiles": SMILES[k], "conformers": conformers} if content is None else content,
                file,
            )
    summary["no conformers"] = {"charge": 0}
    (path / "summary_drugs.json").write_text(json.dumps(summary))
    return path


def test_geom_is_converted_once_into_an_sdf_that_the_section_reads(tmp_path, capsys, monkeypatch):
    folder = geom_folder(tmp_path / "geom")
    target = tmp_path / "geom_drugs.sdf.gz"
    assert main(["convert", str(folder), str(target), "--conformers", "1"]) == 0
    assert capsys.readouterr().out.strip() == "12 molecules, 12 conformations, 1 left out"
    with gzip.open(target, "rb") as file:
        first = next(Chem.ForwardSDMolSupplier(file, removeHs=False))
    assert first.GetProp("_Name") == SMILES[0]
    likely = molecules()[0].GetConformer(1).GetPositions()  # weight 0.8
    assert np.abs(first.GetConformer().GetPositions() - likely).max() < 1e-3
    monkeypatch.setenv("COLLAPSE_DATA", str(tmp_path))
    name, real = prepared("geom_drugs", tmp_path / "cache", conformers=1)
    assert name == "geom_drugs" and len(real.train) == 8


def test_a_pickle_of_another_class_is_refused_by_name_and_runs_nothing(tmp_path, capsys):
    folder = geom_folder(tmp_path / "geom", {"conformers": [Intruder()]})
    assert main(["convert", str(folder), str(tmp_path / "out.sdf.gz")]) == 2
    said = capsys.readouterr()
    assert (
        "asks for builtins.print" in said.err and "0.pickle" in said.err and "run\n" not in said.out
    )
    assert not (tmp_path / "out.sdf.gz").exists()
    with open(tmp_path / "torn.pickle", "wb") as file:
        file.write(pickle.dumps({"rd_mol": molecules()[0]})[:100])
    with pytest.raises(InputError, match=r"torn\.pickle"):
        geom.read_pickle(tmp_path / "torn.pickle")
    with pytest.raises(InputError, match=r"summary_drugs\.json"):
        geom.convert(tmp_path, tmp_path / "out.sdf.gz", conformers=1, molecules=-1)
