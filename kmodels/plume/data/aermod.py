"""AERMOD's POSTFILE in its PLOT format -> StoredRun.

Text; lines that begin with `*` are a header, the others hold a receptor in an hour:

    X  Y  CONC  ZELEV  ZHILL  ZFLAG  AVE  GRP  DATE  NETID

X, Y [m] eastward and northward, CONC [ug m-3], ZELEV [m] the terrain, ZFLAG [m] the receptor's height above ground,
DATE as YYMMDDHH at the end of the hour (HH 01..24; YY 50..99 are 1950..1999). The receptors must fill a grid of
X, Y and ZFLAG in every hour, and there is one source group and 1-HR averages only. z is ZFLAG, height above ground, so
no cell lies below it.

A POSTFILE has neither sources nor wind: the network sees a cloud without knowing where it comes from or which way the
air goes (model.wind and model.transport must be false, model.base persistence or none), and hours are long against the
minutes that the default recipe is made for. The file is read into memory whole.

U.S. EPA, User's Guide for the AMS/EPA Regulatory Model (AERMOD), output pathway, keyword POSTFILE.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.io.files import reading
from kmodels.core.io.refusal import refuse_rows
from kmodels.core.spec.errors import UserError
from kmodels.plume.data.run import Stacks, StoredRun

COLUMNS = ["X", "Y", "CONC", "ZELEV", "ZHILL", "ZFLAG", "AVE", "GRP", "DATE", "NETID"]
NUMBERS = ["X", "Y", "CONC", "ZELEV", "ZFLAG"]
MICROGRAM = 1e-9  # kg
WORDS = ["AVE", "GRP", "DATE"]


def read(path: Path) -> StoredRun:
    """Read the run of a POSTFILE.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    StoredRun
        With height above ground as z, without sources and wind.

    Raises
    ------
    UserError
        By file, line, column, value and rule.
    """
    table = _table(path)
    stop, hour = _hours(path, table)
    (x, ix), (y, iy), (z, iz) = (np.unique(table[name], return_inverse=True) for name in ("X", "Y", "ZFLAG"))
    shape = len(stop), len(z), len(y), len(x)
    places = (hour, iz, iy, ix)
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


def _table(path: Path) -> pd.DataFrame:
    """Read the lines of a file and check their columns one by one."""
    _check_header(path)
    with reading(path, "a POSTFILE"):
        table = pd.read_csv(
            path,
            sep=r"\s+",
            comment="*",
            header=None,
            names=COLUMNS,
            usecols=[name for name in COLUMNS if name not in ("ZHILL", "NETID")],
            dtype={name: str for name in WORDS},
            low_memory=False,
        )
    if table.empty:
        raise UserError(f"{path}: holds no receptors")
    table = table.astype({name: "category" for name in WORDS})
    for name in NUMBERS:
        with reading(path, f"numbers of {name}"):  # text can hold one larger than any float
            numbers = pd.to_numeric(table[name], errors="coerce").to_numpy("float64", na_value=np.nan)
        _refuse(path, table, ~np.isfinite(numbers), name, "expected a number")
        table[name] = numbers
    _refuse(path, table, (table["CONC"] < 0).to_numpy(), "CONC", "a concentration is 0 or more")
    _refuse(path, table, (table["AVE"] != "1-HR").to_numpy(), "AVE", "expected 1-HR: a frame is an hour")
    other = (table["GRP"] != table["GRP"].iloc[0]).to_numpy()
    _refuse(path, table, other, "GRP", f"expected one source group, {table['GRP'].iloc[0]}, in a file")
    return table


def _check_header(path: Path) -> None:
    """Refuse a file whose header names other columns: depositions, ranks, no ZFLAG."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("*"):
                return
            if "ZELEV" in line:
                words = line.strip("*\n ").replace("AVERAGE CONC", "CONC").replace("NET ID", "NETID").split()
                if words != COLUMNS:
                    raise UserError(f"{path}: columns {' '.join(words)}; expected {' '.join(COLUMNS)}")


def _refuse(path: Path, table: pd.DataFrame, bad: np.ndarray, column: str, rule: str) -> None:
    """Raise for the first row of the mask `bad`, if there is one."""
    refuse_rows(lambda row: f"{path}, line {_line(path, row)}", column, bad, table[column], rule)


def _line(path: Path, row: int) -> int:
    """Find the number of the line, from 1, that holds a row of the table."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        numbers = (n for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("*"))
        return next(n for k, n in enumerate(numbers) if k == row)


def _hours(path: Path, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Find (times in order, datetime64[ns]; which of them each row belongs to)."""
    dates = table["DATE"].cat.categories
    times = np.array([_time(text) for text in dates], "datetime64[ns]")
    codes = table["DATE"].cat.codes.to_numpy()
    bad = (codes < 0) | np.isnat(times)[codes]
    _refuse(path, table, bad, "DATE", "expected YYMMDDHH with an hour 01..24")
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
    """Refuse receptors that do not fill the grid of their X, Y and ZFLAG once in every hour."""
    hours, nz, ny, nx = shape
    if len(table) != hours * nz * ny * nx:
        raise UserError(
            f"{path}: {len(table)} lines for {hours} hours with {nx} values of X, {ny} of Y and {nz} of ZFLAG; "
            f"a full grid has {hours * nz * ny * nx}"
        )
    flat = np.ravel_multi_index(places, shape)
    again = pd.Series(flat).duplicated().to_numpy()
    _refuse(path, table, again, "X", "this receptor has come before in the same hour; a full grid has each once")
