"""What the generation slider of the book shows: faces, stories and molecules of every fit, from results/*/*/samples."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from collapse_utils import sections
from collapse_utils.durable.files import read_json
from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import by_iteration
from collapse_utils.regimes import REGIMES

from .explorer import METRICS, Json, describe, largest, number, setting, settings

FACE = 64  # CSS pixels of a face on the page
FACES_BUDGET = 320_000  # bytes of all sheets of faces, as text
QUALITIES = (90, 80, 65, 50, 35)  # of their pictures, tried in this order
STORIES, STORY = 3, 300  # stories of a fit, and characters of a story, that a page shows
SENTENCE = re.compile(r"[^.!?]+[.!?]*")


def _fits(path: Path, name: str) -> dict[int, Path]:
    """The sample files of one chain by fit."""
    found = {int(file.parent.name.rpartition("-")[2]): file for file in path.glob(f"iteration-*/{name}")}
    return dict(sorted(found.items()))


def _samples(
    folder: Path,
    section: str,
    name: str,
    read: Callable[[Path, dict], Json],
    order: Callable[[Json], tuple] | None = None,
) -> Json:
    """Every data source of a section with ``read(path, {regime: {fit: file}})`` of each setting that has two regimes.

    ``order`` sorts the settings by the record of a chain; without it the preset itself comes first.
    """
    data, metric = [], sections.module(section).HEADLINE
    for path in largest(folder, section):
        shown, frame = [], results.read_csv(path / "metrics.csv")
        for variant, record in sorted(settings(path).items(), key=lambda one: order(one[1]) if order else ()):
            home = path / "samples" / (variant or "base")
            files = {regime: _fits(home / regime, name) for regime in REGIMES}
            files = {regime: fits for regime, fits in files.items() if fits}
            if {"replace", "accumulate"} <= set(files):
                tables = {r: by_iteration(frame, metric, regime=r, variant=variant) for r in files}
                losses = {r: dict(zip(t["iteration"], map(number, t["mean"]), strict=True)) for r, t in tables.items()}
                shown.append({"title": setting(record), "losses": losses, **read(path, files)})
        if shown:
            data.append({**describe(path), "settings": shown})
    return {"data": data, "loss": METRICS[metric]}


def _sheets(path: Path, files: dict[str, dict[int, Path]], quality: int) -> Json:
    """One sheet a regime, a row a fit, from previews with a gap of one pixel between their square images."""
    from PIL import Image

    record = next(iter(read_json(path / "provenance.json")))
    side, sheets, places = record["config"]["size"], {}, {}
    for regime, fits in files.items():
        rows = []
        for file in fits.values():
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("RGB"))
            corners = [(y, x) for y in range(0, pixels.shape[0], side + 1) for x in range(0, pixels.shape[1], side + 1)]
            rows.append(np.concatenate([pixels[y : y + side, x : x + side] for y, x in corners], axis=1))
        sheets[regime] = picture(np.concatenate(rows), quality)
        places[regime] = {fit: row for row, fit in enumerate(fits)}
    return {
        "columns": len(corners),
        "rows": max(map(len, places.values())),
        "sheets": sheets,
        "regimes": places,
    }


def picture(pixels: np.ndarray, quality: int) -> str:
    """Pixels (height, width, 3) as the address of a WebP picture that holds its content."""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "WEBP", quality=quality, method=6)
    return "data:image/webp;base64," + base64.b64encode(written.getvalue()).decode()


def rows_of(sheet: str, rows: int, chosen: list[int]) -> str:
    """A sheet of ``rows`` rows, cut down to the rows ``chosen``."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2]))) as image:
        pixels = np.asarray(image.convert("RGB"))
    parts = np.split(pixels, rows)
    return picture(np.concatenate([parts[row] for row in chosen]), QUALITIES[0])


def faces(folder: Path) -> Json:
    """Faces of every fit, at the best quality that stays within ``FACES_BUDGET``; of the settings the first."""

    def at(quality: int) -> Json:
        found = _samples(folder, "images", "samples.png", lambda path, files: _sheets(path, files, quality))
        for one in found["data"]:
            one["settings"] = one["settings"][:1]
        return {**found, "size": FACE}

    for quality in QUALITIES:
        found = at(quality)
        if len(json.dumps(found)) <= FACES_BUDGET:
            break
    return found


def _stories(path: Path, files: dict[str, dict[int, Path]]) -> Json:
    def one(file: Path) -> Json:
        texts = read_json(file)
        found = [sentence.strip() for text in texts for sentence in SENTENCE.findall(text) if sentence.strip()]
        cut = [text if len(text) <= STORY else text[:STORY].rsplit(" ", 1)[0] + " …" for text in texts[:STORIES]]
        return {"texts": cut, "distinct": len(set(found)), "all": len(found)}

    return {"regimes": {regime: {fit: one(file) for fit, file in fits.items()} for regime, fits in files.items()}}


def stories(folder: Path) -> Json:
    """The first stories of every fit, cut to a readable length, and how many of all kept sentences are different."""

    def low_temperature_first(record: Json) -> tuple:  # there one reads what the loss does not show
        return record["config"]["architecture"] != "llama", record["config"]["temperature"]

    return _samples(folder, "language", "stories.json", _stories, low_temperature_first)


def flat(positions: np.ndarray) -> np.ndarray:
    """The rotation that lays the longest axis of positions (atoms, 3) along x, and the shortest along the view."""
    axes = np.linalg.svd(positions - positions.mean(0))[2].T
    return axes @ np.diag([1.0, 1.0, np.linalg.det(axes)])


def turned(moving: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Positions (atoms, 3), centred and rotated onto ``still`` with the least squared distance (Kabsch 1976)."""
    left, _, right = np.linalg.svd((moving - moving.mean(0)).T @ (still - still.mean(0)))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return (moving - moving.mean(0)) @ left @ flip @ right


def molecules(folder: Path) -> Json:
    """Atoms, bonds and positions in hundredths of an angstrom, every sample rotated onto the real conformation."""
    from rdkit import Chem

    from collapse_utils.molecules.measures import bonds_and_angles, degrees, lengths

    def read(file: Path) -> list[Chem.Mol]:
        return list(Chem.SDMolSupplier(str(file), removeHs=False, sanitize=False))

    def whole(positions: np.ndarray) -> list[int]:
        return np.rint(np.clip(positions, -99, 99) * 100).astype(int).ravel().tolist()

    def sampled(molecule: Chem.Mol, real: np.ndarray) -> Json:
        bonds, angles = bonds_and_angles(molecule)
        both = np.stack([molecule.GetConformer().GetPositions(), real])
        bond, angle = (np.abs(np.diff(f(both, atoms), axis=0)).mean() for f, atoms in ((lengths, bonds), (degrees, angles)))
        return {
            "at": whole(turned(both[0], real)),
            "bond": round(float(bond), 3),
            "angle": round(float(angle), 1),
        }

    shapes: dict[Path, list[Json]] = {}

    def samples(path: Path, files: dict[str, dict[int, Path]]) -> Json:
        first = read(next(iter(files["replace"].values())))[0::2]  # real and sampled in turn
        places = [molecule.GetConformer().GetPositions() for molecule in first]
        reals = [(real - real.mean(0)) @ flat(real) for real in places]
        shapes[path] = [
            {
                "title": f"{number} ({molecule.GetNumHeavyAtoms()} heavy atoms)",
                "atoms": [atom.GetSymbol() for atom in molecule.GetAtoms()],
                "bonds": [[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] for bond in molecule.GetBonds()],
                "real": whole(real),
            }
            for number, (molecule, real) in enumerate(zip(first, reals, strict=True), 1)
        ]

        def one(file: Path) -> list[Json]:
            return [sampled(molecule, real) for molecule, real in zip(read(file)[1::2], reals, strict=True)]

        return {"regimes": {regime: {fit: one(file) for fit, file in fits.items()} for regime, fits in files.items()}}

    found = _samples(folder, "molecules", "molecules.sdf", samples)
    for one, path in zip(found["data"], shapes, strict=True):
        one["molecules"] = shapes[path]
    return found
