"""Structures in MATLAB's .mat files up to v7: variables of the names of the HDF5 format (v7.3 is HDF5, see hdf5.py).

Attributes are variables as well: pixel_order, period, ..., wavelength_units, spectra_units and spectra_quantity.
"""

import math
from pathlib import Path

import numpy as np
from scipy import io

from kmodels.core.io.files import reading, refuse_giant
from kmodels.core.io.hdf5 import refuse_bomb
from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.layout import ARRAYS, SAID, Contents, plain

VERSION_5 = 1  # as SciPy calls the format of MATLAB 5 to 7
LARGEST = 16  # bytes of a number


def read(path: Path) -> Contents:
    """Read the variables of a file; nothing in it is executed.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Contents
        Its arrays in memory, with the axes that they have in MATLAB.

    Raises
    ------
    UserError
        Where it is damaged, too large, or a variable is no array of numbers.
    """
    with reading(path, "a MATLAB file"), path.open("rb") as file:
        if io.matlab.matfile_version(file)[0] != VERSION_5:
            raise UserError(f"{path}: cannot be read as a MATLAB file: save it with -v7 or -v7.3")
        wanted = [(name, shape) for name, shape, _ in io.whosmat(file) if name in (*ARRAYS, *SAID)]
        for name, shape in wanted:
            size = LARGEST * math.prod(shape)
            refuse_bomb(path, name, size // LARGEST, path.stat().st_size)  # a byte a number, at least
            refuse_giant(f"{path}: {name}", size)
        found = io.loadmat(file, variable_names=[name for name, _ in wanted])
    arrays = {name: found[name] for name in ARRAYS if name in found}
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray) or values.dtype.kind not in ARRAYS[name]:
            kind = getattr(values, "dtype", type(values).__name__)
            raise UserError(f"{path}: {name}: type {kind}; expected numbers")
    return Contents(path, arrays, {name: plain(found[name]) for name in SAID if name in found}, is_reversed=False)
