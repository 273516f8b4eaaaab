"""Structures as HDF5: the file format of the simulator and of users.

    patterns    (structure, y, x)                uint8   1 silicon nitride, 0 gap; one period
    spectra     (structure, row, column, w)      float32 transmittance: fraction of the light in each camera pixel, "1"
    wavelength  (w)                              float64 in vacuum, units "nm" (or "um", "m" in files of others)

Attributes of the file: pixel_order, colours of the camera pixels (first row, then second), and where they are known
period, height and distance [nm], cover, gap, spacer, solver. `spectra` and `wavelength` may be missing where they are
unknown. Files written here are valid NetCDF-4, too: xarray opens them, with names for the axes.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike

from kmodels.core.io.hdf5 import created, is_external, refuse_bomb
from kmodels.core.io.refusal import refuse_values
from kmodels.core.spec.errors import UserError

NANOMETRES = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "m": 1e9}
CHUNK = 32  # structures that are compressed together


def write(
    path: str | Path, patterns: ArrayLike, spectra: ArrayLike, wavelength: ArrayLike, attributes: dict, reflected=None
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
    reflected : array_like, optional
        (structure, w) reflectance, saved as a dataset of that name.
    """
    layout = {
        "wavelength": (("wavelength",), np.asarray(wavelength, "float64"), "nm"),
        "patterns": (("structure", "y", "x"), np.asarray(patterns, "uint8"), "1"),
        "spectra": (("structure", "row", "column", "wavelength"), np.asarray(spectra, "float32"), "1"),
    }
    if reflected is not None:
        layout["reflected"] = (("structure", "wavelength"), np.asarray(reflected, "float32"), "1")
    with created(Path(path)) as file:
        file.dimensions = {dim: n for dims, v, _ in layout.values() for dim, n in zip(dims, v.shape, strict=True)}
        for name, (dims, values, units) in layout.items():
            chunks = (min(CHUNK, values.shape[0]), *values.shape[1:]) if values.ndim > 1 else None
            packing = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
            file.create_variable(name, dims, data=values, **packing if chunks else {}).attrs["units"] = units
        file.attrs.update(attributes)


@dataclass(frozen=True)
class Stored:
    """The arrays of an open file.

    Attributes
    ----------
    path : Path
        The file.
    patterns, spectra : h5py.Dataset
        Not read yet; slices are. Spectra may be None.
    wavelength : ndarray or None
        [nm].
    pixel_order : str or None
        Colours of the pixels.
    """

    path: Path
    patterns: h5py.Dataset
    spectra: h5py.Dataset | None
    wavelength: np.ndarray | None
    pixel_order: str | None


def read(file: h5py.File, path: Path) -> Stored:
    """Find the arrays of an open file; their values are checked by `load`.

    Parameters
    ----------
    file : h5py.File
        The open file.
    path : Path
        Its path, for messages.

    Returns
    -------
    Stored
        Its arrays.

    Raises
    ------
    UserError
        That names file, dataset and rule.
    """
    patterns = _dataset(file, path, "patterns", "biuf")
    if patterns is None:
        raise UserError(f"{path}: patterns: missing; expected a dataset (structure, y, x)")
    wavelength = _dataset(file, path, "wavelength", "iuf")
    order = file.attrs.get("pixel_order")
    return Stored(
        path=path,
        patterns=patterns,
        spectra=_dataset(file, path, "spectra", "f"),
        wavelength=None if wavelength is None else _nanometres(wavelength, path),
        pixel_order=order.decode() if isinstance(order, bytes) else order,
    )


def _dataset(file: h5py.File, path: Path, name: str, kinds: str) -> h5py.Dataset | None:
    """Find a dataset of numbers; None where the file has none of that name.

    Links to other files are refused: a data file must not make this program read what it names.
    """
    if name not in file.keys():  # noqa: SIM118 - `in file` follows the link
        return None
    if is_external(file, name) or not isinstance(file.get(name), h5py.Dataset):
        raise UserError(f"{path}: {name}: expected a dataset of this file")
    if file[name].dtype.kind not in kinds:
        raise UserError(f"{path}: {name}: type {file[name].dtype}; expected numbers")
    refuse_bomb(path, name, file[name].nbytes, path.stat().st_size)
    return file[name]


def _nanometres(wavelength: h5py.Dataset, path: Path) -> np.ndarray:
    """Read the wavelengths, (w,) [nm], rising."""
    units = wavelength.attrs.get("units", "(missing)")
    units = units.decode() if isinstance(units, bytes) else units
    if not isinstance(units, str) or units.strip() not in NANOMETRES:
        raise UserError(f"{path}: wavelength: units {units!r}; expected {' or '.join(NANOMETRES)}")
    if wavelength.ndim != 1:
        raise UserError(f"{path}: wavelength: has shape {wavelength.shape}; expected (w,)")
    values = wavelength[:].astype("float64") * NANOMETRES[units.strip()]
    bad = ~(np.isfinite(values) & (np.diff(values, prepend=0.0) > 0))
    refuse_values(path, "wavelength", bad, values, "expected numbers above 0 that rise", unit="nm")
    return values
