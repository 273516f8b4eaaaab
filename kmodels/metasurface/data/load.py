"""Read files of structures. Bad input is refused by file, dataset, index, value and rule.

Formats, by suffix: HDF5 (.h5, .hdf5, see hdf5.py), MATLAB (.mat, see matlab.py; v7.3 is HDF5) and the prototype's
NumPy pairs (.npy, see legacy_numpy.py). layout.py says what is turned and converted.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from kmodels.core.io import rows
from kmodels.core.io.files import reading
from kmodels.core.io.hdf5 import refuse_crashing
from kmodels.core.io.refusal import refuse_values
from kmodels.core.runs.cache import data_files
from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data import agreement, hdf5, legacy_numpy, matlab
from kmodels.metasurface.data.layout import Contents, Stored, understood
from kmodels.metasurface.data.records import Structures, fingerprints, pack
from kmodels.metasurface.recipe import MetasurfaceRecipe

SUFFIXES = (".h5", ".hdf5", ".mat", ".npy")
ROUNDING = 1e-6  # by which a transmittance may lie outside [0, 1]
BLOCK = 256  # structures that are checked at once
LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Part:
    """The content of one file or pair: the fields of Structures, `numbers`, (n,) the index in the file, and `unknown`.

    `dropped` counts the structures left out, `unknown` those among them with NaN in their spectra.
    """

    file: Path
    bits: np.ndarray
    spectra: np.ndarray | None
    wavelength: np.ndarray
    pixel_order: str
    numbers: np.ndarray
    fingerprints: np.ndarray
    dropped: int
    unknown: int
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of structures."""
        return len(self.numbers)


def load(path: str | Path, recipe: MetasurfaceRecipe, labels: bool = True) -> Structures:
    """Read the structures of a file, or of a folder's files.

    Parameters
    ----------
    path : str or Path
        A file or folder.
    recipe : MetasurfaceRecipe
        Says which geometry, size and wavelengths are expected.
    labels : bool
        True: spectra must be there; structures whose spectra are all zero were not simulated and are left out, and so
        are those with NaN in them. False: spectra may be missing and are ignored.

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
        if suffix in (".h5", ".hdf5", ".mat"):
            parts.append(_structures(file, recipe.data, labels))
        elif suffix != ".npy":
            raise UserError(f"{file}: data of metasurface is a file {', '.join(SUFFIXES)}")
        elif file == legacy_numpy.pair_of(file)[0] or not legacy_numpy.pair_of(file)[0].exists():
            parts.append(_pair(file, recipe.data, labels))
    _check_alike(parts)
    return _join(parts)


def sizes(path: str | Path, chosen: dict) -> dict:
    """Measure patterns and wavelengths of the first file, and read for which geometry it was solved, for a recipe.

    Parameters
    ----------
    path : str or Path
        A file or folder.
    chosen : dict
        Fields of the recipe that somebody chose, by dotted key.

    Returns
    -------
    dict
        By dotted key of the recipe; wavelengths only where they are evenly spaced, as the network needs them.

    Raises
    ------
    UserError
        As `load` does.
    """
    files = data_files(path, SUFFIXES)
    refuse_crashing(files)
    _refuse_pointer(files[0])
    if files[0].suffix.lower() == ".npy":
        return {"data.pixels": legacy_numpy.read_patterns(legacy_numpy.pair_of(files[0])[0]).shape[-1]}
    with _opened(files[0]) as contents:
        shape = contents.arrays["patterns"].shape if "patterns" in contents.arrays else ()
        if len(shape) != 3:
            return {}  # `load` refuses it
        side = shape[0] if shape[0] == shape[1] != shape[2] else shape[-1]  # reversed, by MATLAB
        pixels = chosen.get("data.pixels", side)
        stored = understood(contents, pixels)
        return {"data.pixels": pixels} | agreement.solved_for(stored.said) | agreement.spaced(stored.wavelength)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Contents]:
    """Open an HDF5 or MATLAB file."""
    if file.suffix.lower() == ".mat" and not h5py.is_hdf5(file):
        yield matlab.read(file)
        return
    with reading(file, "HDF5"), h5py.File(file, "r") as opened:
        yield hdf5.read(opened, file)


def _refuse_pointer(file: Path) -> None:
    """Refuse a file that Git LFS has not fetched yet."""
    with file.open("rb") as opened:
        if opened.read(len(LFS)) == LFS:
            raise UserError(f"{file}: a Git LFS pointer, not the data; `git lfs pull` fetches it")


def _structures(file: Path, data, labels: bool) -> Part:
    """Read the structures of an HDF5 or MATLAB file."""
    with _opened(file) as contents:
        return _stored(understood(contents, data.pixels), data, labels)


def _stored(stored: Stored, data, labels: bool) -> Part:
    """Check the arrays of a file against the recipe, and read them."""
    file = stored.path
    agreement.geometry(file, stored.said, data)
    agreement.patterns(file, stored.patterns.shape, data)
    if labels and stored.spectra is None:
        raise UserError(f"{file}: spectra: missing; expected a dataset (structure, 2, 2, w)")
    wavelength = agreement.wavelengths(stored, data, labels)
    order = agreement.pixel_order(stored, data, labels)
    spectra = stored.spectra if labels else None
    if spectra is not None:
        wanted = (len(stored.patterns), 2, 2, len(wavelength))
        agreement.shape(file, "spectra", spectra.shape, wanted, "(structure, row, column, wavelength)")
    source = Source(file, "spectra")
    blocks = _blocks(stored.patterns, spectra, Source(file, "patterns"), source)
    return _part(file, wavelength, order, _transmittance(blocks, source, 1.0), tuple(stored.notes))


def _pair(file: Path, data, labels: bool) -> Part:
    """Read the structures of a NumPy pair."""
    patterns_file, spectra_file = legacy_numpy.pair_of(file)
    patterns = legacy_numpy.read_patterns(patterns_file)
    agreement.patterns(patterns_file, patterns.shape, data)
    source, spectra = Source(spectra_file, "spectra"), None
    if labels:
        if spectra_file.exists():
            _refuse_pointer(spectra_file)
        spectra = legacy_numpy.read_spectra(spectra_file)
        wanted = (len(patterns), 3, data.n_wavelengths)
        agreement.shape(spectra_file, "spectra", spectra.shape, wanted, "(structure, colour, wavelength)")
    blocks = _blocks(patterns, spectra, Source(patterns_file, "patterns"), source)
    transmittance = _transmittance(
        blocks, source, -1.0, lambda rgb: legacy_numpy.spectra_of_pixels(rgb, data.pixel_order)
    )
    notes = (legacy_numpy.NOTE,) if labels else ()
    return _part(patterns_file, data.wavelengths(), data.pixel_order, transmittance, notes)


@dataclass(frozen=True)
class Source:
    """Where an array came from, for messages."""

    file: Path
    name: str


def _part(file: Path, wavelength, pixel_order: str, blocks: Iterable, notes: tuple[str, ...] = ()) -> Part:
    """Join (numbers, patterns, spectra) of a file's blocks; structures of no or unknown spectra are left out."""
    bits, spectra, prints, numbers, zero, unknown = rows.Appended(), rows.Appended(), [], [], 0, 0
    for first, patterns, transmittance in blocks:
        kept = np.ones(len(patterns), bool)
        if transmittance is not None:
            nan, kept = np.isnan(transmittance).any((1, 2, 3)), transmittance.any((1, 2, 3))
            zero, unknown = zero + int((~kept).sum()), unknown + int(nan.sum())
            kept &= ~nan
        numbers.append(first + np.flatnonzero(kept))
        bits.append(pack(patterns[kept]))
        prints.append(fingerprints(patterns[kept]))
        if transmittance is not None:
            spectra.append(transmittance[kept])
    left_out = [f"{zero} unsimulated ones (all 0)"] * (zero > 0) + [f"{unknown} with NaN in their spectra"] * (
        unknown > 0
    )
    if not sum(map(len, numbers)):
        raise UserError("; ".join([f"{file}: no structures", *left_out]))
    return Part(
        file=file,
        bits=bits.array(),
        spectra=spectra.array() if len(spectra) else None,
        wavelength=wavelength,
        pixel_order=pixel_order,
        numbers=np.concatenate(numbers),
        fingerprints=np.concatenate(prints),
        dropped=zero + unknown,
        unknown=unknown,
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
            _check(spectra_source, np.isinf(transmittance), transmittance, first, "expected a number")
        yield first, block.astype("uint8"), transmittance


def _check(source: Source, bad: np.ndarray, values: np.ndarray, first: int, rule: str) -> None:
    """Raise for the first element of the mask, if there is one; `first` is the number of the block's first row."""
    refuse_values(source.file, source.name, bad, values, rule, first=first)


def _transmittance(blocks, source: Source, sign: float, change=lambda values: values):
    """Convert the blocks' spectra to transmittance in [0, 1]."""
    percent = "; is it in percent? Then say so by the attribute units = '%'"
    rule = "a transmittance lies in [0, 1]" if sign > 0 else "expected -1 .. 0, the sign of such files"
    for first, patterns, stored in blocks:
        transmittance = None
        if stored is not None:
            transmittance = sign * stored
            bad = (transmittance < -ROUNDING) | (transmittance > 1 + ROUNDING)
            asked = percent if sign > 0 and 5 < np.nanmax(transmittance, initial=0) <= 100 else ""
            _check(source, bad, stored, first, rule + asked)
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
        bits=_joined([part.bits for part in parts]),
        spectra=None if parts[0].spectra is None else _joined([part.spectra for part in parts]),
        wavelength=parts[0].wavelength,
        pixel_order=parts[0].pixel_order,
        names=np.array(names),
        groups=groups.reshape(-1),
        dropped=sum(part.dropped for part in parts),
        notes=_notes(parts),
    )


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Join arrays along their rows; one too large for memory lies on disk."""
    if len(arrays) == 1:
        return arrays[0]
    joined = rows.Appended()
    for array in arrays:
        for some in rows.blocks(array):
            joined.append(array[some])
    return joined.array()


def _notes(parts: list[Part]) -> tuple[str, ...]:
    """List what a reader must know about the files, each once with the number of files, and what was left out."""
    counts = Counter(note for part in parts for note in part.notes)
    notes = [note if note == legacy_numpy.NOTE else f"{note} (files: {count})" for note, count in counts.items()]
    n, unknown, dropped = (sum(getattr(part, name) for part in parts) for name in ("n", "unknown", "dropped"))
    if dropped > unknown:
        notes.append(f"{dropped - unknown} of {n + dropped} structures were not simulated (all 0): left out")
    if unknown:
        notes.append(f"{unknown} of {n + dropped} structures have NaN in their spectra: left out")
    return tuple(notes)
