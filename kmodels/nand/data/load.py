"""Command traces on disk -> Trace. A bad row is refused with file, row, value and rule.

Format: CSV or Parquet, a row an operation: `sequence, step, op, die, plane, block, page`, optionally the labels
`valid, strategy, violation_index` and `pair` (sequences of one pair stay on one side of a split). `op` is erase,
program or read; `page` may be empty for an erase; `step` counts 0, 1, 2, ... (or 1, 2, 3, ...) within a sequence.
What else files look like, and what is taken of it, is in table.py and text.py.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.nand.data import table as tables
from kmodels.nand.data.parts import Joined
from kmodels.nand.data.records import CODES, COLUMNS, ERASE, NONE, OPERATIONS, PAD, Trace
from kmodels.nand.data.rules import RuleChecker
from kmodels.nand.data.table import APART, EMPTY, OTHER, SUFFIXES, Table
from kmodels.nand.recipe import Geometry

__all__ = ["SUFFIXES", "labelled", "load", "sizes"]

MOST = {"dies": 64, "planes": 64, "blocks": 1 << 20, "pages": 1 << 16}  # as the recipe bounds them
SHORTEST = 6  # operations; the recipe's blocks leave shorter sequences no room
LARGEST_BATCH = 1 << 28  # operations that a padded batch may hold
NO_PAGE = (-1, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF)  # what recorders write where an erase has no page: all bits set
TRUTHS = {"true": 1, "1": 1, "1.0": 1, "false": 0, "0": 0, "0.0": 0}


def load(source, recipe, labels: bool = True) -> Trace:
    """Read the sequences of a CSV or Parquet file, of all such files in a folder, or of a DataFrame.

    Parameters
    ----------
    source : str, Path or DataFrame
        Where they are.
    recipe : NandRecipe
        Its data section gives the geometry and the rules.
    labels : bool
        Whether they are needed. A table without a `valid` column is then labelled by the rule checker.

    Returns
    -------
    Trace
        All sequences, padded to the longest. One file after the other is read, each whole: what several of them hold
        may be larger than memory, and then lies on disk, see `kmodels.core.io.rows`; a single file may not.

    Raises
    ------
    UserError
        Names file, row (of a CSV the line), value and rule.
    """
    joined = Joined()
    for table in _tables(source):
        joined.add(_trace(table, recipe.data))
    trace = joined.trace()
    return labelled(trace, recipe.data) if labels else trace


def sizes(source, chosen: dict) -> dict[str, int]:
    """Measure the longest sequence, and what of the geometry is larger than usual, for a recipe.

    A trace shows which addresses were used, not which there are: the geometry is enlarged, never made smaller.

    Parameters
    ----------
    source : str, Path or DataFrame
        As `load` takes it.
    chosen : dict
        Fields of the recipe that somebody chose, by dotted key; they change nothing here.

    Returns
    -------
    dict of str to int
        By dotted key of the recipe.

    Raises
    ------
    UserError
        Where a file cannot be read.
    """
    usual, found = Geometry(), {}
    for table in _tables(source):
        if any(name not in table for name in ("sequence", "op")):
            continue  # `load` refuses it
        erase = table.words("op", {name: number for number, name in enumerate(OPERATIONS)}) == ERASE
        for column in filter(table.__contains__, ("die", "plane", "block", "page")):
            numbers = table.integers(column)
            used = numbers[~erase] if column == "page" else numbers  # an erase has no page, whatever the file says
            largest = int(used.max(initial=-1))
            if getattr(usual, f"{column}s") <= largest < MOST[f"{column}s"]:
                key = f"data.geometry.{column}s"
                found[key] = max(largest + 1, found.get(key, 0))
        longest = int(pd.Series(table.codes("sequence")).value_counts().max())
        if longest >= SHORTEST:
            found["data.seq_len"] = max(longest, found.get("data.seq_len", 0))
    return found


def _tables(source) -> Iterator[Table]:
    """Read the tables of a source, one after the other."""
    if isinstance(source, pd.DataFrame):
        yield Table(source.reset_index(drop=True), "DataFrame")
    else:
        yield from map(tables.read, data_files(source, SUFFIXES))


def _trace(table: Table, data) -> Trace:
    """Turn a table into padded arrays, and check it."""
    _check_columns(table, data.geometry)
    start = _starts(table)
    step, base = _steps(table, start)
    op = _operations(table)
    addresses = {
        "die": _integers(table, "die", data.geometry.dies),
        "plane": _integers(table, "plane", data.geometry.planes),
        "block": _integers(table, "block", data.geometry.blocks),
        "page": _pages(table, op, data.geometry.pages),
    }
    _check_apart(table, start)
    number = np.cumsum(start) - 1
    n, longest = int(number[-1]) + 1, int(step.max()) + 1
    if n * longest > LARGEST_BATCH:
        raise UserError(
            f"{table.file}: {n} sequences padded to the longest, {longest} operations, take too much memory; "
            f"cut long sequences, or split the file"
        )

    def padded(values, fill, dtype):
        array = np.full((n, longest), fill, dtype)
        array[number, step] = values
        return array

    return Trace(
        op=padded(op, PAD, "int8"),
        **{name: padded(values, -1 if name == "page" else 0, "int32") for name, values in addresses.items()},
        name=np.asarray(table.frame["sequence"][start]),
        pair=_pairs(table, start),
        **_labels(table, start, base),
    )


def _check_columns(table: Table, geometry) -> None:
    """Refuse a table without the columns needed; where the device has one die or one plane, it needs no such column."""
    single = [name for name, count in (("die", geometry.dies), ("plane", geometry.planes)) if count == 1]
    missing = [name for name in COLUMNS if name not in table and name not in single]
    if missing:
        found = ", ".join(name[:20] for name in table.header[:12])
        hint = "; a device of one die and one plane needs neither column (data.geometry.dies = planes = 1)"
        raise UserError(
            f"{table.file}: no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}; found: {found}"
            f"{hint if set(missing) <= {'die', 'plane'} else ''}"
        )


def _starts(table: Table) -> np.ndarray:
    """Tell which rows begin a sequence: (rows,) bool; the rows of each stand together."""
    table.refuse(table.missing("sequence"), "sequence", "every row names its sequence")
    name = table.codes("sequence")
    start = np.append(True, name[1:] != name[:-1])
    again = np.flatnonzero(start)[pd.Series(name[start]).duplicated().to_numpy()]
    table.refuse(np.isin(np.arange(len(start)), again), "sequence", "the rows of a sequence stand together")
    return start


def _steps(table: Table, start: np.ndarray) -> tuple[np.ndarray, int]:
    """Check that steps count 0, 1, 2, ... or 1, 2, 3, ...: (step from 0, the number of the first)."""
    step = _integers(table, "step", np.iinfo("int32").max)
    rows = np.arange(len(step))
    expected = rows - np.maximum.accumulate(np.where(start, rows, 0))
    wrong, wrong_from_1 = step != expected, step != expected + 1
    base = int(wrong_from_1.sum() < wrong.sum())
    wrong = wrong_from_1 if base else wrong
    if wrong.any():
        row = int(np.argmax(wrong))
        wanted = expected[row] + base
        what = "a step is repeated" if step[row] < wanted else "a step is missing"
        counting = ", ".join(str(base + k) for k in range(3))
        table.refuse(wrong, "step", f"{what}: expected {wanted}, steps count {counting}, ... in each sequence")
    return expected, base


def _operations(table: Table) -> np.ndarray:
    """Read the operations as numbers."""
    op = table.words("op", {name: number for number, name in enumerate(OPERATIONS)})
    table.refuse(op < 0, "op", f"an operation is one of {', '.join(OPERATIONS)}")
    return op


def _integers(table: Table, column: str, count: int, free: dict | None = None) -> np.ndarray:
    """Read a column of integers in 0 .. count - 1.

    free: rows that may hold something else, by what that is; they become -1. A column that is not there is 0.
    """
    if column not in table:
        return np.zeros(len(table), "int64")
    numbers = table.integers(column)
    for value, rows in (free or {}).items():
        numbers[rows & (numbers == value)] = -1
    unusable = (numbers == EMPTY) | (numbers == OTHER)
    allowed = f"an integer in 0..{count - 1}"
    table.refuse(unusable, column, f"expected {allowed}: digits alone, or hexadecimal with 0x")
    outside = (numbers < (0 if free is None else -1)) | (numbers >= count)
    table.refuse(outside, column, f"outside the geometry: expected {allowed} (see data.geometry)")
    return numbers


def _pages(table: Table, op: np.ndarray, count: int) -> np.ndarray:
    """Read the pages; -1 for an erase, which has none whatever the file says."""
    erase = op == ERASE
    page = _integers(table, "page", count, dict.fromkeys((EMPTY, *NO_PAGE), erase))
    table.refuse((page < 0) & ~erase, "page", f"outside the geometry: expected an integer in 0..{count - 1}")
    return np.where(erase, -1, page)


def _check_apart(table: Table, start: np.ndarray) -> None:
    """Refuse a sequence that runs over several channels or the like: blocks of one number would become one block."""
    for column in APART:
        if column in table:
            rule = "it changes within a sequence, and blocks are told apart by die, plane and block alone: number the"
            _constant(table, column, start, f"{rule} dies of all of them through in one column die")


def _pairs(table: Table, start: np.ndarray) -> np.ndarray:
    """Read the pair of each sequence: as the file says, else each sequence for itself."""
    if "pair" not in table:
        return np.arange(start.sum())
    table.refuse(table.missing("pair"), "pair", "every row names its pair, or leave the column out")
    return pd.factorize(table.codes("pair")[start])[0]


def _labels(table: Table, start: np.ndarray, base: int) -> dict:
    """Read the labels that the table has, one for each sequence; `base` is the number of its first step."""
    if "valid" not in table:
        return {}
    for name in ("valid", "strategy", "violation_index"):
        if name in table:
            _constant(table, name, start, "the label of a sequence is the same on all of its rows")
    valid = table.words("valid", TRUTHS)
    table.refuse(valid < 0, "valid", "expected true or false")
    invalid = valid[start] == 0
    strategy = np.full(len(invalid), NONE)
    if "strategy" in table:
        given = table.words("strategy", {name: code for code, name in enumerate(CODES)})
        table.refuse(given == OTHER, "strategy", f"one of {', '.join(CODES[1:])}, or empty")
        strategy = np.maximum(given, NONE)[start].astype("int8")
    index = np.full(len(invalid), -1)
    if "violation_index" in table:
        index = np.where(invalid, _violations(table, start, base), -1)
    return {
        "invalid": invalid,
        "strategy": np.where(invalid, strategy, NONE),
        "violation_index": index,
        "violation_code": strategy,
    }


def _violations(table: Table, start: np.ndarray, base: int) -> np.ndarray:
    """Read the step of each sequence's first violation, counted as the file counts: (n,) from 0, -1 for none."""
    length = np.diff(np.append(np.flatnonzero(start), len(start)))
    given = table.integers("violation_index")
    step = np.where(given == -1, -1, given - base)
    wrong = (given < -1) | ((given != -1) & (step < 0)) | (step >= np.repeat(length, length))
    table.refuse(wrong, "violation_index", "expected a step of the sequence, or -1")
    return step[start]


def _constant(table: Table, column: str, start: np.ndarray, rule: str) -> None:
    """Refuse a column that changes within a sequence."""
    codes = table.codes(column)
    table.refuse(np.append(False, codes[1:] != codes[:-1]) & ~start, column, rule)


def labelled(trace: Trace, rules) -> Trace:
    """Complete the labels by the rules: all of them where there are none, else the missing codes and places.

    A label of the file is never changed: `valid: false` stays so even where no rule is broken.
    """
    checked = RuleChecker(rules).check(trace)
    index, code = checked.violation_index, checked.violation_code
    if trace.invalid is None:
        return replace(trace, invalid=checked.invalid, strategy=code, violation_code=code, violation_index=index)
    index = np.where(trace.invalid & (trace.violation_index < 0), index, trace.violation_index)
    agrees = trace.invalid & (checked.violation_index == index)
    code = np.where(agrees, code, np.where(trace.invalid, trace.strategy, NONE))
    strategy = np.where(trace.invalid & (trace.strategy == NONE), code, trace.strategy)
    return replace(trace, violation_index=index, violation_code=code, strategy=strategy)
