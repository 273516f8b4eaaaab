"""Predicted depth images with their parts, as a table, as arrays in millimetres and as pictures."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kmodels.core.io import files, system
from kmodels.core.spec.errors import UserError
from kmodels.echo.data.batvision import MILLIMETRES
from kmodels.echo.data.records import EchoPairs

SUFFIXES = ("",)  # it is written as a folder
PICTURE = 256  # pixels, at least


@dataclass(frozen=True, eq=False)
class DepthImages:
    """Depth images of n pairs, and their two parts, where the network has them.

    Parameters
    ----------
    pairs : EchoPairs
        What they were predicted for.
    depth : array
        (n, size, size) [m].
    base, residual : array, optional
        (n, size, size) [m]; None for a network with a single decoder.
    """

    pairs: EchoPairs
    depth: np.ndarray
    base: np.ndarray | None = None
    residual: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.depth)

    def frame(self) -> pd.DataFrame:
        """Make a table with a row a pair.

        Columns: its recording; the image's nearest, mean and farthest depth and that of its middle [m]; the mean of
        the base and the mean size of the residual [m].
        """
        middle = slice(self.depth.shape[1] // 2 - 1, self.depth.shape[1] // 2 + 1)
        columns = {
            "recording": [system.text_of(name) for name in self.pairs.names],
            "nearest": self.depth.min((1, 2)),
            "mean": _mean(self.depth),
            "farthest": self.depth.max((1, 2)),
            "middle": _mean(self.depth[:, middle, middle]),
        }
        if self.base is not None:
            columns |= {"base": _mean(self.base), "residual": _mean(np.abs(self.residual))}
        return pd.DataFrame(columns)

    def write(self, path: str | Path) -> None:
        """Save into a folder: `<room>/<recording>.npy`, uint16 [mm] as BatVision's, a .png of each, and summary.csv.

        Raises
        ------
        UserError
            Where the path is a file.
        """
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: is a file; depth images are written into a folder")
        for name, depth in zip(self.pairs.names, self.depth, strict=True):
            stem = (folder / name).with_suffix("")
            millimetres = np.rint(depth * MILLIMETRES).astype(np.uint16)
            files.write_bytes(stem.with_name(stem.name + ".npy"), files.array_bytes(millimetres))
            files.write_bytes(stem.with_name(stem.name + ".png"), _picture(depth, self.pairs.max_depth))
        files.write_table(folder / "summary.csv", self.frame())


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean((1, 2), dtype="float64")


def _picture(depth: np.ndarray, max_depth: float) -> bytes:
    """Return the image in colours from 0 to max_depth as a PNG file's bytes."""
    from matplotlib import image

    buffer = io.BytesIO()
    times = -(-PICTURE // len(depth))
    image.imsave(buffer, depth.repeat(times, 0).repeat(times, 1), vmin=0, vmax=max_depth, cmap="viridis", format="png")
    return buffer.getvalue()


def decode(model, pairs: EchoPairs, outputs) -> DepthImages:
    """Name the network's outputs."""
    return DepthImages(pairs, *(outputs.get(name) for name in ("depth", "base", "residual")))
