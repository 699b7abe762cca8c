"""Work that can be interrupted: what a fit and a sampler leave behind, and the signals that ask
them to stop.

The chain hands a :class:`Checkpoint` to every fit.  A section that trains for long saves its state
there from time to time and starts from the newest whole one; a section whose fits are short ignores
it.  A sampler that has a fourth parameter ``kept`` is handed :class:`Pieces`, which remember what
it has made.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import RunError
from . import files

Arrays = TypeVar("Arrays", np.ndarray, tuple[np.ndarray, ...])


class Checkpoint:
    """The folder in which one fit keeps its state.

    Parameters
    ----------
    folder : states are its subfolders ``state-000000123``, named by step; the two newest are kept,
        and ``newest.json`` names the last one.
    every_s : seconds between two states that :meth:`due` asks for.
    guard : called before every write; raises if the process has lost the right to write here.
    report : called with (step, steps, numbers) for whoever looks on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_s: float = 60.0,
        guard: Callable[[], None] = lambda: None,
        report: Callable[[int, int, dict], None] = lambda step, steps, numbers: None,
    ):
        self.folder, self.every_s, self.guard, self.report = folder, every_s, guard, report
        self._last = time.monotonic()

    def states(self) -> list[Path]:
        """The states on disk, newest first."""
        return files.states(self.folder)[::-1]

    def newest(self) -> Path | None:
        """The newest state that is whole, or None."""
        return next((state for state in self.states() if files.damage(state) is None), None)

    def start(self) -> Path | None:
        """The state to go on from, or None; whatever newer state is damaged or gone is named on
        stderr.
        """
        state = self.newest()
        problems = [
            files.damage(other) for other in self.states() if state is None or other > state
        ]
        note = self.folder / "newest.json"
        try:
            last = files.read_json(note)["state"] if note.exists() else ""
            if last and not files.STATE.fullmatch(last):
                raise ValueError
            if last > (state.name if state else "") and not (self.folder / last).exists():
                problems.append(f"{self.folder / last}: is missing")
        except (RunError, ValueError, KeyError, TypeError):
            problems.append(f"{note}: its content has changed since it was written")
        for problem in problems:
            files.warn(f"{problem}; this fit goes on from {state.name if state else 'its start'}")
        return state

    def diverged(self) -> bool:
        """Whether the fit ended because its loss was no longer finite."""
        newest = self.newest()
        return newest is not None and (newest / "diverged.json").exists()

    def due(self) -> bool:
        return time.monotonic() - self._last >= self.every_s

    @contextlib.contextmanager
    def saving(self, step: int) -> Iterator[Path]:
        """A temporary folder that becomes the state of ``step`` when the block ends."""
        self.guard()
        final = self.folder / f"state-{step:09d}"
        # a damaged state of the same step, which was passed over, makes room
        files.remove_folder(final)
        with files.new_folder(final, self.guard) as folder:
            yield folder
        # so that a lost state is missed
        files.write_json(self.folder / "newest.json", {"state": final.name})
        for old in self.states()[2:]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()


def at_once(make: Callable[[], Arrays]) -> Arrays:
    """What a sampler gets in the place of :class:`Pieces` when nothing is kept."""
    return make()


class Pieces:
    """What one call of a sampler has made so far, piece by piece, kept on disk until the whole is
    there.

    A sampler that makes its items in pieces asks for every one with ``kept(make)``, always in the
    same order, where ``make()`` returns an array or a tuple of arrays.  A piece that an earlier
    process has made comes from the disk; a new one is written with those before it once ``every_s``
    seconds have gone, so that a kill loses no more than these seconds and one piece.  What a piece
    is must not depend on what was read and what was made: then the whole is the same to the last
    bit.

    Parameters
    ----------
    folder, every_s, guard : as for :class:`Checkpoint`; pieces a .. b - 1 are the subfolder
        ``from-<a>``.
    """

    def __init__(
        self, folder: Path, *, every_s: float = 60.0, guard: Callable[[], None] = lambda: None
    ):
        self.folder, self.every_s, self.guard = folder, every_s, guard
        self._stored = self._read()
        self._pending: list[tuple[np.ndarray, ...] | np.ndarray] = []
        self._saved = 0  # pieces on disk, once all of them have been read
        self._last = time.monotonic()

    def _read(self) -> Iterator[np.ndarray | tuple[np.ndarray, ...]]:
        while (part := self.folder / f"from-{self._saved:06d}").is_dir():
            if problem := files.damage(part):
                files.warn(f"{problem}; sampled again from here")
                break
            with np.load(part / "pieces.npz", allow_pickle=False) as file:
                for number in range(len({name.split(".")[0] for name in file.files})):
                    arrays = [
                        file[name] for name in file.files if name.split(".")[0] == str(number)
                    ]
                    single = f"{number}.array" in file.files
                    self._saved += 1
                    yield arrays[0] if single else tuple(arrays)
        # behind a damaged one
        for part in self.folder.glob("from-*") if self.folder.is_dir() else ():
            if not part.name[5:].isdecimal() or int(part.name[5:]) >= self._saved:
                self.guard()
                files.remove_folder(part)

    def __call__(self, make: Callable[[], Arrays]) -> Arrays:
        """The next piece: the one on disk, or what ``make()`` returns."""
        stored = next(self._stored, None)
        if stored is not None:
            return stored
        piece = make()
        self._pending.append(piece)
        if time.monotonic() - self._last >= self.every_s:
            self.save()
        return piece

    def save(self) -> None:
        """Write the pieces made since the last time."""
        if not self._pending:
            return
        self.guard()
        arrays = {}
        for number, piece in enumerate(self._pending):
            if isinstance(piece, tuple):
                arrays |= {f"{number}.{place}": array for place, array in enumerate(piece)}
            else:
                arrays[f"{number}.array"] = piece
        with files.new_folder(self.folder / f"from-{self._saved:06d}", self.guard) as folder:
            np.savez(folder / "pieces.npz", **arrays)
        self._saved += len(self._pending)
        self._pending, self._last = [], time.monotonic()

    def remove(self) -> None:
        """The whole is there: the pieces are not needed any more."""
        files.remove_folder(self.folder)
