"""Nothing that a stranger could have written is run: neither a data file, nor a run directory, nor
a value.
"""

import ast
import dataclasses
import functools
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
from PIL import Image

import collapse_utils
from collapse_utils import data, presets, sections
from collapse_utils.__main__ import main
from collapse_utils.chain import run_chain
from collapse_utils.durable import files
from collapse_utils.durable.checkpoints import Checkpoint, Pieces
from collapse_utils.durable.signals import Interrupted
from collapse_utils.errors import InputError, RunError
from collapse_utils.pages.notebook import check_parameters
from collapse_utils.sweeps import jobs

PACKAGE = Path(collapse_utils.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def mark(tmp_path):
    """The file that a successful attack leaves behind."""
    path = tmp_path / "the-attack-has-worked"
    pickle.loads(pickle.dumps(Evil(path)))
    assert path.exists()  # it would work, if anybody unpickled it
    path.unlink()
    yield path
    assert not path.exists()


# The source


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as text; what stands before a call or an index is left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@functools.cache
def calls():
    """(file, function, keywords that are constants) of every call in the package."""
    return [
        (
            path.relative_to(PACKAGE).as_posix(),
            dotted(node.func),
            {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords},
        )
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def test_no_call_runs_what_it_reads():
    """Of what can run code: GEOM's published pickles alone, through an unpickler that admits one
    class.
    """
    forbidden = {
        "eval",
        "exec",
        "compile",
        "pickle.load",
        "pickle.loads",
        "joblib.load",
        "yaml.load",
        "os.system",
        "os.popen",
        "shelve.open",
        "marshal.loads",
        "pd.read_pickle",
        "pandas.read_pickle",
    }
    assert [(path, name) for path, name, _ in calls() if name in forbidden] == []
    extractions = [call for call in calls() if call[1].endswith((".extractall", ".extract"))]
    # no member leaves the folder
    assert all(options.get("filter") == "data" for _, _, options in extractions)
    unpicklers = {path for path, name, _ in calls() if "Unpickler" in name}
    assert unpicklers <= {"molecules/geom.py"}
    assert [
        path
        for path, _, options in calls()
        if options.get("shell") or "trust_remote_code" in options
    ] == []


def test_every_load_refuses_pickles():
    loads = [call for call in calls() if call[1] in ("torch.load", "np.load")]
    assert {name for _, name, _ in loads} == {"torch.load", "np.load"}
    for path, name, options in loads:
        option, expected = (
            ("weights_only", True) if name == "torch.load" else ("allow_pickle", False)
        )
        assert options.get(option) is expected, (path, name)
    # the optimiser of a checkpoint, here and in the template of an own model
    saves = sorted(path for path, name, _ in calls() if name == "torch.save")
    assert saves == ["templates/torch_model.py", "training/loop.py"]


# Data


def test_members_of_a_tar_cannot_leave_their_folder(tmp_path, monkeypatch, capsys):
    names = [f"{i:02d}.jpg" for i in range(30)] + [
        "../evil.jpg",
        "../../evil.jpg",
        str(tmp_path / "evil.jpg"),
        "a/../../e.jpg",
    ]
    rng = np.random.default_rng(0)
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    with tarfile.open(tmp_path / "album.tar", "w") as archive:
        for name in names:
            photo = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (24, 20, 3), dtype=np.uint8)).save(photo, "jpeg")
            member = tarfile.TarInfo(name)
            member.size = len(photo.getvalue())
            archive.addfile(member, io.BytesIO(photo.getvalue()))
        for kind, name in (
            (tarfile.SYMTYPE, "link.jpg"),
            (tarfile.LNKTYPE, "hard.jpg"),
            (tarfile.CHRTYPE, "device.jpg"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(tmp_path / "secret.jpg")
            archive.addfile(member)
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    options = [
        "size=8",
        "levels=1",
        "width=2",
        "latent=2",
        "batch_size=8",
        "epochs=1",
        "test_images=5",
        "iterations=1",
        "evaluation_samples=16",
        "feature_dimensions=2",
        "clusters=2",
        "neighbours=1",
    ]
    fields = [word for option in options for word in ("--set", option)]
    assert (
        main(
            [
                "run",
                "images",
                *fields,
                "--data",
                str(tmp_path / "album.tar"),
                "--run-dir",
                str(tmp_path / "run"),
                "--quiet",
            ]
        )
        == 0
    ), capsys.readouterr().err
    after = {
        path for path in tmp_path.rglob("*") if not {"cache", "run", ".shared"} & set(path.parts)
    }
    assert after == before
    info = files.read_json(next((tmp_path / "cache").glob("images/*/info.json")))
    assert info["found"] == len(names)  # no link and no device is a photograph
    assert not (tmp_path.parent / "evil.jpg").exists() and not (tmp_path.parent / "e.jpg").exists()


@pytest.mark.parametrize("section", ["language", "images", "molecules"])
@pytest.mark.parametrize(
    "name", ["data.npy", "data.pkl", "data.pt", "tinystories.jsonl", "album.tar", "toys.sdf.gz"]
)
def test_a_pickle_given_as_data_is_refused(tmp_path, monkeypatch, mark, capsys, section, name):
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "folder"
    folder.mkdir()
    if name == "data.npy":
        np.save(folder / name, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    else:
        (folder / name).write_bytes(pickle.dumps(Evil(mark)))
    # a loading script, as the hub once ran them
    (folder / "tinystories.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (folder / "dataset_infos.json").write_text("{}")
    for path in (folder / name, folder):
        assert main(["run", section, "--data", str(path), "--run-dir", str(tmp_path / "run")]) == 2
        output = capsys.readouterr().err.strip()
        assert output.splitlines()[-1].startswith("error: --data: got ")
        assert not (tmp_path / "run").exists()


# Run directories


def with_checksums(folder: Path) -> None:
    """What an attacker does after changing a file."""
    files.write_json(
        folder / "checksums.json",
        {
            path.relative_to(folder).as_posix(): files._file_checksum(path)
            for path in files._files(folder)
        },
    )


def test_a_pickle_in_the_place_of_a_generation_is_not_loaded(tmp_path, mark):
    np.save(tmp_path / "items.npy", np.array([Evil(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects in dtype"):
        data.load(tmp_path)


def test_a_pickle_among_the_pieces_is_not_loaded(tmp_path, mark):
    part = tmp_path / "pieces" / "from-000000"
    part.mkdir(parents=True)
    np.savez(part / "pieces.npz", **{"0.array": np.array([Evil(mark)], dtype=object)})
    with_checksums(part)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        list(Pieces(tmp_path / "pieces")([lambda: np.zeros(1)]))


def test_a_pickle_in_a_checkpoint_is_not_run(tmp_path, mark):
    config = toy.chain().config
    with pytest.raises(Interrupted):
        run_chain(toy.Neural(config, (1, 5)), toy.chain(), tmp_path / "run", checkpoint_s=0)
    states = list(tmp_path.glob(".shared/*/fit/state-*"))
    for state in states:
        torch.save({"step": 5, "optimiser": Evil(mark)}, state / "training.pt")
        with_checksums(state)
    assert states
    with pytest.raises((pickle.UnpicklingError, RunError)):
        run_chain(toy.Neural(config), toy.chain(), tmp_path / "run", checkpoint_s=0)


def test_weights_are_safetensors(tmp_path):
    from safetensors.torch import load_file

    run_chain(toy.Neural(toy.chain().config), toy.chain(), tmp_path / "run", checkpoint_s=1e9)
    for iteration in range(1, 5):
        state = Checkpoint(tmp_path / "run" / f"iteration-{iteration:02d}").newest()
        assert load_file(state / "model.safetensors") and not list(state.glob("*.pt"))


# Values


def code(mark) -> str:
    return f"__import__('pathlib').Path({str(mark)!r}).touch()"


@pytest.mark.parametrize("name", sections.NAMES)
def test_no_field_evaluates_its_text(name, mark):
    config, _ = sections.configuration(name, "smoke")
    for field in dataclasses.fields(config):
        with pytest.raises(InputError, match=field.name):
            presets.override(config, [f"{field.name}={code(mark)}"])
        with pytest.raises(InputError):
            presets.override(config, [f"{code(mark)}={field.name}"])


def test_the_command_line_evaluates_nothing(tmp_path, mark, capsys):
    options = ["--set", "--data", "--preset", "--regime", "--seed", "--checkpoint-s"]
    for option in options:
        value = f"temperature={code(mark)}" if option == "--set" else code(mark)
        assert main(["run", "language", option, value, "--run-dir", str(tmp_path / "run")]) == 2
    for option in ("--vary", "--seeds", "--regimes", "--jobs"):
        value = f"temperature={code(mark)}" if option == "--vary" else code(mark)
        assert main(["sweep", "language", option, value, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("error: ") == len(options) + 4


def test_notebook_parameters_are_values(tmp_path, mark):
    good = {"preset": "smoke", "seeds": [0], "regime_names": ["replace"], "recompute": False}
    check_parameters(**good)
    for name, bad in (
        ("preset", code(mark)),
        ("seeds", code(mark)),
        ("seeds", [code(mark)]),
        ("regime_names", [code(mark)]),
        ("recompute", code(mark)),
    ):
        with pytest.raises(InputError):
            check_parameters(**{**good, name: bad})
    with pytest.raises(InputError):
        jobs.plan(
            ["language"], "smoke", [0], ["replace"], tmp_path, vary=[f"temperature={code(mark)}"]
        )
