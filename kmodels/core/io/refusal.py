"""The first bad value of an array or a table is refused in one line: where it stands, what it is, and the rule."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.spec.errors import UserError


def refuse_values(
    place: str | Path,
    name: str,
    bad: np.ndarray,
    values: np.ndarray,
    rule: str | Callable[[tuple], str],
    dims: Sequence[str] = (),
    *,
    first: int = 0,
    unit: str = "",
    fixed: Mapping[str, int] | None = None,
) -> None:
    """Refuse an array with a bad value: `place: name[index] = value unit; rule`.

    Parameters
    ----------
    place
        The file.
    name : str
        Of the variable.
    bad : numpy.ndarray of bool
        Which values are bad; nothing happens where none is.
    values : numpy.ndarray
        The values, of the same shape.
    rule : str or callable
        What is allowed; a callable is given the bad value's index in `values`.
    dims : sequence of str
        Names of the dimensions; without them an index is numbers alone.
    first : int
        The number that the first index of `values` has in the file.
    unit : str
        Of the value.
    fixed : mapping, optional
        Indices in dimensions of the file that `values` does not have.

    Raises
    ------
    UserError
        For the first bad value, in the order of the array.
    """
    if not bad.any():
        return
    at = np.unravel_index(int(np.argmax(bad)), bad.shape)
    numbers = (at[0] + first, *at[1:])
    named = {**(fixed or {}), **dict(zip(dims, numbers, strict=True))} if len(dims) else {}
    index = ", ".join(f"{dim}={number}" for dim, number in named.items()) or ", ".join(map(str, numbers))
    said = rule(at) if callable(rule) else rule
    raise UserError(f"{place}: {name}[{index}] = {values[at]:g}{unit and ' '}{unit}; {said}")


def refuse_rows(place: Callable[[int], str], column: str, bad: np.ndarray, cells: pd.Series, rule: str) -> None:
    """Refuse a table with a bad cell: `place: column = value; rule`.

    Parameters
    ----------
    place : callable
        Names file and row, given the row's index.
    column : str
        The column's name.
    bad : numpy.ndarray of bool
        Which rows are bad; nothing happens where none is.
    cells : pandas.Series
        The column.
    rule : str
        What is allowed.

    Raises
    ------
    UserError
        For the first bad row.
    """
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(f"{place(row)}: {column} = {_shown(cells.iloc[row])}; {rule}")


def _shown(value) -> str:
    """Write a cell as it looks in the file: a column with gaps comes as floats, so 3 as 3.0."""
    if pd.isna(value):
        return "(empty)"
    if isinstance(value, str):
        return repr(value[:40])
    if isinstance(value, int):  # of any length
        return str(value)[:40]
    number = float(value)
    return str(int(number)) if number.is_integer() else str(number)
