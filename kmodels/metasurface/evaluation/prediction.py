"""What the network says: the share of light of each pixel, as a table, as CSV and as HDF5."""

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
    """Spectra of n structures.

    structures: what they were predicted for. shares: (n, 2, 2, w) float32 of the light, by pixel. reflected: (n, w)
    float32, None where the network does not say. band: lowest and highest wavelength of the recipe [nm].
    """

    structures: Structures
    shares: np.ndarray
    reflected: np.ndarray | None
    band: tuple[float, float]

    def frame(self) -> pd.DataFrame:
        """A row a structure: its name; each pixel's mean share in blue, green and red light; what reaches any pixel."""
        columns = {"structure": self.structures.names}
        light = light_of(self.structures.wavelength, self.band)
        pixels = self.shares.reshape(len(self.shares), 4, -1)
        for pixel, name in enumerate(pixel_names(self.structures.pixel_order)):
            for band, there in zip(BANDS, light, strict=True):
                if there.any():
                    columns[f"{name}_{band}"] = pixels[:, pixel, there].mean(-1)
        return pd.DataFrame(columns | {"transmitted": self.shares.sum((1, 2)).mean(-1)})

    def write(self, path: str | Path) -> None:
        """Save as HDF5, in the layout that `load` reads, or as CSV, a row a structure, pixel and wavelength.

        Raises UserError for another suffix.
        """
        suffix = Path(path).suffix
        if suffix not in SUFFIXES:
            raise UserError(f"{path}: spectra are written as {' or '.join(SUFFIXES)}")
        if suffix == ".csv":
            files.write_table(path, self.table())
            return
        structures = self.structures
        about = {"pixel_order": structures.pixel_order, "source": "kmodels metasurface, predicted by its network"}
        hdf5.write(path, structures.patterns(), self.shares, structures.wavelength, about, self.reflected)

    def table(self) -> pd.DataFrame:
        """A row a structure, pixel and wavelength [nm]."""
        names, wavelength = self.structures.names, self.structures.wavelength
        n, w = len(names), len(wavelength)
        pixel = np.tile(np.repeat(pixel_names(self.structures.pixel_order), w), n)
        return pd.DataFrame(
            {
                "structure": np.repeat(names, 4 * w),
                "pixel": pixel,
                "wavelength": np.tile(wavelength, 4 * n),
                "share": self.shares.reshape(-1),
            }
        )


def pixel_names(pixel_order: str) -> list[str]:
    """Names of the four pixels, row by row: R, G1, G2, B for RGGB."""
    greens = iter("12")
    return [colour + next(greens) if colour == "G" else colour for colour in pixel_order]


def light_of(wavelength: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """(3, w) bool: which wavelengths are blue, green and red light: equal thirds of the band."""
    third = np.minimum((wavelength - band[0]) / (band[1] - band[0]) * 3, 2).astype(int)
    return np.arange(3)[:, None] == third
