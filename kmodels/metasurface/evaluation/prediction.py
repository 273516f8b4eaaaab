"""The network's prediction: the transmittance of each pixel, as a table, as CSV and as HDF5."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.io import files
from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data import hdf5
from kmodels.metasurface.data.records import Structures

SUFFIXES = (".h5", ".csv")
BANDS = ("blue", "green", "red")  # equal thirds of the range of wavelengths, the shortest first


@dataclass(frozen=True, eq=False)
class Spectra:
    """Predicted spectra of n structures.

    Attributes
    ----------
    structures : Structures
        Whose spectra they are.
    transmittance : ndarray
        (n, 2, 2, w) float32, by pixel.
    reflected : ndarray or None
        (n, w) float32 reflectance; None where the network does not predict it.
    band : tuple of float
        Shortest and longest wavelength of the recipe [nm].
    half_width : ndarray or None
        (w,) of the 90% intervals; None where the network was not calibrated.
    unlike : ndarray or None
        (n,) bool, patterns unlike those of the training: intervals do not hold for them.
    """

    structures: Structures
    transmittance: np.ndarray
    reflected: np.ndarray | None
    band: tuple[float, float]
    half_width: np.ndarray | None = None
    unlike: np.ndarray | None = None

    def frame(self) -> pd.DataFrame:
        """Tabulate each structure's name, mean transmittance by pixel and colour of light, and in total."""
        columns = {"structure": self.structures.names}
        light = light_of(self.structures.wavelength, self.band)
        pixels = self.transmittance.reshape(len(self.transmittance), 4, -1)
        for pixel, name in enumerate(pixel_names(self.structures.pixel_order)):
            for band, there in zip(BANDS, light, strict=True):
                if there.any():
                    columns[f"{name}_{band}"] = pixels[:, pixel, there].mean(-1)
        columns["transmitted"] = self.transmittance.sum((1, 2)).mean(-1)
        if self.unlike is not None:
            columns["unlike_training"] = self.unlike
        return pd.DataFrame(columns)

    def write(self, path: str | Path) -> None:
        """Save as HDF5, in the layout that `load` reads, or as CSV with a row for each structure, pixel and wavelength.

        Raises
        ------
        UserError
            For another suffix.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise UserError(f"{path}: spectra are written as {' or '.join(SUFFIXES)}")
        if suffix == ".csv":
            files.write_table(path, self.table())
            return
        structures = self.structures
        metadata = {"pixel_order": structures.pixel_order, "source": "kmodels metasurface, predicted by its network"}
        more = {} if self.reflected is None else {"reflected": self.reflected}
        hdf5.write(path, structures.patterns(), self.transmittance, structures.wavelength, metadata, **more)

    def table(self) -> pd.DataFrame:
        """Tabulate the transmittance, with its interval, with a row for each structure, pixel and wavelength [nm]."""
        names, wavelength = self.structures.names, self.structures.wavelength
        n, w = len(names), len(wavelength)
        pixel = np.tile(np.repeat(pixel_names(self.structures.pixel_order), w), n)
        columns = {
            "structure": np.repeat(names, 4 * w),
            "pixel": pixel,
            "wavelength": np.tile(wavelength, 4 * n),
            "transmittance": self.transmittance.reshape(-1),
        }
        if self.half_width is not None:
            columns["low"] = np.maximum(self.transmittance - self.half_width, 0.0).reshape(-1)
            columns["high"] = np.minimum(self.transmittance + self.half_width, 1.0).reshape(-1)
        if self.unlike is not None:
            columns["unlike_training"] = np.repeat(self.unlike, 4 * w)
        return pd.DataFrame(columns)


def pixel_names(pixel_order: str) -> list[str]:
    """Name the four pixels, row by row: R, G1, G2, B for RGGB."""
    greens = iter("12")
    return [colour + next(greens) if colour == "G" else colour for colour in pixel_order]


def light_of(wavelength: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """Tell which wavelengths are blue, green and red light, equal thirds of the band: (3, w) bool."""
    third = np.minimum((wavelength - band[0]) / (band[1] - band[0]) * 3, 2).astype(int)
    return np.arange(3)[:, None] == third
