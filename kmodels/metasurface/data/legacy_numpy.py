"""The seed's NumPy pairs: NAMEpatterns.npy and NAMEspectra.npy.

    patterns  (structure, 1, y, x)  uint8    1 silicon nitride, 0 gap
    spectra   (structure, 3, w)     float32  red, green, blue, negative: the flux of a solver whose axis points up

The sign is turned round. A row of zeros was not simulated. Green is one number, so both green pixels get it and no
difference between them can be learned from such a file. Wavelengths and the order of pixels are the recipe's.
"""

from pathlib import Path

import numpy as np

from kmodels.core.io.files import read_array
from kmodels.core.spec.errors import UserError

PATTERNS, SPECTRA = "patterns.npy", "spectra.npy"
NOTE = "spectra of NumPy pairs have one green: both green pixels are equal by construction"


def pair_of(path: Path) -> tuple[Path, Path]:
    """(file with the patterns, file with the spectra) of a pair that one of its files names."""
    for suffix in (PATTERNS, SPECTRA):
        if path.name.endswith(suffix):
            name = path.name.removesuffix(suffix)
            return path.with_name(name + PATTERNS), path.with_name(name + SPECTRA)
    raise UserError(f"{path}: expected a pair NAME{PATTERNS} and NAME{SPECTRA}")


def opened(path: Path, ndim: int, layout: str) -> np.ndarray:
    """An array of numbers left on disk. Raises UserError where the file is none, or has other dimensions."""
    if not path.exists():
        raise UserError(f"{path}: no such file; a pair is NAME{PATTERNS} and NAME{SPECTRA}")
    values = read_array(path, on_disk=True)
    if values.ndim != ndim or (ndim == 3 and values.shape[1] != 3) or (ndim == 4 and values.shape[1] != 1):
        raise UserError(f"{path}: has shape {values.shape}; expected {layout}")
    return values


def read_patterns(path: Path) -> np.ndarray:
    """(structure, y, x), left on disk."""
    return opened(path, 4, "(structure, 1, y, x)")[:, 0]


def read_spectra(path: Path) -> np.ndarray:
    """(structure, 3, w) as stored, left on disk: red, green, blue."""
    return opened(path, 3, "(structure, 3, w)")


def four_pixels(spectra: np.ndarray, pixel_order: str) -> np.ndarray:
    """(structure, 2, 2, w) of (structure, 3, w): each pixel gets the spectrum of its colour."""
    colours = ["RGB".index(colour) for colour in pixel_order]
    return spectra[:, colours].reshape(len(spectra), 2, 2, -1)
