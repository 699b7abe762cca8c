"""Data sets on disk, and the training set of an iteration without copies.

A section and the chain exchange two kinds of data, which are memory-mapped once they are on disk:

* a :class:`numpy.ndarray` whose first axis counts items (any dtype, also structured), stored as one
  ``.npy`` file;
* a :class:`datasets.Dataset`, stored as Arrow.

Several generations are joined as a :class:`Pool` (arrays) or by ``datasets.concatenate_datasets``
(Arrow).  Both refer to the files, so the memory of a chain does not grow with t.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

# a string, because datasets is imported only for Arrow data
Data: TypeAlias = "np.ndarray | Dataset"

# files that a training set keeps open; otherwise opening them costs about 1 ms per batch
MAX_OPEN_FILES = 64


def arrow() -> ModuleType:
    """The ``datasets`` library without progress bars, imported at the first call."""
    import datasets

    datasets.disable_progress_bars()
    return datasets


class _LazyRows:
    """An array in a file that is open only while rows are read."""

    def __init__(self, mapped: np.memmap):
        self._file = {
            "filename": mapped.filename,
            "offset": mapped.offset,
            "dtype": mapped.dtype,
            "shape": mapped.shape,
        }
        self.dtype, self.shape = mapped.dtype, mapped.shape

    def __len__(self) -> int:
        return self._file["shape"][0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.memmap(mode="r", **self._file)[rows])


def lazy(block: Any) -> Any:
    """``block``, or for a mapped file an object that opens the file at every read.

    A mapped file keeps a file descriptor, of which a process may have about 1,000.
    """
    mapped = isinstance(block, np.memmap) and isinstance(block.base, mmap.mmap)
    return _LazyRows(block) if mapped else block


class Pool:
    """Rows of several arrays of the same kind, seen as one array; only reading rows copies them.

    Parameters
    ----------
    blocks : arrays that agree in dtype and in every axis but the first.
    rows : integer indices into the concatenation: the rows of the pool, in order; None for all.
    """

    def __init__(self, blocks: Sequence[np.ndarray], rows: np.ndarray | None = None):
        first = blocks[0]
        for block in blocks:
            if block.dtype != first.dtype or block.shape[1:] != first.shape[1:]:
                raise TypeError(
                    f"blocks differ: {first.dtype}{first.shape[1:]} and "
                    f"{block.dtype}{block.shape[1:]}"
                )
        self._blocks = list(blocks if len(blocks) <= MAX_OPEN_FILES else map(lazy, blocks))
        self._ends = np.cumsum([len(block) for block in blocks])
        self._rows = rows
        self.dtype = first.dtype
        self.shape = (int(self._ends[-1]) if rows is None else len(rows), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice | np.ndarray | Sequence[int]) -> np.ndarray:
        """The rows ``key`` (an integer, a slice, or integer or boolean indices) as an array."""
        positions = np.arange(len(self))[key]
        rows = np.atleast_1d(positions if self._rows is None else self._rows[positions])
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        owner = np.searchsorted(self._ends, rows, side="right")
        for index in np.unique(owner):
            inside = owner == index
            start = self._ends[index] - len(self._blocks[index])
            out[inside] = self._blocks[index][rows[inside] - start]
        return out if np.ndim(positions) else out[0]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype)


def is_array(data: object) -> bool:
    return isinstance(data, (np.ndarray, Pool, _LazyRows))


def join(blocks: Sequence[Data], rows: np.ndarray | None = None) -> Data | Pool:
    """The concatenation of ``blocks``, or the given ``rows`` of it, without a copy."""
    if is_array(blocks[0]):
        return blocks[0] if len(blocks) == 1 and rows is None else Pool(blocks, rows)
    joined = blocks[0] if len(blocks) == 1 else arrow().concatenate_datasets(list(blocks))
    return joined if rows is None else joined.select(rows)


def save(data: Data, folder: Path) -> None:
    """Write ``data`` into the existing ``folder``."""
    if is_array(data):
        np.save(folder / "items.npy", np.asarray(data), allow_pickle=False)
    else:
        arrow()
        data.save_to_disk(str(folder / "arrow"))


def map_array(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file, memory-mapped and read-only."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def load(folder: Path) -> Data:
    """The data set of ``folder``, memory-mapped and read-only."""
    if (folder / "items.npy").exists():
        return map_array(folder / "items.npy")
    return arrow().load_from_disk(str(folder / "arrow"), keep_in_memory=False)


def describe(data: Data) -> str:
    """The kind of a data set for messages: ``float64 array (100, 3)`` or ``Dataset(tokens)``."""
    if is_array(data):
        return f"{data.dtype} array {data.shape}"
    return f"{type(data).__name__}({', '.join(getattr(data, 'column_names', []))})"


def same_kind(data: object, like: Data) -> bool:
    """Whether ``data`` and ``like`` can be joined in one training set."""
    if is_array(like):
        return (
            isinstance(data, np.ndarray)
            and data.dtype == like.dtype
            and data.shape[1:] == like.shape[1:]
        )
    return hasattr(data, "features") and data.features == like.features


def checksum(data: Data) -> str:
    """A hash of the content, which depends on the order of rows and not on the session."""
    digest = hashlib.blake2b(digest_size=16)
    if is_array(data):
        digest.update(f"{data.dtype.descr}{data.shape}".encode())
        for start in range(0, len(data), 65536):
            digest.update(np.ascontiguousarray(data[start : start + 65536]).tobytes())
    else:
        digest.update(repr(data.features).encode())
        for batch in data.with_format("arrow").iter(batch_size=65536):
            for column in batch.columns:
                _hash_column(column.combine_chunks(), digest)
    return digest.hexdigest()


def _hash_column(column: pyarrow.Array, digest: hashlib.blake2b) -> None:
    """Add the values of an Arrow column to ``digest``; their division into chunks has no effect."""
    if hasattr(column, "flatten") and hasattr(column, "value_lengths"):  # a list column
        digest.update(column.value_lengths().to_numpy(zero_copy_only=False).tobytes())
        _hash_column(column.flatten(), digest)
        return
    values = column.to_numpy(zero_copy_only=False)
    digest.update(repr(values.tolist()).encode() if values.dtype == object else values.tobytes())
