"""The data of the book's generation sliders: faces, stories and molecules of every fit.

They come from results/*/*/samples, for the folders that the results explorer shows as well.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from collapse_utils import sections
from collapse_utils.durable.files import read_json
from collapse_utils.evidence import results
from collapse_utils.evidence.statistics import by_iteration
from collapse_utils.regimes import REGIMES

from .explorer import METRICS, Json, describe, number, setting, settings, shown_folders

FACE = 64  # CSS pixels of a face on the page
FACES_BUDGET = 270_000  # largest number of characters of all sheets of faces as JSON
QUALITIES = (90, 80, 65, 50, 35)  # of these pictures, tried in this order
STORIES, STORY = 3, 200  # stories of a fit, and characters of a story, that a page shows
SENTENCE = re.compile(r"[^.!?]+[.!?]*")

Files = dict[str, dict[int, Path]]  # regime -> fit -> file of samples


def _fits(path: Path, name: str) -> dict[int, Path]:
    """Fit -> sample file of one chain."""
    files = path.glob(f"iteration-*/{name}")
    return dict(sorted((int(file.parent.name.rpartition("-")[2]), file) for file in files))


def _of_every_fit(read: Callable[[Path], Any], files: Files) -> Json:
    """``read(file)`` for every fit of every regime."""
    return {r: {fit: read(file) for fit, file in fits.items()} for r, fits in files.items()}


def _samples(
    folder: Path,
    section: str,
    name: str,
    read: Callable[[Path, Files], Json],
    order: Callable[[Json], tuple] = lambda record: (),
) -> Json:
    """Every data source of a section, with the mean loss and the samples of every fit.

    Shown are the settings with samples ``name`` of replace and of accumulate, sorted by ``order``
    of their provenance records, by default with the preset itself first.  ``read(path, files)``
    returns the entries with the samples.
    """
    data, metric = [], sections.module(section).HEADLINE
    for path in shown_folders(folder, section):
        shown, frame = [], results.read_csv(path / "metrics.csv")
        for record in sorted(settings(path).values(), key=order):
            variant = record["variant"]
            base = path / "samples" / (variant or "base")
            files = {regime: _fits(base / regime, name) for regime in REGIMES}
            files = {regime: fits for regime, fits in files.items() if fits}
            if not {"replace", "accumulate"} <= set(files):
                continue
            losses = {}
            for regime in files:
                table = by_iteration(frame, metric, regime=regime, variant=variant)
                means = map(number, table["mean"])
                losses[regime] = dict(zip(table["iteration"], means, strict=True))
            shown.append({"title": setting(record), "losses": losses, **read(path, files)})
        if shown:
            data.append({**describe(path), "settings": shown})
    return {"data": data, "loss": METRICS[metric]}


def picture(pixels: np.ndarray, quality: int) -> str:
    """Pixels (height, width, 3) as an address that contains a WebP picture."""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "WEBP", quality=quality, method=6)
    return "data:image/webp;base64," + base64.b64encode(written.getvalue()).decode()


def rows_of(sheet: str, rows: int, chosen: list[int]) -> str:
    """A sheet of ``rows`` rows, cut down to the rows ``chosen``."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2]))) as image:
        parts = np.split(np.asarray(image.convert("RGB")), rows)
    return picture(np.concatenate([parts[row] for row in chosen]), QUALITIES[0])


def _sheets(path: Path, files: Files, quality: int) -> Json:
    """One sheet for each regime, with one row for each fit.

    The square images of a preview are one pixel apart.
    """
    from PIL import Image

    record = read_json(path / "provenance.json")[0]
    side, sheets, rows_by_fit = record["config"]["size"], {}, {}
    for regime, fits in files.items():
        rows = []
        for file in fits.values():
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("RGB"))
            tops, lefts = (range(0, length, side + 1) for length in pixels.shape[:2])
            shown = [pixels[y : y + side, x : x + side] for y in tops for x in lefts]
            rows.append(np.concatenate(shown, axis=1))
        sheets[regime] = picture(np.concatenate(rows), quality)
        rows_by_fit[regime] = {fit: row for row, fit in enumerate(fits)}
    most = max(map(len, rows_by_fit.values()))
    return {"columns": len(shown), "rows": most, "sheets": sheets, "regimes": rows_by_fit}


def faces(folder: Path) -> Json:
    """Faces of every fit in the first setting, at the best quality within ``FACES_BUDGET``."""
    for quality in QUALITIES:
        read = functools.partial(_sheets, quality=quality)
        grids = _samples(folder, "images", "samples.png", read)
        for source in grids["data"]:
            source["settings"] = source["settings"][:1]
        if len(json.dumps(grids)) <= FACES_BUDGET:
            break
    return {**grids, "size": FACE}


def _beginning(text: str) -> str:
    """The beginning of a story, up to the end of a word."""
    return text if len(text) <= STORY else text[:STORY].rsplit(" ", 1)[0] + " …"


def _stories(path: Path, files: Files) -> Json:
    def of_fit(file: Path) -> Json:
        texts = read_json(file)
        sentences = [part.strip() for text in texts for part in SENTENCE.findall(text)]
        sentences = [sentence for sentence in sentences if sentence]
        shown = [_beginning(text) for text in texts[:STORIES]]
        return {"texts": shown, "distinct": len(set(sentences)), "all": len(sentences)}

    return {"regimes": _of_every_fit(of_fit, files)}


def stories(folder: Path) -> Json:
    """The first stories of every fit, and how many sentences of all its stories are different."""

    def low_temperature_first(record: Json) -> tuple:  # its stories show what the loss does not
        config = record["config"]
        return config["architecture"] != "llama", config["temperature"], record["variant"]

    return _samples(folder, "language", "stories.json", _stories, low_temperature_first)


def principal_axes(positions: np.ndarray) -> np.ndarray:
    """The rotation that turns the longest axis of positions (atoms, 3) to x."""
    axes = np.linalg.svd(positions - positions.mean(0))[2].T
    return axes @ np.diag([1.0, 1.0, np.linalg.det(axes)])


def aligned(positions: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Positions (atoms, 3), centred, in the rotation closest to ``target`` (Kabsch 1976)."""
    centred = positions - positions.mean(0)
    left, _, right = np.linalg.svd(centred.T @ (target - target.mean(0)))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return centred @ left @ flip @ right


def molecules(folder: Path) -> Json:
    """Atoms, bonds, and positions in hundredths of an angstrom, aligned to the real conformation.

    ``bond`` and ``angle`` are mean absolute differences from the real conformation, in angstrom and
    degrees.
    """
    from rdkit import Chem

    from collapse_utils.molecules.measures import bonds_and_angles, degrees, lengths

    def read(file: Path) -> list[Chem.Mol]:
        return list(Chem.SDMolSupplier(str(file), removeHs=False, sanitize=False))

    def rounded(positions: np.ndarray) -> list[int]:
        return np.rint(np.clip(positions, -99, 99) * 100).astype(int).ravel().tolist()

    def sampled(molecule: Chem.Mol, real: np.ndarray) -> Json:
        bonds, angles = bonds_and_angles(molecule)
        both = np.stack([molecule.GetConformer().GetPositions(), real])
        bond = np.abs(np.diff(lengths(both, bonds), axis=0)).mean()
        angle = np.abs(np.diff(degrees(both, angles), axis=0)).mean()
        at = rounded(aligned(both[0], real))
        return {"at": at, "bond": round(float(bond), 3), "angle": round(float(angle), 1)}

    def samples(path: Path, files: Files) -> Json:
        first = read(next(iter(files["replace"].values())))[0::2]  # real and sampled alternate
        conformations = [molecule.GetConformer().GetPositions() for molecule in first]
        reals = [(real - real.mean(0)) @ principal_axes(real) for real in conformations]
        smiles = [Chem.MolToSmiles(molecule) for molecule in first]

        def same_molecules(file: Path) -> bool:  # chains of other seeds may sample other molecules
            return [Chem.MolToSmiles(molecule) for molecule in read(file)[0::2]] == smiles

        files = {r: fits for r, fits in files.items() if all(map(same_molecules, fits.values()))}
        shown = []
        for rank, (molecule, real) in enumerate(zip(first, reals, strict=True), 1):
            title = f"{rank} ({molecule.GetNumHeavyAtoms()} heavy atoms)"
            atoms = [atom.GetSymbol() for atom in molecule.GetAtoms()]
            bonds = bonds_and_angles(molecule)[0].tolist()
            shown.append({"title": title, "atoms": atoms, "bonds": bonds, "real": rounded(real)})

        def of_fit(file: Path) -> list[Json]:
            return [sampled(m, real) for m, real in zip(read(file)[1::2], reals, strict=True)]

        return {"molecules": shown, "regimes": _of_every_fit(of_fit, files)}

    return _samples(folder, "molecules", "molecules.sdf", samples)
