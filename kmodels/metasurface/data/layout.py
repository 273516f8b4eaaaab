"""What a file holds -> structures along the first axis, wavelengths that rise [nm], spectra as transmittance.

Axes that MATLAB wrote in reverse, wavelengths that fall, percentages and amplitudes are turned into what the format
says; what can be read in two ways is refused with the question.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kmodels.core.io import units
from kmodels.core.io.refusal import refuse_values
from kmodels.core.spec.errors import UserError

ARRAYS = {"patterns": "biuf", "spectra": "fc", "wavelength": "iuf"}  # and the kinds of their numbers
GEOMETRY = ("period", "height", "distance", "cover", "gap", "spacer")
SAID = ("pixel_order", *GEOMETRY, "patterns_axes", "wavelength_units", "spectra_units", "spectra_quantity")
AXES = {"structure,y,x": False, "x,y,structure": True}  # whether they are reversed
LENGTHS = {"nm": 1.0, "um": 1e3, "m": 1e9, "angstrom": 0.1, "mm": 1e6}  # [nm], which one is mistaken for another
POWER = ("transmittance", "transmission", "power", "intensity")
AMPLITUDE = ("amplitude", "complex amplitude", "field amplitude")


@dataclass(frozen=True)
class Contents:
    """What a file holds, as it stands there.

    Attributes
    ----------
    path : Path
        The file.
    arrays : dict of str to array
        Those of ARRAYS that it has; slices of them are read when they are asked for.
    said : dict of str to object
        What it says, by the names of SAID: attributes of the file, and of its arrays with the array's name before.
    is_reversed : bool or None
        Whether the axes of arrays stand in reverse, as MATLAB writes them; None where nothing tells.
    """

    path: Path
    arrays: dict
    said: dict
    is_reversed: bool | None = None


@dataclass(frozen=True)
class Stored:
    """The arrays of a file in the format's axes.

    Attributes
    ----------
    path : Path
        The file.
    patterns : array
        (structure, y, x); slices are read when they are asked for.
    spectra : array or None
        (structure, row, column, w), likewise.
    wavelength : ndarray or None
        (w,) rising [nm].
    said : dict of str to object
        As in Contents.
    notes : list of str
        What was turned or converted.
    """

    path: Path
    patterns: object
    spectra: object | None
    wavelength: np.ndarray | None
    said: dict
    notes: list[str] = field(default_factory=list)


class View:
    """An array whose slices along the first axis are turned and converted as they are read.

    Parameters
    ----------
    values : array
        As stored.
    is_reversed : bool
        Whether its axes stand in reverse.
    falls : bool
        Whether its last axis, then, runs from the longest wavelength to the shortest.
    squared : bool
        Whether it holds amplitudes.
    factor : float
        What makes fractions of its numbers.
    """

    def __init__(self, values, is_reversed=False, falls=False, squared=False, factor=1.0):
        self._values, self._reversed, self._falls = values, is_reversed, falls
        self._squared, self._factor = squared, factor
        self.shape = values.shape[::-1] if is_reversed else values.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        values = self._values[..., rows].T if self._reversed else self._values[rows]
        values = values[..., ::-1] if self._falls else values
        if self._squared:
            parts = [values[name] for name in values.dtype.names] if values.dtype.names else [values.real, values.imag]
            values = sum(np.square(part, dtype="float64") for part in parts)
        return values if self._factor == 1.0 else values * self._factor


def understood(contents: Contents, pixels: int) -> Stored:
    """Bring what a file holds into the format's axes, order and units.

    Parameters
    ----------
    contents : Contents
        What it holds.
    pixels : int
        Of a pattern along an axis, as the recipe says.

    Returns
    -------
    Stored
        Its arrays; their values are checked by `load`.

    Raises
    ------
    UserError
        Where something is missing or can be read in two ways: file, dataset, what came and what to do.
    """
    path, said = contents.path, contents.said
    patterns, spectra, wavelength = (contents.arrays.get(name) for name in ARRAYS)
    if patterns is None:
        raise UserError(f"{path}: patterns: missing; expected a dataset (structure, y, x)")
    notes = []
    is_reversed = _is_reversed(contents, patterns.shape, None if spectra is None else spectra.shape, pixels)
    if is_reversed:
        notes.append("axes in reverse, as MATLAB writes them: turned")
    falls = False
    if wavelength is not None:
        wavelength, falls = _nanometres(wavelength, said.get("wavelength_units"), path)
    if falls:
        notes.append("wavelengths that fall: turned, with their spectra")
    if spectra is not None:
        squared, factor = _is_amplitude(spectra.dtype, said, path), _fraction(said, path)
        notes += ["amplitudes: squared"] * squared + [f"spectra in {said.get('spectra_units')}: converted"] * (
            factor != 1
        )
        spectra = View(spectra, is_reversed, falls, squared, factor)
    return Stored(path, View(patterns, is_reversed), spectra, wavelength, said, notes)


def plain(value):
    """Take a text or number out of what files wrap it in: bytes, arrays of one; others come back as they are."""
    while isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.item()
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else value


def _is_reversed(contents: Contents, patterns: tuple, spectra: tuple | None, pixels: int) -> bool:
    """Decide whether axes stand in reverse: by what the file says, else where the sizes fit in one way only."""
    path, said, told = contents.path, contents.said.get("patterns_axes"), contents.is_reversed
    if said is not None:
        told = AXES.get(str(said).replace(" ", "").lower())
        if told is None:
            raise UserError(f"{path}: patterns: axes {said!r}; expected 'structure, y, x' or 'x, y, structure'")
    forward, backward = (_fits(patterns[::s], spectra and spectra[::s], pixels) for s in (1, -1))
    if told is None and backward and (forward or spectra is None):
        raise UserError(
            f"{path}: patterns: has shape {patterns}: which axis is the structure's? MATLAB writes axes in reverse; "
            f"give the dataset an attribute axes: 'x, y, structure' where h5write of MATLAB wrote it, "
            f"else 'structure, y, x' in this order"
        )
    if told and said is None and forward and not backward:
        size = " x ".join(map(str, patterns[::-1]))
        raise UserError(
            f"{path}: patterns: {size} in MATLAB; expected structure x {pixels} x {pixels} (y, x): "
            f"permute(patterns, [3 1 2]), and spectra likewise, structure first"
        )
    return (backward and not forward) if told is None else told


def _fits(patterns: tuple, spectra: tuple | None, pixels: int) -> bool:
    """Tell whether these are the shapes (structure, y, x) and (structure, 2, 2, w)."""
    fits = len(patterns) == 3 and patterns[1:] == (pixels, pixels)
    return fits and (spectra is None or (len(spectra) == 4 and spectra[:3] == (patterns[0], 2, 2)))


def _nanometres(stored, unit, path: Path) -> tuple[np.ndarray, bool]:
    """Read wavelengths: ((w,) [nm] rising, whether they fall in the file)."""
    if len([size for size in stored.shape if size != 1]) > 1 or not stored.shape:
        raise UserError(f"{path}: wavelength: has shape {stored.shape}; expected (w,)")
    values = np.asarray(stored[...], "float64").reshape(-1) * _length(unit, path)
    falls = len(values) > 1 and bool((np.diff(values) < 0).all())
    values = values[::-1] if falls else values
    bad = ~(np.isfinite(values) & (np.diff(values, prepend=0.0) > 0))
    refuse_values(path, "wavelength", bad, values, "expected numbers above 0 that rise, or fall throughout", unit="nm")
    return values, falls


def _length(unit, path: Path) -> float:
    """Compute the nanometres of a unit of length."""
    text = unit.strip() if isinstance(unit, str) else ""
    for spelled in (text, text.lower()) if len(text) > 3 else (text,):  # Nanometers, but not NM, which may be nautical
        try:
            if text:
                return units.factor(spelled, "nm")
        except ValueError:
            continue
    given = "(missing)" if unit is None else repr(unit)
    raise UserError(f"{path}: wavelength: units {given}; expected nm or um, or another length, as attribute units")


def _is_amplitude(dtype: np.dtype, said: dict, path: Path) -> bool:
    """Tell whether spectra are amplitudes, to be squared: only where the file says so."""
    quantity = said.get("spectra_quantity")
    word = str(quantity).strip().lower()
    if quantity is not None and word not in POWER + AMPLITUDE:
        raise UserError(f"{path}: spectra: quantity {quantity!r}; expected transmittance or amplitude")
    if (dtype.kind == "c" or dtype.names) and word not in AMPLITUDE:
        raise UserError(
            f"{path}: spectra: complex numbers; where the transmittance is their squared magnitude, say so: "
            f"attribute quantity = 'amplitude'"
        )
    return word in AMPLITUDE


def _fraction(said: dict, path: Path) -> float:
    """Compute what makes fractions of the spectra's unit; without one they are fractions."""
    unit = said.get("spectra_units", "1")
    try:
        return 1.0 if unit in ("", "1") else units.factor(str(unit), "1")
    except ValueError:
        raise UserError(f"{path}: spectra: units {unit!r}; expected 1 or %, fractions of the incident light") from None


def mistaken_unit(stored: Stored, low: float, high: float) -> str:
    """Ask for another unit of the wavelengths where that would bring them into the range from low to high [nm]."""
    if stored.wavelength is None:
        return ""
    numbers = stored.wavelength / _length(stored.said.get("wavelength_units"), stored.path)
    for name, size in LENGTHS.items():
        if 0.999 * low <= numbers.min() * size and numbers.max() * size <= 1.001 * high:
            return f"; are they in {name}? Then say so by the attribute units"
    return ""
