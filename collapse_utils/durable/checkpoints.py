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
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError
from . import files

Piece = np.ndarray | tuple[np.ndarray, ...]
Make = Callable[[], Piece]
# What a sampler is handed as ``kept``: from all pieces to be made to (number, piece), in any order.
Kept = Callable[[Iterable[Make]], Iterable[tuple[int, Any]]]
# Makes numbered pieces, in any order and anywhere, and hands each to a function that keeps it.
Divide = Callable[[Iterable[tuple[int, Make]], Callable[[int, Piece], None]], Iterator]


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
        files.write_json(self.folder / "newest.json", {"state": final.name}, guard=self.guard)
        for old in self.states()[2:]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()


def at_once(makes: Iterable[Make]) -> Iterator[tuple[int, Any]]:
    """What a sampler gets in the place of :class:`Pieces` when nothing is kept."""
    return enumerate(make() for make in makes)


def in_order(
    missing: Iterable[tuple[int, Make]], keep: Callable[[int, Piece], None]
) -> Iterator[tuple[int, Piece]]:
    """Make the pieces here, one after another."""
    for number, make in missing:
        piece = make()
        keep(number, piece)
        yield number, piece


class Pieces:
    """What one call of a sampler has made so far, piece by piece, kept on disk until the whole is
    there.

    A sampler that makes its items in pieces asks for all of them at once, ``kept(makes)``, where
    every ``make()`` returns an array or a tuple of arrays.  It gets (number, piece) in any order
    and puts the pieces into theirs.  A piece that an earlier process has made comes from the disk;
    a new one is written with those before it once ``every_s`` seconds have gone, so that a kill
    loses no more than these seconds and the pieces under way.  What a piece is must depend on
    nothing but its own ``make``: then the whole is the same to the last bit.

    Parameters
    ----------
    folder, every_s, guard : as for :class:`Checkpoint`; the subfolder ``from-<a>`` was written
        when there were a pieces on disk.
    divide : makes the pieces that are missing; other processes may help.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_s: float = 60.0,
        guard: Callable[[], None] = lambda: None,
        divide: Divide = in_order,
    ):
        self.folder, self.every_s, self.guard, self.divide = folder, every_s, guard, divide
        self._on_disk: set[int] = set()
        self._pending: dict[int, Piece] = {}
        self._saving = threading.RLock()  # a piece of another process is kept in a thread
        self._last = time.monotonic()

    def __call__(self, makes: Iterable[Make]) -> Iterator[tuple[int, Piece]]:
        """Every piece with its number: those on disk, then what ``divide`` makes of the others."""
        yield from self._read()
        stored = frozenset(self._on_disk)
        missing = ((number, make) for number, make in enumerate(makes) if number not in stored)
        yield from self.divide(missing, self._keep)

    def _read(self) -> Iterator[tuple[int, Piece]]:
        while (part := self.folder / f"from-{len(self._on_disk):06d}").is_dir():
            if problem := files.damage(part):
                files.warn(f"{problem}; sampled again from here")
                break
            with np.load(part / "pieces.npz", allow_pickle=False) as file:
                names: dict[int, list[str]] = {}
                for name in file.files:
                    names.setdefault(int(name.split(".")[0]), []).append(name)
                if not self._on_disk.isdisjoint(names):
                    files.warn(f"{part}: an earlier version numbered it; sampled again from here")
                    break
                for number, own in names.items():
                    arrays = tuple(file[name] for name in own)
                    self._on_disk.add(number)
                    yield number, arrays[0] if own == [f"{number}.array"] else arrays
        # behind a damaged one
        for part in self.folder.glob("from-*") if self.folder.is_dir() else ():
            if not part.name[5:].isdecimal() or int(part.name[5:]) >= len(self._on_disk):
                self.guard()
                files.remove_folder(part)

    def _keep(self, number: int, piece: Piece) -> None:
        with self._saving:
            self._pending[number] = piece
            if time.monotonic() - self._last >= self.every_s:
                self.save()

    def save(self) -> None:
        """Write the pieces made since the last time."""
        with self._saving:
            if not self._pending:
                return
            self.guard()
            arrays = {}
            for number, piece in self._pending.items():
                if isinstance(piece, tuple):
                    arrays |= {f"{number}.{place}": array for place, array in enumerate(piece)}
                else:
                    arrays[f"{number}.array"] = piece
            part = self.folder / f"from-{len(self._on_disk):06d}"
            with files.new_folder(part, self.guard) as folder:
                np.savez(folder / "pieces.npz", **arrays)
            self._on_disk |= self._pending.keys()
            self._pending, self._last = {}, time.monotonic()

    def remove(self) -> None:
        """The whole is there: the pieces are not needed any more."""
        files.remove_folder(self.folder)
