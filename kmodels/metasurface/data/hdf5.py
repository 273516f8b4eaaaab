"""Structures as HDF5: the file format of the simulator and of users.

    patterns    (structure, y, x)                uint8   1 silicon nitride, 0 gap; one period
    spectra     (structure, row, column, w)      float32 transmittance: fraction of the light in each camera pixel, "1"
    wavelength  (w)                              float64 in vacuum, units "nm" (or others in files of others)

Attributes of the file: pixel_order, colours of the camera pixels (first row, then second), and where they are known
period, height and distance [nm], cover, gap, spacer, solver. `spectra` and `wavelength` may be missing where they are
unknown. Files written here are valid NetCDF-4, too: xarray opens them, with names for the axes. What files of others
look like, and what is made of it, is in layout.py.
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike

from kmodels.core.io.hdf5 import created, is_external, refuse_bomb
from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.layout import ARRAYS, SAID, Contents, plain

CHUNK = 32  # structures that are compressed together
LONGEST = 100  # letters of a word


def write(
    path: str | Path, patterns: ArrayLike, spectra: ArrayLike, wavelength: ArrayLike, attributes: dict, **more
) -> None:
    """Save structures, atomically.

    Parameters
    ----------
    path : str or Path
        The file.
    patterns : array_like
        (structure, y, x) of 0 and 1.
    spectra : array_like
        (structure, 2, 2, w) transmittance.
    wavelength : array_like
        (w,) [nm].
    attributes : dict
        Attributes of the file.
    **more : array_like, optional
        reflected (structure, w), the reflectance; few_orders (structure, 2, 2, w), spectra solved with few orders.
        Saved as datasets of these names.
    """
    layout = {
        "wavelength": (("wavelength",), np.asarray(wavelength, "float64"), "nm"),
        "patterns": (("structure", "y", "x"), np.asarray(patterns, "uint8"), "1"),
        "spectra": (("structure", "row", "column", "wavelength"), np.asarray(spectra, "float32"), "1"),
    }
    for name, values in more.items():
        dims = ("structure", "wavelength") if name == "reflected" else layout["spectra"][0]
        layout[name] = (dims, np.asarray(values, "float32"), "1")
    with created(Path(path)) as file:
        file.dimensions = {dim: n for dims, v, _ in layout.values() for dim, n in zip(dims, v.shape, strict=True)}
        for name, (dims, values, units) in layout.items():
            chunks = (min(CHUNK, values.shape[0]), *values.shape[1:]) if values.ndim > 1 else None
            packing = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
            file.create_variable(name, dims, data=values, **packing if chunks else {}).attrs["units"] = units
        file.attrs.update(attributes)


def read(file: h5py.File, path: Path) -> Contents:
    """Find the arrays of an open file, and what it says of them.

    Parameters
    ----------
    file : h5py.File
        The open file; one of MATLAB (v7.3) has variables for attributes.
    path : Path
        Its path, for messages.

    Returns
    -------
    Contents
        Its arrays, not read yet.

    Raises
    ------
    UserError
        That names file, dataset and rule.
    """
    found = {name: _dataset(file, path, name, kinds) for name, kinds in ARRAYS.items()}
    arrays = {name: values for name, values in found.items() if values is not None}
    said = {name: _variable(file, path, name) for name in SAID if name in file.keys()}  # noqa: SIM118
    said |= {f"{name}_{key}": value for name, values in arrays.items() for key, value in values.attrs.items()}
    said |= dict(file.attrs)
    said = {name: plain(value) for name, value in said.items() if name in SAID}
    return Contents(path, arrays, said, _is_reversed(arrays.get("patterns")))


def _dataset(file: h5py.File, path: Path, name: str, kinds: str) -> h5py.Dataset | None:
    """Find a dataset of numbers; None where the file has none of that name.

    Links to other files are refused: a data file must not make this program read what it names.
    """
    if name not in file.keys():  # noqa: SIM118 - `in file` follows the link
        return None
    if is_external(file, name) or not isinstance(file.get(name), h5py.Dataset):
        raise UserError(f"{path}: {name}: expected a dataset of this file")
    dtype = file[name].dtype
    is_complex = "c" in kinds and dtype.names == ("real", "imag")  # as MATLAB writes them
    if dtype.kind not in kinds and not is_complex:
        raise UserError(f"{path}: {name}: type {dtype}; expected numbers")
    refuse_bomb(path, name, file[name].nbytes, path.stat().st_size)
    return file[name]


def _variable(file: h5py.File, path: Path, name: str):
    """Read a variable of MATLAB that stands for an attribute: a number, or letters as their codes."""
    values = _dataset(file, path, name, "biufSO")
    if values.size > LONGEST:
        raise UserError(f"{path}: {name}: has shape {values.shape}; expected a number or a word")
    content = values[()]
    if plain(values.attrs.get("MATLAB_class")) == "char":
        return "".join(map(chr, np.ravel(content)))
    return content


def _is_reversed(patterns: h5py.Dataset | None) -> bool | None:
    """Tell whether axes stand in reverse, as MATLAB writes them; None where nothing in the file tells."""
    if patterns is None:
        return None
    if "MATLAB_class" in patterns.attrs:
        return True
    names = [dim[0].name.rpartition("/")[2] for dim in patterns.dims if len(dim)]
    return {("structure", "y", "x"): False, ("x", "y", "structure"): True}.get(tuple(names))
