"""Command traces on disk -> Trace. A bad row is refused with file, row, value and rule.

Format: CSV or Parquet, a row an operation: `sequence, step, op, die, plane, block, page`, optionally the labels
`valid, strategy, violation_index` and `pair` (sequences of one pair stay on one side of a split). `op` is erase,
program or read; `page` may be empty for an erase; `step` counts 0, 1, 2, ... within a sequence.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import parquet

from kmodels.core.io.files import reading, refuse_giant
from kmodels.core.io.refusal import refuse_rows
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.nand.data.records import CODES, COLUMNS, ERASE, NONE, OPERATIONS, PAD, Trace
from kmodels.nand.data.rules import RuleChecker

SUFFIXES = (".csv", ".parquet")
LARGEST_BATCH = 1 << 28  # operations that a padded batch may hold


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
        All sequences, padded to the longest.

    Raises
    ------
    UserError
        Names file, row (of a CSV the line), value and rule.
    """
    if isinstance(source, pd.DataFrame):
        tables = [_Table(source.reset_index(drop=True), "DataFrame", 0)]
    else:
        tables = [_read(path) for path in data_files(source, SUFFIXES)]
    parts = [_trace(table, recipe.data) for table in tables]
    trace = parts[0] if len(parts) == 1 else _join(parts)
    return labelled(trace, recipe.data) if labels else trace


class _Table:
    """A table, and how its rows are called when one is refused: `first` is the number of row 0 in the file."""

    def __init__(self, frame: pd.DataFrame, file, first: int):
        self.frame, self.file, self.first = frame, file, first

    def refuse(self, bad: np.ndarray, column: str, rule: str) -> None:
        """Raise for the first row of the mask `bad`, if there is one."""
        refuse_rows(lambda row: f"{self.file}, row {row + self.first}", column, bad, self.frame[column], rule)


def _read(path: Path) -> _Table:
    """Read the table of a file, columns checked by name."""
    kind = "a Parquet file" if path.suffix.lower() == ".parquet" else "a CSV table"
    with reading(path, kind):
        if path.suffix.lower() == ".parquet":
            with path.open("rb") as file:  # pyarrow takes no name that is not UTF-8
                about = parquet.read_metadata(file)
                refuse_giant(f"{path}: {about.num_rows} rows", 8 * about.num_rows * about.num_columns)
                file.seek(0)
                table = _Table(pd.read_parquet(file), path, 1)
        elif path.suffix.lower() == ".csv":
            table = _Table(pd.read_csv(path, low_memory=False, skip_blank_lines=False, index_col=False), path, 2)
        else:
            raise UserError(f"{path}: a trace is a .csv or .parquet file")
    if table.frame.empty:
        raise UserError(f"{path}: holds no rows")
    return table


def _trace(table: _Table, data) -> Trace:
    """Turn a table into padded arrays, and check it."""
    missing = [name for name in COLUMNS if name not in table.frame.columns]
    if missing:
        raise UserError(f"{table.file}: no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
    start, step = _sequences(table)
    op = _operations(table)
    addresses = {
        "die": _integers(table, "die", data.geometry.dies),
        "plane": _integers(table, "plane", data.geometry.planes),
        "block": _integers(table, "block", data.geometry.blocks),
        "page": _pages(table, op, data.geometry.pages),
    }
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
        name=table.frame["sequence"].to_numpy()[start],
        pair=_pairs(table, start),
        **_labels(table, start, step),
    )


def _sequences(table: _Table):
    """Check that steps count 0, 1, 2, ...: (start: whether a row begins a sequence, step)."""
    table.refuse(table.frame["sequence"].isna().to_numpy(), "sequence", "every row names its sequence")
    name = table.frame["sequence"]
    start = (name != name.shift()).to_numpy()
    table.refuse(start & name.duplicated().to_numpy(), "sequence", "the rows of a sequence stand together")
    step = _integers(table, "step", np.iinfo("int32").max)
    rows = np.arange(len(step))
    expected = rows - np.maximum.accumulate(np.where(start, rows, 0))
    wrong = step != expected
    if wrong.any():
        row = int(np.argmax(wrong))
        what = "a step is repeated" if step[row] < expected[row] else "a step is missing"
        table.refuse(wrong, "step", f"{what}: expected {expected[row]}, steps count 0, 1, 2, ... in each sequence")
    return start, step


def _operations(table: _Table) -> np.ndarray:
    """Read the operations as numbers."""
    op = pd.Categorical(table.frame["op"], categories=OPERATIONS).codes
    table.refuse(op < 0, "op", f"an operation is one of {', '.join(OPERATIONS)}")
    return op


def _numbers(table: _Table, column: str) -> np.ndarray:
    """Read a column as floats, NaN where there is no number."""
    with reading(table.file, f"numbers of {column}"):  # text can hold one larger than any float
        return pd.to_numeric(table.frame[column], errors="coerce").to_numpy("float64", na_value=np.nan)


def _integers(table: _Table, column: str, count: int, blank: np.ndarray | None = None) -> np.ndarray:
    """Read a column of integers in 0 .. count - 1; rows in `blank` may be empty and become -1."""
    numbers = _numbers(table, column)
    allowed = f"an integer in 0..{count - 1}"
    unusable = ~np.isfinite(numbers) | (numbers != np.floor(np.nan_to_num(numbers)))
    if blank is not None:
        empty = blank & table.frame[column].isna().to_numpy()
        unusable &= ~empty
        numbers = np.where(empty, -1, numbers)
    table.refuse(unusable, column, f"expected {allowed}")
    outside = (numbers < (0 if blank is None else -1)) | (numbers >= count)
    table.refuse(outside, column, f"outside the geometry: expected {allowed} (see data.geometry)")
    return numbers.astype("int64")


def _pages(table: _Table, op: np.ndarray, count: int) -> np.ndarray:
    """Read the pages; -1 for an erase, which has none whatever the file says."""
    erase = op == ERASE
    page = _integers(table, "page", count, blank=erase)
    table.refuse((page < 0) & ~erase, "page", f"outside the geometry: expected an integer in 0..{count - 1}")
    return np.where(erase, -1, page)


def _pairs(table: _Table, start: np.ndarray) -> np.ndarray:
    """Read the pair of each sequence: as the file says, else each sequence for itself."""
    if "pair" not in table.frame.columns:
        return np.arange(start.sum())
    table.refuse(table.frame["pair"].isna().to_numpy(), "pair", "every row names its pair, or leave the column out")
    return pd.factorize(table.frame["pair"].to_numpy()[start])[0]


def _labels(table: _Table, start: np.ndarray, step: np.ndarray) -> dict:
    """Read the labels that the table has, one for each sequence."""
    if "valid" not in table.frame.columns:
        return {}
    for name in ("valid", "strategy", "violation_index"):
        if name in table.frame.columns:
            _constant(table, name, start)
    words = table.frame["valid"].astype(str).str.strip().str.lower()
    valid = words.map({"true": 1, "1": 1, "1.0": 1, "false": 0, "0": 0, "0.0": 0})
    table.refuse(valid.isna().to_numpy(), "valid", "expected true or false")
    invalid = valid.to_numpy()[start] == 0
    strategy = np.full(len(invalid), NONE)
    if "strategy" in table.frame.columns:
        given = table.frame["strategy"]
        strategy = pd.Categorical(given, categories=CODES).codes
        table.refuse((strategy < 0) & given.notna().to_numpy(), "strategy", f"one of {', '.join(CODES[1:])}, or empty")
        strategy = np.maximum(strategy, NONE)[start]
    index = np.full(len(invalid), -1)
    if "violation_index" in table.frame.columns:
        length = np.diff(np.append(np.flatnonzero(start), len(start)))
        given = _numbers(table, "violation_index")
        wrong = ~((given >= -1) & (given < np.repeat(length, length)) & (given == np.floor(given)))
        table.refuse(wrong, "violation_index", "expected a step of the sequence, or -1")
        index = np.where(invalid, given[start].astype("int64"), -1)
    return {
        "invalid": invalid,
        "strategy": np.where(invalid, strategy, NONE),
        "violation_index": index,
        "violation_code": strategy,
    }


def _constant(table: _Table, column: str, start: np.ndarray) -> None:
    """Refuse a label that changes within a sequence."""
    values = table.frame[column]
    codes = pd.factorize(values, use_na_sentinel=True)[0]
    changes = np.append(False, codes[1:] != codes[:-1]) & ~start
    table.refuse(changes, column, "the label of a sequence is the same on all of its rows")


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


def _join(parts: list[Trace]) -> Trace:
    """Join the traces of several files, padded to the longest."""
    longest = max(part.op.shape[1] for part in parts)
    if len({part.invalid is None for part in parts}) > 1:
        raise UserError("some of the files have a column `valid` and some have none: give all of them labels, or none")
    joined = {}
    for name in Trace.__dataclass_fields__:
        values = [getattr(part, name) for part in parts]
        if values[0] is None:
            continue
        if values[0].ndim == 2:
            fill = PAD if name in ("op", "page") else 0
            values = [np.pad(v, ((0, 0), (0, longest - v.shape[1])), constant_values=fill) for v in values]
        if name == "pair":  # numbers of one file mean nothing in another
            offsets = np.cumsum([0] + [int(v.max(initial=-1)) + 1 for v in values[:-1]])
            values = [v + offset for v, offset in zip(values, offsets, strict=True)]
        joined[name] = np.concatenate(values)
    return Trace(**joined)
