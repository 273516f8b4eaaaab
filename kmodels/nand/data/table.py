"""Tables of operations, of a file or a DataFrame -> columns under the format's names, refused by the row of the file.

Text stays text until a column is asked for as integers: no cell is guessed to be a number, a date or missing, so a
block `1E2` is not 100 and a sequence `007` is not 7.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import parquet

from kmodels.core.io.files import reading, refuse_giant
from kmodels.core.io.refusal import refuse_rows
from kmodels.core.spec.errors import UserError
from kmodels.nand.data import text
from kmodels.nand.data.records import COLUMNS, LABELS

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
# What else the columns are called, in lower case with _ for blanks; the format's own name wins.
OTHER_NAMES = {
    "sequence": ("seq", "sequence_id", "seq_id", "trace", "trace_id"),
    "step": ("index", "idx", "position", "step_id", "step_index"),
    "op": ("operation", "cmd", "command"),
    "die": ("lun", "die_id", "lun_id"),
    "plane": ("pl", "pln", "plane_id"),
    "block": ("blk", "block_id", "blk_id", "block_address", "block_addr"),
    "page": ("pg", "row", "page_id", "pg_id", "page_address", "page_addr"),
}
# Columns that tell blocks apart as well, and that the model does not know.
APART = ("channel", "ch", "ce", "cs", "chip", "target", "package", "device", "lun")
# What `Table.integers` gives for a cell that is empty, and for one that holds something else.
EMPTY, OTHER = np.iinfo("int64").min, np.iinfo("int64").min + 1
INTEGER = re.compile(r"-?[0-9]{1,18}|0[xX][0-9a-fA-F]{1,15}")


class Table:
    """A table under the format's column names, and how its rows are called when one is refused.

    Parameters
    ----------
    frame : DataFrame
        As read; its index holds the rows' numbers in the file.
    file : Path or str
        Names it in errors.

    Attributes
    ----------
    frame : DataFrame
        The columns of the format and those of APART that the file has, under these names. Texts are categories,
        without blanks around them; an empty one is missing.

    Raises
    ------
    UserError
        Where it has no rows, or two columns for one name.
    """

    def __init__(self, frame: pd.DataFrame, file):
        if frame.empty:
            raise UserError(f"{file}: holds no rows")
        self.file, self.header = file, [str(name).strip() for name in frame.columns]
        self.places = _places(self.header, file)
        columns = {name: _cleaned(frame.iloc[:, place]) for name, place in self.places.items()}
        self.frame = pd.DataFrame(columns, index=frame.index, copy=False)

    def __contains__(self, column: str) -> bool:
        return column in self.places

    def __len__(self) -> int:
        return len(self.frame)

    def refuse(self, bad: np.ndarray, column: str, rule: str) -> None:
        """Raise for the first row of the mask `bad`, if there is one: file, row, column, value and rule."""
        if not bad.any():
            return
        row = int(np.argmax(bad))
        cell = self.frame[column].iloc[row]
        if isinstance(cell, str) and re.fullmatch("-?[0-9]{1,18}", cell):  # shown as a number, not as a word
            cell = int(cell)
        name = self.header[self.places[column]]
        name = column if name.lower() == column else f"{name} ({column})"
        number = self.frame.index[row]
        refuse_rows(
            lambda _: f"{self.file}, row {number}", name, np.array([True]), pd.Series([cell], dtype=object), rule
        )

    def missing(self, column: str) -> np.ndarray:
        """Tell which rows have an empty cell: (rows,) bool."""
        return self.frame[column].isna().to_numpy()

    def codes(self, column: str) -> np.ndarray:
        """Give the distinct cells of a column numbers by first appearance: (rows,), -1 for an empty one."""
        return pd.factorize(self.frame[column])[0]

    def integers(self, column: str) -> np.ndarray:
        """Read a column as integers: (rows,) int64, EMPTY where a cell is empty, OTHER where it is no integer.

        Text is an integer in digits alone, or in hexadecimal with 0x.
        """
        cells = self.frame[column]
        if isinstance(cells.dtype, pd.CategoricalDtype):
            return np.array([*map(_integer, cells.cat.categories), EMPTY], "int64")[cells.cat.codes.to_numpy()]
        numbers = np.full(len(cells), OTHER)
        there = cells.notna().to_numpy()
        if pd.api.types.is_integer_dtype(cells.dtype):
            numbers[there] = cells[there].to_numpy("int64")
        elif pd.api.types.is_float_dtype(cells.dtype):  # what a column of integers with gaps becomes in pandas
            given = cells.to_numpy("float64", na_value=np.nan)
            whole = np.isfinite(given) & (np.abs(given) < 2**53) & (given == np.floor(given))
            numbers[whole] = given[whole].astype("int64")
        numbers[~there] = EMPTY
        return numbers

    def words(self, column: str, meanings: dict[str, int]) -> np.ndarray:
        """Read a column of words, in whatever case, as their numbers: (rows,) int64, EMPTY or OTHER where none fits."""
        codes, distinct = pd.factorize(self.frame[column])
        numbers = [meanings.get(str(word).strip().lower(), OTHER) for word in distinct]
        return np.array([*numbers, EMPTY], "int64")[codes]


def read(path: Path) -> Table:
    """Read the table of a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        The file. Text may be UTF-8 or UTF-16, plain or gzip, separated by comma, semicolon or tab.

    Returns
    -------
    Table
        Its columns.

    Raises
    ------
    UserError
        Where it is damaged, too large, empty, or of another kind.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise UserError(f"{path}: a trace is a file {', '.join(SUFFIXES)}")
    if path.suffix.lower() != ".parquet":
        return Table(text.read(path, _is_header), path)
    with reading(path, "a Parquet file"), path.open("rb") as file:  # pyarrow takes no name that is not UTF-8
        about = parquet.read_metadata(file)
        refuse_giant(f"{path}: {about.num_rows} rows", 8 * about.num_rows * about.num_columns)
        frame = pd.read_parquet(file)
    return Table(frame.set_axis(pd.RangeIndex(1, len(frame) + 1)), path)


def _is_header(names: list[str]) -> int:
    """Count the format's columns that a line of names has."""
    known = {name for column, others in OTHER_NAMES.items() for name in (column, *others)}
    return len(known & set(map(_plain, names)))


def _plain(name) -> str:
    """Write a column's name in lower case with _ between words."""
    return re.sub(r"[\s._-]+", "_", str(name).strip(" \t#").lower())


def _places(header: list[str], file) -> dict[str, int]:
    """Find the columns of the format and those of APART, by name or by what else they are called."""
    given, places = [_plain(name) for name in header], {}
    for column in (*COLUMNS, *LABELS, "pair"):
        for names in ((column,), OTHER_NAMES.get(column, ())):
            found = [place for place, name in enumerate(given) if name in names]
            if len(found) > 1:
                both = " and ".join(repr(header[place]) for place in found[:2])
                raise UserError(f"{file}: columns {both} both stand for {column}; leave one of them out")
            if found:
                places[column] = found[0]
                break
    used = set(places.values())
    return places | {name: place for place, name in enumerate(given) if name in APART and place not in used}


def _cleaned(cells: pd.Series) -> pd.Series:
    """Make texts categories without blanks around them, an empty one missing; columns of numbers stay as they are."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return cells
    codes, distinct = pd.factorize(cells)
    numbers: dict = {}
    new = [_number(value, numbers) for value in distinct]
    categories = pd.Index(list(numbers), dtype=object, tupleize_cols=False)
    return pd.Series(pd.Categorical.from_codes(np.array([*new, -1])[codes], categories), index=cells.index)


def _number(value, numbers: dict) -> int:
    """Give a cell's value, without blanks around it, its number; -1 where nothing is left of it."""
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    value = value.strip() if isinstance(value, str) else value
    if isinstance(value, str) and not value:
        return -1
    return numbers.setdefault(value, len(numbers))


def _integer(value) -> int:
    """Read one cell's value as an integer, or OTHER."""
    if isinstance(value, str):
        return int(value, 16 if value[:2] in ("0x", "0X") else 10) if INTEGER.fullmatch(value) else OTHER
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return OTHER
    return int(value) if abs(value) < 2**53 and value == int(value) else OTHER
