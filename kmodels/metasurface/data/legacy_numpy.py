"""The prototype's NumPy pairs: NAMEpatterns.npy and NAMEspectra.npy.

    patterns  (structure, 1, y, x)  uint8    1 silicon nitride, 0 gap
    spectra   (structure, 3, w)     float32  red, green, blue, negative: the flux of a solver whose axis points up

"Prototype" is the document that the first network was specified in; these are its files. The sign is inverted on
reading. A row of zeros was not simulated. Both green pixels get the one green spectrum, so no difference between them
can be learned from such a file. Wavelengths and the order of pixels are the recipe's.
"""

from pathlib import Path

import numpy as np

from kmodels.core.io.files import read_array
from kmodels.core.spec.errors import UserError

PATTERNS, SPECTRA = "patterns.npy", "spectra.npy"
NOTE = "spectra of NumPy pairs have one green: both green pixels are equal by construction"


def pair_of(path: Path) -> tuple[Path, Path]:
    """Name both files, patterns and spectra, of a pair that one of its files names.

    Raises
    ------
    UserError
        Where the name is not that of a pair's file.
    """
    for suffix in (PATTERNS, SPECTRA):
        if path.name.lower().endswith(suffix):
            name, given = path.name[: -len(suffix)], path.name[-len(suffix) :]
            alike = str.upper if given.isupper() else lambda other: other.removesuffix(".npy") + path.suffix
            patterns, spectra = (path.with_name(name + alike(other)) for other in (PATTERNS, SPECTRA))
            return (path, spectra) if suffix == PATTERNS else (patterns, path)
    raise UserError(f"{path}: expected a pair NAME{PATTERNS} and NAME{SPECTRA}")


def open_array(path: Path, ndim: int, layout: str) -> np.ndarray:
    """Open an array of numbers and leave it on disk.

    Raises
    ------
    UserError
        Where the file is none, or has other dimensions than `layout` says.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; a pair is NAME{PATTERNS} and NAME{SPECTRA}")
    values = read_array(path, on_disk=True)
    if values.ndim != ndim or (ndim == 3 and values.shape[1] != 3) or (ndim == 4 and values.shape[1] != 1):
        raise UserError(f"{path}: has shape {values.shape}; expected {layout}")
    return values


def read_patterns(path: Path) -> np.ndarray:
    """Open patterns (structure, y, x), left on disk."""
    return open_array(path, 4, "(structure, 1, y, x)")[:, 0]


def read_spectra(path: Path) -> np.ndarray:
    """Open spectra (structure, 3, w) as stored, left on disk: red, green, blue."""
    return open_array(path, 3, "(structure, 3, w)")


def spectra_of_pixels(spectra: np.ndarray, pixel_order: str) -> np.ndarray:
    """Give each pixel the spectrum of its colour: (structure, 2, 2, w) of (structure, 3, w)."""
    colours = ["RGB".index(colour) for colour in pixel_order]
    return spectra[:, colours].reshape(len(spectra), 2, 2, -1)
