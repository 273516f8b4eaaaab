"""A batch of command sequences as arrays, and as the table of the file format."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.io import files
from kmodels.core.io.rows import blocks, choose, is_on_disk

OPERATIONS = ("erase", "program", "read")
ERASE, PROGRAM, READ = range(3)
PAD = -1  # in `op`: behind the end of a shorter sequence

# Violation codes; 0 means legal. A strategy of the simulator has the name of the rule that it breaks.
CODES = ("none", "not_erased", "overwrite", "page_hop", "read_unwritten", "stale_read")
NONE, NOT_ERASED, OVERWRITE, PAGE_HOP, READ_UNWRITTEN, STALE_READ = range(6)

BYTES = 128  # of an operation, its address and the network's inputs made of it

COLUMNS = ("sequence", "step", "op", "die", "plane", "block", "page")
LABELS = ("valid", "strategy", "violation_index")


@dataclass(frozen=True)
class Trace:
    """n sequences of up to `time` operations; shorter ones end in op == PAD.

    Parameters
    ----------
    op, die, plane, block, page : ndarray of int, shape (n, time)
        The operation (an index of OPERATIONS, or PAD) and its address; page is -1 for an erase. On disk where they are
        too large for memory, see `kmodels.core.io.rows`.
    name : ndarray, shape (n,)
        Names as in the file's column `sequence`.
    pair : ndarray of int, shape (n,)
        Sequences of one number stay on one side of a split.
    invalid : ndarray of bool, shape (n,), optional
        Whether a sequence breaks a rule, the positive class; the file's column `valid` is its negation. None where
        the file has no labels.
    violation_code : ndarray of int, shape (n,), optional
        The first violation's code, NONE in a valid sequence.
    strategy : ndarray of int, shape (n,), optional
        The code that the simulator meant to break.
    violation_index : ndarray of int, shape (n,), optional
        The step of the first violation, -1 where there is none or it is not known.
    """

    op: np.ndarray
    die: np.ndarray
    plane: np.ndarray
    block: np.ndarray
    page: np.ndarray
    name: np.ndarray
    pair: np.ndarray
    invalid: np.ndarray | None = None
    violation_code: np.ndarray | None = None
    strategy: np.ndarray | None = None
    violation_index: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.op)

    def take(self, rows) -> "Trace":
        """Select the sequences with these indices; what lies on disk stays there."""
        return self._each(lambda value: choose(value, rows))

    def read(self, rows=slice(None)) -> "Trace":
        """Select the sequences with these indices, all of them in memory."""
        return self._each(lambda value: np.asarray(value[rows]))

    def _each(self, function) -> "Trace":
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return Trace(**{name: None if value is None else function(value) for name, value in parts.items()})

    @property
    def on_disk(self) -> bool:
        """Whether operations or addresses were too large for memory: `read` some of them first."""
        return any(is_on_disk(getattr(self, name)) for name in ("op", "die", "plane", "block", "page"))

    def blocks(self) -> Iterator[slice]:
        """Yield slices that together are all sequences, as many at once as memory bears."""
        return blocks(self, per_row=BYTES * self.op.shape[1]) if self.on_disk else iter([slice(None)])

    @property
    def length(self) -> np.ndarray:
        """Number of operations of each sequence: (n,)."""
        return (self.op != PAD).sum(axis=1)

    def slots(self) -> np.ndarray:
        """Give each operation the number of its block by first appearance in its sequence: (n, time), 0, 1, 2, ..."""
        return first_appearance((self.die, self.plane, self.block), self.op != PAD)

    def frame(self) -> pd.DataFrame:
        """Tabulate a row an operation, with the columns of the file format."""
        if self.on_disk:
            return self.read().frame()
        real = self.op != PAD
        n_steps = real.sum(axis=1)
        step = np.broadcast_to(np.arange(self.op.shape[1]), self.op.shape)[real]
        table = {"sequence": np.repeat(self.name, n_steps), "step": step.astype("int32")}
        table["op"] = pd.Categorical.from_codes(self.op[real], OPERATIONS)
        table |= {name: getattr(self, name)[real] for name in ("die", "plane", "block")}
        table["page"] = pd.array(self.page[real], dtype="Int32")
        table["page"][self.page[real] < 0] = pd.NA
        if self.invalid is not None:
            table["valid"] = np.repeat(~self.invalid, n_steps)
            strategy = pd.Categorical.from_codes(np.where(self.strategy == NONE, -1, self.strategy), CODES)
            table["strategy"] = strategy.repeat(n_steps)
            table["violation_index"] = np.repeat(self.violation_index, n_steps)
        table["pair"] = np.repeat(self.pair, n_steps)
        return pd.DataFrame(table)

    def write(self, path: Path) -> None:
        """Save the frame as .csv or .parquet; `load` reads it back."""
        files.write_table(path, self.frame())


def first_appearance(keys: tuple[np.ndarray, ...], real: np.ndarray) -> np.ndarray:
    """Rank the distinct keys of each row by first appearance; 0 where not `real`. All arrays (n, time)."""
    time = real.shape[1]
    counts = [int(part.max(initial=0)) + 1 for part in keys]
    # The narrowest type that holds key * time: sorting it is what costs here.
    key = np.zeros(real.shape, "int32" if math.prod(counts) * time < 2**31 else "int64")
    for part, count in zip(keys, counts, strict=True):
        key = key * count + part.astype(key.dtype)
    # Key and time in one number: one plain sort, the fastest that NumPy has, orders by key and within it by time.
    both = np.where(real, key, -1) * time + np.arange(time, dtype=key.dtype)
    in_order, order = np.divmod(np.sort(both, axis=1), time)
    starts = np.ones(key.shape, bool)
    starts[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    run_start = np.maximum.accumulate(np.where(starts, np.arange(time), 0), axis=1)
    first = np.empty_like(order)
    np.put_along_axis(first, order, np.take_along_axis(order, run_start, 1), 1)
    is_first = (first == np.arange(time)) & real
    rank = np.cumsum(is_first, axis=1) - 1
    return np.where(real, np.take_along_axis(rank, first, 1), 0)
