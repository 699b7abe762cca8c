"""Resumable work: the states that a fit saves, and the pieces that a sampler saves.

The chain passes a :class:`Checkpoint` to every fit.  A section with long fits saves its state there
regularly and resumes from the newest intact state; a section with short fits ignores it.  A section
with ``resumable_sampling = True`` also gets :class:`Pieces` for its sampler, as a fourth argument.
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
# The fourth argument of a resumable sampler: all pieces to make -> (number, piece), in any order.
Kept = Callable[[Iterable[Make]], Iterable[tuple[int, Any]]]
# Makes numbered pieces, in any order and any process, and passes each to a function that saves it.
Divide = Callable[[Iterable[tuple[int, Make]], Callable[[int, Piece], None]], Iterator]


class Checkpoint:
    """The saved states of one fit, in a folder.

    Parameters
    ----------
    folder : its subfolders ``state-000000123`` are the states, named by step.  The two newest are
        kept, and ``newest.json`` names the last one.
    every_s : seconds between two states, see :meth:`due`.
    guard : called before every write; raises if the process has lost the right to write here.
    report : called with (step, steps, numbers) to show progress.
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
        """The newest state that is intact, or None."""
        return next((state for state in self.states() if files.damage(state) is None), None)

    def start(self) -> Path | None:
        """The state to resume from, or None; newer states that are damaged or missing are named on
        stderr.
        """
        state = self.newest()
        problems = [
            files.damage(other) for other in self.states() if state is None or other > state
        ]
        newest = self.folder / "newest.json"
        try:
            last = files.read_json(newest)["state"] if newest.exists() else ""
            if last and not files.STATE.fullmatch(last):
                raise ValueError
            if last > (state.name if state else "") and not (self.folder / last).exists():
                problems.append(f"{self.folder / last}: is missing")
        except (RunError, ValueError, KeyError, TypeError):
            problems.append(str(files.changed_error(newest)))
        for problem in problems:
            files.warn(f"{problem}; this fit resumes from {state.name if state else 'its start'}")
        return state

    def diverged(self) -> bool:
        """Whether the fit ended because its loss was no longer finite."""
        newest = self.newest()
        return newest is not None and (newest / "diverged.json").exists()

    def due(self) -> bool:
        """Whether ``every_s`` seconds have passed since the last state."""
        return time.monotonic() - self._last >= self.every_s

    @contextlib.contextmanager
    def saving(self, step: int) -> Iterator[Path]:
        """A temporary folder that becomes the state of ``step`` when the block ends."""
        self.guard()
        final = self.folder / f"state-{step:09d}"
        # a state of the same step, if there is one, is damaged: otherwise the fit had used it
        files.remove_folder(final)
        with files.new_folder(final, self.guard) as folder:
            yield folder
        # so that the loss of this state would be noticed
        files.write_json(self.folder / "newest.json", {"state": final.name}, guard=self.guard)
        for old in self.states()[2:]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()


def at_once(makes: Iterable[Make]) -> Iterator[tuple[int, Any]]:
    """Make the pieces without saving them, in place of :class:`Pieces`."""
    return enumerate(make() for make in makes)


def in_order(
    missing: Iterable[tuple[int, Make]], keep: Callable[[int, Piece], None]
) -> Iterator[tuple[int, Piece]]:
    """Make the pieces in this process, one after another."""
    for number, make in missing:
        piece = make()
        keep(number, piece)
        yield number, piece


class Pieces:
    """The pieces of one call of a sampler, saved on disk until all of them are made.

    The sampler calls ``kept(makes)`` with one function per piece, each of which returns an array or
    a tuple of arrays.  It gets (number, piece) in any order and puts the pieces in order.  Pieces
    that an earlier process has saved come from the disk.  New ones are saved together every
    ``every_s`` seconds, so a kill loses no more than these seconds and the unfinished pieces.  A
    piece must depend on nothing but its own function; then the items are always the same, bit by
    bit.

    Parameters
    ----------
    folder, every_s, guard : as for :class:`Checkpoint`; the number in the subfolder
        ``from-000012`` counts the pieces that were saved before it.
    divide : makes the missing pieces, possibly with the help of other processes.
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
        self._saving = threading.RLock()  # pieces of other processes are saved from a thread
        self._last = time.monotonic()

    def __call__(self, makes: Iterable[Make]) -> Iterator[tuple[int, Piece]]:
        """Every piece with its number: first those on disk, then those that ``divide`` makes."""
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
                for number, array_names in names.items():
                    arrays = tuple(file[name] for name in array_names)
                    self._on_disk.add(number)
                    yield number, arrays[0] if array_names == [f"{number}.array"] else arrays
        # parts that were saved after a damaged one
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
        """Save the pieces made since the last call."""
        with self._saving:
            if not self._pending:
                return
            self.guard()
            arrays = {}
            for number, piece in self._pending.items():
                if isinstance(piece, tuple):
                    arrays |= {f"{number}.{index}": array for index, array in enumerate(piece)}
                else:
                    arrays[f"{number}.array"] = piece
            part = self.folder / f"from-{len(self._on_disk):06d}"
            with files.new_folder(part, self.guard) as folder:
                np.savez(folder / "pieces.npz", **arrays)
            self._on_disk |= self._pending.keys()
            self._pending, self._last = {}, time.monotonic()

    def remove(self) -> None:
        """Remove the folder, once all items are saved elsewhere."""
        files.remove_folder(self.folder)
