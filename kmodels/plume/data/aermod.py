"""AERMOD's POSTFILE in its PLOT format -> StoredRun.

Text; lines that begin with `*` are a header, the others hold a receptor in an hour, or in another averaging period:

    X  Y  CONC  ZELEV  ZHILL  ZFLAG  AVE  GRP  DATE  NETID

X, Y [m] eastward and northward, CONC [ug m-3], ZELEV [m] the terrain, ZFLAG [m] the receptor's height above ground,
AVE `1-HR` to `24-HR`, GRP the source group, DATE as YYMMDDHH at the end of the period (HH 01..24; YY 50..99 are
1950..1999), NETID blank for discrete receptors. Numbers are fixed or exponential, `1.0D-05` and `0.1-100` included.

The receptors, whether of a network or discrete, must fill a grid of X, Y and ZFLAG in every period. Of several source
groups one is chosen. z is ZFLAG, height above ground, so no cell lies below it. Averages over a MONTH are refused, for
months differ in length, and those over the PERIOD or a year, for they are one frame.

A POSTFILE has neither sources nor wind: the network sees a cloud without knowing where it comes from or which way the
air goes (model.wind and model.transport must be false, model.base persistence or none), and hours are long against the
minutes that the default recipe is made for. The file is read into memory whole.

U.S. EPA, User's Guide for the AMS/EPA Regulatory Model (AERMOD), output pathway, keywords POSTFILE and FILEFORM.
"""

import csv
import io
from array import array
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.io.files import reading, refuse_giant
from kmodels.core.io.refusal import refuse_rows
from kmodels.core.spec.errors import UserError
from kmodels.plume.data.run import Stacks, StoredRun
from kmodels.plume.data.units import ROUNDING

COLUMNS = ["X", "Y", "CONC", "ZELEV", "ZHILL", "ZFLAG", "AVE", "GRP", "DATE", "NETID"]
NUMBERS = ["X", "Y", "CONC", "ZELEV", "ZFLAG"]
WORDS = ["AVE", "GRP", "DATE", "NETID"]
COUNTS = (len(COLUMNS) - 1, len(COLUMNS))  # words of a line: discrete receptors have no NETID
HOURS = (1, 2, 3, 4, 6, 8, 12, 24)  # of an average
NO_FRAMES = {
    "MONTH": "months differ in length and frames do not",
    "PERIOD": "the average over all hours is a single frame, and a forecast needs those before it",
    "ANNUAL": "no cloud is left after a year",
}
MICROGRAM = 1e-9  # kg
SNIFFED = 1 << 16  # bytes that tell whether a text is a POSTFILE


def is_postfile(path: Path) -> bool:
    """Tell whether a text's first line behind its header is a POSTFILE's.

    Parameters
    ----------
    path : Path
        A file of any content.

    Returns
    -------
    bool
        Whether that line has as many words, and numbers where a POSTFILE has them.
    """
    with path.open("rb") as file:
        lines = file.read(SNIFFED).split(b"\n")
    words = next((line.split() for line in lines if _is_receptor(line)), [])
    try:
        [float(_plain(word.decode())) for word in words[:6] if b"*" not in word]
    except ValueError:
        return False
    return len(words) in COUNTS


def read(path: Path, group: str | None = None) -> StoredRun:
    """Read the run of a POSTFILE.

    Parameters
    ----------
    path : Path
        The file.
    group : str, optional
        The source group to read; not needed where the file holds one.

    Returns
    -------
    StoredRun
        With height above ground as z, without sources and wind.

    Raises
    ------
    UserError
        By file, line, column, value and rule.
    """
    table = _table(path, group)
    stop, period = _periods(path, table)
    (x, ix), (y, iy), (z, iz) = (np.unique(table[name], return_inverse=True) for name in ("X", "Y", "ZFLAG"))
    shape = len(stop), len(z), len(y), len(x)
    places = (period, iz, iy, ix)
    _check_full(path, table, shape, places)
    concentration = np.empty(shape, "float32")
    concentration[places] = table["CONC"]
    terrain = np.empty(shape[2:])
    terrain[iy, ix] = table["ZELEV"]
    elsewhere = (table["ZELEV"] != terrain[iy, ix]).to_numpy()
    _refuse(path, table, elsewhere, "ZELEV", "another line has another elevation for this X and Y")
    nothing = np.zeros(0)
    return StoredRun(
        name=path.stem,
        file=path,
        start=stop[0],
        time=(stop - stop[0]) / np.timedelta64(1, "s"),
        x=x,
        y=y,
        z=z,
        terrain=terrain,
        stacks=Stacks(nothing, nothing, nothing, nothing),
        frames_as_stored=lambda first, stop: concentration[first:stop],
        units="ug m-3",
        factor=MICROGRAM,
        variable="CONC",
        follows_terrain=True,
        on_disk=False,
    )


def _table(path: Path, group: str | None) -> pd.DataFrame:
    """Read the lines of a source group, by their number in the file, and check their columns one by one."""
    table = _parsed(path)
    for name in NUMBERS:
        table[name] = _numbers(path, table, name)
    table = _of_group(path, table, group)
    negative = (table["CONC"] < -ROUNDING * max(table["CONC"].max(), 0.0)).to_numpy()
    _refuse(path, table, negative, "CONC", "a concentration is 0 or more")
    _check_average(path, table)
    return table


def _numbers(path: Path, table: pd.DataFrame, name: str) -> np.ndarray:
    """Read the numbers of a column, float64."""
    cells = table[name]
    if cells.dtype.kind not in "iuf":
        overflow = cells.astype(str).str.contains("*", regex=False).to_numpy()
        rule = "Fortran writes stars where a number is wider than its column; ask AERMOD for FILEFORM EXP"
        _refuse(path, table, overflow, name, rule)
        cells = cells.astype(str).map(_plain)
    with reading(path, f"numbers of {name}"):  # text can hold one larger than any float
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy("float64", na_value=np.nan)
    _refuse(path, table, ~np.isfinite(numbers), name, "expected a number")
    return numbers


def _parsed(path: Path) -> pd.DataFrame:
    """Split the lines of a file into columns; the index is the line's number, from 1."""
    refuse_giant(str(path), 4 * path.stat().st_size)
    _check_header(path)
    numbers, receptors = _receptors(path)
    if not len(numbers):
        raise UserError(f"{path}: holds no receptors; expected lines of {' '.join(COLUMNS)}")
    with reading(path, "a POSTFILE"):
        table = pd.read_csv(
            receptors,
            sep=r"\s+",
            header=None,
            names=COLUMNS,
            dtype={name: str for name in WORDS},
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            encoding_errors="replace",
            low_memory=False,
        )
        table.index = numbers
    return table.astype({name: "category" for name in WORDS})


def _receptors(path: Path) -> tuple[np.ndarray, io.BytesIO]:
    """Collect the lines that hold receptors, (their numbers in the file, all of them); refuse one of other columns."""
    numbers, found = array("q"), io.BytesIO()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            count = len(line.split())
            if count == 0 or line.startswith(b"*"):  # a header, as in _is_receptor
                continue
            if count not in COUNTS:
                raise UserError(
                    f"{path}, line {number}: {count} words; expected {' '.join(COLUMNS)} as AERMOD's POSTFILE has them "
                    "in its PLOT format, NETID blank or not"
                )
            found.write(line if count == len(COLUMNS) else line.rstrip() + b" -\n")
            numbers.append(number)
    found.seek(0)
    return np.frombuffer(numbers, "int64"), found


def _is_receptor(line: bytes) -> bool:
    """Tell whether a line holds a receptor: a header has a star in its first column, a receptor a blank."""
    return not line.startswith(b"*") and bool(line.strip())


def _plain(word: str) -> str:
    """Write a number of Fortran as others do: `1.0D-05` and `1.0-100` have an exponent, too."""
    word = word.upper().replace("D", "E")
    body, sign = word[:-4], word[-4:-3]
    return f"{body}E{word[-4:]}" if sign and sign in "+-" and body[-1:].isdigit() else word


def _check_header(path: Path) -> None:
    """Refuse a binary file, and one whose header names other columns: depositions, ranks, no ZFLAG."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if "\0" in line:
                raise UserError(f"{path}: binary; expected text: write the POSTFILE with PLOT instead of UNFORM")
            if not line.startswith("*"):
                return
            if "ZELEV" in line:
                words = line.strip("*\n ").replace("AVERAGE CONC", "CONC").replace("NET ID", "NETID")
                words = words.replace("NUM HRS", "DATE").replace("NUM YRS", "DATE").split()  # AVE will be refused
                if words not in (COLUMNS, COLUMNS[:-1]):
                    raise UserError(f"{path}: columns {' '.join(words)}; expected {' '.join(COLUMNS)}")


def _of_group(path: Path, table: pd.DataFrame, group: str | None) -> pd.DataFrame:
    """Select the lines of the source group that is asked for, or of the only one."""
    there = list(table["GRP"].unique())
    if group is None and len(there) > 1:
        other = (table["GRP"] != there[0]).to_numpy()
        shown = ", ".join(there[:20])
        rule = f"a source group beside {there[0]}; choose one of {shown} by --data.group {there[0]}"
        _refuse(path, table, other, "GRP", rule)
    if group is not None and group not in there:
        raise UserError(f"{path}: no source group {group!r}; data.group is one of {', '.join(there[:20])}")
    return table if group is None else table[table["GRP"] == group]


def _check_average(path: Path, table: pd.DataFrame) -> None:
    """Refuse averages over other than so many hours, and two of them in a file."""
    first = table["AVE"].iloc[0]
    for average, why in NO_FRAMES.items():
        found = (table["AVE"] == average).to_numpy()
        _refuse(path, table, found, "AVE", f"{why}; expected averages over 1-HR to 24-HR, each a frame")
    hours = [f"{count}-HR" for count in HOURS]
    _refuse(path, table, ~table["AVE"].isin(hours).to_numpy(), "AVE", f"expected one of {', '.join(hours)}")
    _refuse(path, table, (table["AVE"] != first).to_numpy(), "AVE", f"other lines are {first}: give them apart")


def _refuse(path: Path, table: pd.DataFrame, bad: np.ndarray, column: str, rule: str) -> None:
    """Raise for the first row of the mask `bad`, if there is one."""
    refuse_rows(lambda row: f"{path}, line {table.index[row]}", column, bad, table[column], rule)


def _periods(path: Path, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Find (ends of the periods in order, datetime64[ns]; which of them each row belongs to)."""
    dates = table["DATE"].cat.remove_unused_categories().cat
    times = np.array([_time(text) for text in dates.categories], "datetime64[ns]")
    codes = dates.codes.to_numpy()
    _refuse(path, table, np.isnat(times)[codes], "DATE", "expected YYMMDDHH with an hour 01..24")
    order = np.argsort(times)
    return times[order], np.argsort(order)[codes]


def _time(text: str) -> datetime | None:
    """Parse a DATE to the end of the hour that it names; None if it names none."""
    try:
        if len(text) != 8 or not 1 <= int(text[6:]) <= 24:
            return None
        year = int(text[:2]) + (1900 if int(text[:2]) >= 50 else 2000)
        return datetime(year, int(text[2:4]), int(text[4:6])) + timedelta(hours=int(text[6:]))
    except ValueError:
        return None


def _check_full(path: Path, table: pd.DataFrame, shape: tuple[int, ...], places) -> None:
    """Refuse receptors that do not fill the grid of their X, Y and ZFLAG once in every period."""
    periods, nz, ny, nx = shape
    if len(table) != periods * nz * ny * nx:
        raise UserError(
            f"{path}: {len(table)} lines for {periods} dates with {nx} values of X, {ny} of Y and {nz} of ZFLAG; "
            f"a full grid has {periods * nz * ny * nx}: expected every X with every Y, as GRIDCART makes them"
        )
    flat = np.ravel_multi_index(places, shape)
    again = pd.Series(flat).duplicated().to_numpy()
    _refuse(path, table, again, "X", "this receptor has come before in the same period; a full grid has each once")
