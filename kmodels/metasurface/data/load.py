"""Read files of structures. Bad input is refused by file, dataset, index, value and rule.

Formats, by suffix: HDF5 (.h5, .hdf5, see hdf5.py) and the prototype's NumPy pairs (.npy, see legacy_numpy.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from kmodels.core.io.files import reading
from kmodels.core.io.hdf5 import refuse_crashing
from kmodels.core.io.refusal import refuse_values
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data import hdf5, legacy_numpy
from kmodels.metasurface.data.records import Structures, fingerprints, pack
from kmodels.metasurface.recipe import MetasurfaceRecipe

SUFFIXES = (".h5", ".hdf5", ".npy")
ROUNDING = 1e-6  # by which a transmittance may lie outside [0, 1]
BLOCK = 256  # structures that are checked at once
LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Part:
    """The content of one file or pair: the fields of Structures, and `numbers`, (n,) the index in the file."""

    file: Path
    bits: np.ndarray
    spectra: np.ndarray | None
    wavelength: np.ndarray
    pixel_order: str
    numbers: np.ndarray
    fingerprints: np.ndarray
    dropped: int
    notes: tuple[str, ...] = ()


def load(path: str | Path, recipe: MetasurfaceRecipe, labels: bool = True) -> Structures:
    """Read the structures of a file, or of a folder's files.

    Parameters
    ----------
    path : str or Path
        A file or folder.
    recipe : MetasurfaceRecipe
        Says which geometry, size and wavelengths are expected.
    labels : bool
        True: spectra must be there; structures whose spectra are all zero were not simulated and are left out. False:
        spectra may be missing and are ignored.

    Returns
    -------
    Structures
        Of all files.

    Raises
    ------
    UserError
        That names file, dataset, index, value and what is allowed.
    """
    parts, files = [], data_files(path, SUFFIXES)
    refuse_crashing(files)
    for file in files:
        _refuse_pointer(file)
        suffix = file.suffix.lower()
        if suffix in (".h5", ".hdf5"):
            parts.append(_hdf5(file, recipe.data, labels))
        elif suffix != ".npy":
            raise UserError(f"{file}: data of metasurface is a file {', '.join(SUFFIXES)}")
        elif file == legacy_numpy.pair_of(file)[0] or not legacy_numpy.pair_of(file)[0].exists():
            parts.append(_pair(file, recipe.data, labels))
    _check_alike(parts)
    return _join(parts)


def _refuse_pointer(file: Path) -> None:
    """Refuse a file that Git LFS has not fetched yet."""
    with file.open("rb") as opened:
        if opened.read(len(LFS)) == LFS:
            raise UserError(f"{file}: a Git LFS pointer, not the data; `git lfs pull` fetches it")


def _hdf5(file: Path, data, labels: bool) -> Part:
    """Read the structures of an HDF5 file."""
    with reading(file, "HDF5"), h5py.File(file, "r") as opened:
        stored = hdf5.read(opened, file)
        _check_geometry(file, opened.attrs, data)
        _check_patterns(file, stored.patterns.shape, data)
        if labels and stored.spectra is None:
            raise UserError(f"{file}: spectra: missing; expected a dataset (structure, 2, 2, w)")
        wavelength = _wavelength(file, stored.wavelength, data, labels)
        order = _pixel_order(stored, data, labels)
        spectra = stored.spectra if labels else None
        if spectra is not None:
            wanted = (len(stored.patterns), 2, 2, len(wavelength))
            _check_shape(file, "spectra", spectra.shape, wanted, "(structure, row, column, wavelength)")
        source = Source(file, "spectra")
        blocks = _blocks(stored.patterns, spectra, Source(file, "patterns"), source)
        return _part(file, wavelength, order, _transmittance(blocks, source, 1.0))


def _check_geometry(file: Path, attributes, data) -> None:
    """Refuse structures that were solved for something else than the recipe says, where the file says for what."""
    for name in ("period", "height", "distance", "cover", "gap", "spacer"):
        wanted = getattr(data, name)
        found = attributes.get(name, wanted)
        found = found.item() if getattr(found, "size", 0) == 1 else found  # numbers are arrays of one
        if found != wanted:
            raise UserError(f"{file}: attribute {name} = {found}; the recipe has data.{name} = {wanted}")


def _pixel_order(stored: hdf5.Stored, data, labels: bool) -> str:
    """Check the file's order of colours, which must be the recipe's."""
    found, expected = stored.pixel_order, data.pixel_order
    if (found is None and labels) or found not in (None, expected):
        given = "missing" if found is None else repr(found)
        raise UserError(f"{stored.path}: attribute pixel_order: {given}; data.pixel_order = {expected!r}")
    return expected


def _wavelength(file: Path, wavelength: np.ndarray | None, data, labels: bool) -> np.ndarray:
    """Check the file's wavelengths, (w,) [nm], within the recipe's range; the recipe's where they may be missing."""
    if wavelength is None:
        if labels:
            raise UserError(f"{file}: wavelength: missing; expected a dataset (w,) with units")
        return data.wavelengths()
    low, high = data.wavelength
    outside = (wavelength < low * (1 - ROUNDING)) | (wavelength > high * (1 + ROUNDING))
    if outside.any():
        k = int(np.argmax(outside))
        raise UserError(f"{file}: wavelength[{k}] = {wavelength[k]:g} nm; data.wavelength = [{low:g}, {high:g}] nm")
    return wavelength


def _pair(file: Path, data, labels: bool) -> Part:
    """Read the structures of a NumPy pair."""
    patterns_file, spectra_file = legacy_numpy.pair_of(file)
    patterns = legacy_numpy.read_patterns(patterns_file)
    _check_patterns(patterns_file, patterns.shape, data)
    source, spectra = Source(spectra_file, "spectra"), None
    if labels:
        if spectra_file.exists():
            _refuse_pointer(spectra_file)
        spectra = legacy_numpy.read_spectra(spectra_file)
        wanted = (len(patterns), 3, data.n_wavelengths)
        _check_shape(spectra_file, "spectra", spectra.shape, wanted, "(structure, colour, wavelength)")
    blocks = _blocks(patterns, spectra, Source(patterns_file, "patterns"), source)
    transmittance = _transmittance(
        blocks, source, -1.0, lambda rgb: legacy_numpy.spectra_of_pixels(rgb, data.pixel_order)
    )
    notes = (legacy_numpy.NOTE,) if labels else ()
    return _part(patterns_file, data.wavelengths(), data.pixel_order, transmittance, notes)


def _check_patterns(file: Path, shape: tuple, data) -> None:
    """Refuse patterns of a size that the recipe's network does not take."""
    if len(shape) != 3 or shape[1:] != (data.pixels, data.pixels):
        rule = f"expected (structure, y, x) with y = x = data.pixels = {data.pixels}"
        raise UserError(f"{file}: patterns: has shape {shape}; {rule}")


def _check_shape(file: Path, name: str, shape: tuple, wanted: tuple, layout: str) -> None:
    if shape != wanted:
        raise UserError(f"{file}: {name}: has shape {shape}; expected {layout} = {wanted}")


@dataclass(frozen=True)
class Source:
    """Where an array came from, for messages."""

    file: Path
    name: str


def _part(file: Path, wavelength, pixel_order: str, blocks: Iterable, notes: tuple[str, ...] = ()) -> Part:
    """Join (numbers, patterns, spectra) of a file's blocks; unsimulated structures are left out."""
    numbers, bits, spectra, prints, dropped = [], [], [], [], 0
    for first, patterns, transmittance in blocks:
        kept = np.ones(len(patterns), bool) if transmittance is None else transmittance.any((1, 2, 3))
        dropped += int((~kept).sum())
        numbers.append(first + np.flatnonzero(kept))
        bits.append(pack(patterns[kept]))
        prints.append(fingerprints(patterns[kept]))
        if transmittance is not None:
            spectra.append(transmittance[kept])
    if not sum(map(len, numbers)):
        raise UserError(f"{file}: no structures" + (f"; {dropped} unsimulated ones (all 0)" if dropped else ""))
    return Part(
        file=file,
        bits=np.concatenate(bits),
        spectra=np.concatenate(spectra) if spectra else None,
        wavelength=wavelength,
        pixel_order=pixel_order,
        numbers=np.concatenate(numbers),
        fingerprints=np.concatenate(prints),
        dropped=dropped,
        notes=notes,
    )


def _blocks(patterns, spectra, pattern_source: Source, spectra_source: Source):
    """Check one block after the other: (first number, patterns (n, y, x) uint8, spectra as stored or None)."""
    for first in range(0, len(patterns), BLOCK):
        block = np.asarray(patterns[first : first + BLOCK])
        _check(pattern_source, ~np.isin(block, (0, 1)), block, first, "expected 0 or 1")
        transmittance = None
        if spectra is not None:
            transmittance = np.asarray(spectra[first : first + BLOCK], "float32")
            _check(spectra_source, ~np.isfinite(transmittance), transmittance, first, "expected a number")
        yield first, block.astype("uint8"), transmittance


def _check(source: Source, bad: np.ndarray, values: np.ndarray, first: int, rule: str) -> None:
    """Raise for the first element of the mask, if there is one; `first` is the number of the block's first row."""
    refuse_values(source.file, source.name, bad, values, rule, first=first)


def _transmittance(blocks, source: Source, sign: float, change=lambda values: values):
    """Convert the blocks' spectra to transmittance in [0, 1]."""
    rule = "a transmittance lies in [0, 1]" if sign > 0 else "expected -1 .. 0, the sign of such files"
    for first, patterns, stored in blocks:
        transmittance = None
        if stored is not None:
            transmittance = sign * stored
            _check(source, (transmittance < -ROUNDING) | (transmittance > 1 + ROUNDING), stored, first, rule)
            transmittance = change(np.clip(transmittance, 0.0, 1.0))
        yield first, patterns, transmittance


def _check_alike(parts: list[Part]) -> None:
    """Refuse files whose wavelengths differ: one array cannot hold them."""
    first = parts[0]
    for part in parts[1:]:
        same = part.wavelength.shape == first.wavelength.shape
        if not same or not np.allclose(part.wavelength, first.wavelength, rtol=ROUNDING, atol=0):
            spans = [f"{len(p.wavelength)} from {p.wavelength[0]:g} to {p.wavelength[-1]:g} nm" for p in (part, first)]
            raise UserError(f"{part.file}: wavelength: {spans[0]}; {first.file} has {spans[1]}")


def _join(parts: list[Part]) -> Structures:
    """Join all parts to one set; copies of a structure, transposed, flipped or shifted, have one group."""
    prints = np.concatenate([part.fingerprints for part in parts])
    _, groups = np.unique(prints, axis=0, return_inverse=True)
    names = [f"{part.file.stem}:{number}" for part in parts for number in part.numbers]
    return Structures(
        bits=np.concatenate([part.bits for part in parts]),
        spectra=None if parts[0].spectra is None else np.concatenate([part.spectra for part in parts]),
        wavelength=parts[0].wavelength,
        pixel_order=parts[0].pixel_order,
        names=np.array(names),
        groups=groups.reshape(-1),
        dropped=sum(part.dropped for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
