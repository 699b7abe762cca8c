"""Real images: split by person, decoded once, and mapped into memory.

Exact duplicates are dropped.  The rest is put into an order that depends on its content alone, and
split so that no person is on both sides.  The chosen photographs are decoded, cropped to a centred
square and scaled, into two uint8 arrays (n, C, size, size) in the cache.  Every later chain of the
same data maps them into memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..data import map_array
from ..durable import files
from ..durable.run_dir import fingerprint
from ..errors import InputError, data_error
from ..selection import part_of
from ..sources import content_key
from .config import ImagesConfig
from .sources import Album, Photo, locate

NAMED = 20  # damaged files that the provenance names


@dataclass(frozen=True)
class Faces:
    """Real images as uint8 arrays (n, C, size, size), memory-mapped."""

    train: np.ndarray
    test: np.ndarray
    info: dict  # counts, for the provenance


def split(photos: Sequence[Photo], test_images: int) -> tuple[list[int], list[int], int]:
    """Which photographs are for training and for testing, ordered by content, and the number of
    duplicates.

    An official split is kept.  Otherwise whole people are held out until there are ``test_images``
    photographs of them, or a fifth of all if that is less.  Where people are unknown, single
    photographs are held out.
    """
    first: dict[bytes, int] = {}
    for i in sorted(range(len(photos)), key=lambda i: (photos[i].key, photos[i].name)):
        first.setdefault(photos[i].key, i)
    order = list(first.values())
    duplicates = len(photos) - len(order)
    test_images = min(test_images, len(order) // 5)
    if any(photo.part for photo in photos):
        test = [i for i in order if photos[i].part == "test"]
        train = [i for i in order if photos[i].part == "train"]
    elif all(photo.person for photo in photos):
        counts = Counter(photos[i].person for i in order)
        held_out: set[str] = set()
        count = 0
        for person in sorted(counts, key=lambda person: content_key(person.encode())):
            if count >= test_images:
                break
            held_out.add(person)
            count += counts[person]
        test = [i for i in order if photos[i].person in held_out]
        train = [i for i in order if photos[i].person not in held_out]
    else:
        return order[test_images:], order[:test_images], duplicates
    tested_people = {photos[i].person for i in test} - {""}
    return [i for i in train if photos[i].person not in tested_people], test, duplicates


class _Decoder:
    """Turns photographs into arrays; all must have the size and the colours of the first one."""

    def __init__(self, album: Album, config: ImagesConfig):
        self.album, self.config = album, config
        self.crop = config.crop or album.crop
        self.first: tuple[str, tuple[int, int], str] | None = None  # name, (width, height), mode
        self.damaged: list[str] = []

    def __call__(self, i: int) -> np.ndarray | None:
        """Photograph i as uint8 (C, size, size), or None if it is damaged and may be left out."""
        name, config = self.album.photos[i].name, self.config
        where = f"{self.album.name}, {name}"
        try:
            image = self.album.open(i)
            image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
            if not config.skip_damaged:
                raise data_error(
                    where,
                    "an image that can be decoded, or --set "
                    f"skip_damaged=true to leave such files out ({problem})",
                ) from None
            self.damaged.append(name)
            return None
        if image.mode not in ("L", "RGB"):
            raise data_error(where, f"8-bit grey or RGB (it has mode {image.mode})")
        if config.grey:
            image = image.convert("L")
        if self.first is None:
            self.first = (name, image.size, image.mode)
        elif (image.size, image.mode) != self.first[1:]:
            kind = "{0[0]}x{0[1]} pixels, {1}".format
            raise data_error(
                where,
                f"{kind(*self.first[1:])} as in {self.first[0]} "
                f"(it has {kind(image.size, image.mode)})",
            )
        return np.atleast_3d(_square(image, self.crop, config.size)).transpose(2, 0, 1)


def _square(image: Image.Image, crop: float, size: int) -> np.ndarray:
    """The centred square of side ``crop`` x width (at most the height), scaled to ``size``."""
    width, height = image.size
    side = round(min(crop * width, height))
    left, top = (width - side) // 2, (height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


def _decode(
    decoder: _Decoder, candidates: Iterable[int], most: int, path: Path, label: str
) -> list[int]:
    """Decode up to ``most`` candidates into ``path``; returns those that it holds, in order."""
    used: list[int] = []
    out: np.memmap | None = None
    for i in tqdm(candidates, desc=f"decoding {label}", total=most, disable=most < 20_000):
        if len(used) == most:
            break
        pixels = decoder(i)
        if pixels is None:
            continue
        if out is None:
            out = np.lib.format.open_memmap(
                path, mode="w+", dtype=np.uint8, shape=(most, *pixels.shape)
            )
        out[len(used)] = pixels
        used.append(i)
    if out is not None:
        out.flush()
        if len(used) < most:
            np.save(path, np.array(out[: len(used)]))
    return used


def prepare(
    config: ImagesConfig, data: str | Path, cache: Path, seed: int = 0
) -> tuple[Album, Faces]:
    """The album and its decoded splits, made once in ``cache`` and memory-mapped from there.

    ``seed`` chooses the training images where ``config.draw`` is ``by_seed``, see ``selection.py``.

    Raises
    ------
    InputError : a source that is not there, a file that is not what it should be (named), and too
        few images.
    """
    # with by_seed, any seed may need any photograph
    some = config.images > 0 and config.draw != "by_seed"
    album = locate(data, {"train": config.images, "test": config.test_images} if some else None)
    fields = ("images", "test_images", "size", "crop", "grey", "skip_damaged", "batch_size")
    draw = seed if config.draw == "by_seed" else None
    key = {
        "content": album.content,
        "layout": 1,
        "cropped": album.crop,
        **{name: getattr(config, name) for name in fields},
    }
    if draw is not None:
        key["draw"] = draw
    folder = cache / "images" / f"{album.name}-{fingerprint(key)}"
    files.cached_folder(folder, partial(_prepare, config, album, draw))
    train, test = (map_array(folder / f"{part}.npy") for part in ("train", "test"))
    return album, Faces(train, test, files.read_json(folder / "info.json"))


def _prepare(config: ImagesConfig, album: Album, draw: int | None, folder: Path) -> None:
    train, test, duplicates = split(album.photos, config.test_images)
    if draw is not None:
        has = f"{album.name} has {len(train)} training images"
        train = part_of(train, config.images, draw, field="images", has=has)
    _enough(config, album, len(train), len(test))
    decoder = _Decoder(album, config)
    by_person = all(album.photos[i].person for i in test) and not album.photos[test[0]].part
    # people are held out whole
    most = len(test) if by_person else min(config.test_images, len(test))
    test = _decode(decoder, test, most, folder / "test.npy", "test images")
    most = min(config.images, len(train)) or len(train)
    train = _decode(decoder, train, most, folder / "train.npy", "training images")
    _enough(config, album, len(train), len(test))
    for part in ("test", "train"):
        first = map_array(folder / f"{part}.npy")[:1000]
        if (first == first[0]).all():
            raise data_error(album.name, f"images that differ (those to {part} are equal)")
    people = {
        part: {album.photos[i].person for i in rows}
        for part, rows in (("train", train), ("test", test))
    }
    known = "" not in people["train"] | people["test"]
    info = {
        "source": album.name,
        "found": len(album.photos),
        "duplicates": duplicates,
        "damaged": len(decoder.damaged),
        "damaged_files": decoder.damaged[:NAMED],
        "original": f"{decoder.first[1][0]}x{decoder.first[1][1]} {decoder.first[2]}",
        "people": {part: len(names) for part, names in people.items()}
        if known
        else "unknown: split by image",
    }
    files.write_json(folder / "info.json", info)


def _enough(config: ImagesConfig, album: Album, train: int, test: int) -> None:
    if test <= config.neighbours:
        raise data_error(
            album.name, f"more than {config.neighbours} images to hold out (it has {test})"
        )
    if train < config.batch_size:
        raise InputError(
            "batch_size", config.batch_size, f"at most {train}: what {album.name} has for training"
        )
