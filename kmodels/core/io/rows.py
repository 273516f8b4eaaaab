"""Arrays that may be larger than memory: rows that are appended, and rows that are chosen before they are read.

What is small stays in memory, as plain arrays. What is larger lies in a file without a name, in the cache's folder,
which the system removes with the process: it is mapped into memory, so that the system holds as much of it as there is
room for.
"""

import math
import os
import re
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from kmodels.core.io import system
from kmodels.core.spec.errors import UserError

VARIABLE = "KMODELS_MEMORY"
KEPT_BYTES = 1 << 30  # of an array that stays in memory
BLOCK_BYTES = 4 << 20  # that are read at once
UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


def memory_bytes(usual: int = KEPT_BYTES) -> int:
    """Say how many bytes of an array stay in memory: KMODELS_MEMORY, such as 500MB, else the usual number.

    Raises
    ------
    UserError
        Where KMODELS_MEMORY is no such number.
    """
    chosen = os.environ.get(VARIABLE, "").strip()
    if not chosen:
        return usual
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*([kmgt]?)b?", chosen.lower())
    if not found:
        raise UserError(f"{VARIABLE}={chosen}: expected a number of bytes, such as 500MB or 2GB")
    return int(float(found[1]) * UNITS[found[2]])


def unnamed_file() -> IO[bytes]:
    """Open a file in the cache's folder, to be written and read, that goes with the process or when nobody holds it."""
    folder = system.data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


class Appended:
    """Rows that come block by block and become one array, in memory or on disk.

    Parameters
    ----------
    kept : int, optional
        Bytes that stay in memory; those of `memory_bytes` by default.
    """

    def __init__(self, kept: int | None = None):
        self._kept = memory_bytes() if kept is None else kept
        self._blocks: list[np.ndarray] = []
        self._bytes = self._rows = 0
        self._file = None

    def __len__(self) -> int:
        return self._rows

    @property
    def in_memory(self) -> int:
        """Bytes that it holds in memory."""
        return self._bytes if self._file is None else 0

    def append(self, block: np.ndarray) -> None:
        """Add rows, (n, ...), of one shape and type in all blocks."""
        self._rows += len(block)
        self._bytes += block.nbytes
        self._blocks.append(block)
        if self._file is not None or self._bytes > self._kept:
            self.move_to_disk()

    def move_to_disk(self) -> None:
        """Write what has come, and from now on what comes, to a file."""
        self._file = self._file or unnamed_file()  # the array that is mapped keeps it
        for one in self._blocks:  # written, not mapped: a full disk is then told
            self._file.write(np.ascontiguousarray(one))
        self._blocks = [self._blocks[0][:0].copy()]

    def array(self) -> np.ndarray:
        """Give all rows as one array; a numpy.memmap where they lie on disk."""
        if self._file is None:
            self._blocks = [self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)]
            return self._blocks[0]
        self._file.flush()
        like = self._blocks[0]
        return np.memmap(self._file, like.dtype, "r", shape=(self._rows, *like.shape[1:]))


class AppendedTogether:
    """Named arrays whose rows come together, and which share the memory that one may take; the largest go to disk."""

    def __init__(self):
        self._kept = memory_bytes()
        self._arrays: dict[str, Appended] = {}

    def append(self, blocks: dict[str, np.ndarray]) -> None:
        """Add rows, {name: (n, ...)}."""
        for name, block in blocks.items():
            self._arrays.setdefault(name, Appended(self._kept)).append(block)
        while sum(one.in_memory for one in self._arrays.values()) > self._kept:
            max(self._arrays.values(), key=lambda one: one.in_memory).move_to_disk()

    def arrays(self) -> dict[str, np.ndarray]:
        """Give all rows, {name: array}."""
        return {name: one.array() for name, one in self._arrays.items()}


class Chosen:
    """Some rows of an array on disk, read when they are asked for.

    Parameters
    ----------
    array : numpy.ndarray or Chosen
        What they are of.
    rows : array_like
        Their indices, or a mask.
    """

    def __init__(self, array: Any, rows: Any):
        own = np.arange(len(array))[rows]
        self._array, self._own = (array._array, array._own[own]) if isinstance(array, Chosen) else (array, own)

    def __len__(self) -> int:
        return len(self._own)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all rows."""
        return (len(self._own), *self._array.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Of their numbers."""
        return self._array.dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read rows; further indices are of each row."""
        first, *others = index if isinstance(index, tuple) else (index,)
        return np.asarray(self._array[(self._own[first], *others)])

    def __eq__(self, other: object) -> bool:
        raise TypeError("rows on disk: read a block of them first")

    __hash__ = None
    __array_ufunc__ = None

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


def is_on_disk(array: Any) -> bool:
    """Tell whether an array is not in memory as a whole."""
    return isinstance(array, np.memmap | Chosen)


def choose(array: Any, rows: Any) -> Any:
    """Select rows: at once from an array in memory, and when they are asked for from one on disk."""
    return Chosen(array, rows) if is_on_disk(array) else array[rows]


def blocks(array: Any, per_row: int | None = None) -> Iterator[slice]:
    """Yield slices that together are all rows of an array, each of about BLOCK_BYTES.

    Parameters
    ----------
    array : array_like
        With a length and, where `per_row` is None, a shape and a type.
    per_row : int, optional
        Bytes of a row.
    """
    size = per_row or math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, BLOCK_BYTES // max(1, size))
    for first in range(0, len(array), step):
        yield slice(first, min(first + step, len(array)))


def mapped(function: Any, array: Any) -> np.ndarray:
    """Apply a function of rows, (n, ...) -> (n, ...), to an array block by block; the result lies where it fits."""
    made = Appended()
    for some in blocks(array):
        made.append(function(np.asarray(array[some])))
    return made.array() if len(made) else function(np.asarray(array))


def mean(array: Any, axis: tuple[int, ...]) -> np.ndarray:
    """Average over axes, the rows' among them, in double precision; one pass over an array on disk."""
    if not is_on_disk(array):
        return array.mean(axis, dtype="float64")
    total = sum(np.asarray(array[some]).sum(axis, dtype="float64") for some in blocks(array))
    return total / math.prod(array.shape[k] for k in axis)


def standard_deviation(array: Any, axis: tuple[int, ...]) -> np.ndarray:
    """Compute what `numpy.std` does, in double precision, block by block from disk."""
    if not is_on_disk(array):
        return array.std(axis, dtype="float64")
    about = np.expand_dims(mean(array, axis), axis)
    squares = sum(np.square(array[some] - about).sum(axis) for some in blocks(array))
    return np.sqrt(squares / math.prod(array.shape[k] for k in axis))
