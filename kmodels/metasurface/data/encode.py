"""Structures as the network's inputs: patterns, and the wavelengths that it is asked for."""

from dataclasses import dataclass

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.recipe import MetasurfaceRecipe

OFF_GRID = 1e-3  # by which a wavelength may miss its place on a grid [grid spacings]


@dataclass(frozen=True)
class StructureExamples:
    """One example for each structure and each of `grids`: structure 0 on every grid, structure 1 on every grid, ...

    grids: (grids, w) wavelengths [nm], each grid evenly spaced as the network was trained. inputs: pattern
    (rows, y, x, 1) of 0 and 1; wavelength (rows, w) [nm]. targets: spectra (rows, 2, 2, w), where they are known on
    the one grid there is.
    """

    structures: Structures
    grids: np.ndarray
    targets: bool

    def __len__(self) -> int:
        return len(self.structures) * len(self.grids)

    def take(self, rows) -> tuple[dict, dict]:
        """(inputs, targets) of these rows."""
        structure, grid = np.divmod(np.asarray(rows), len(self.grids))
        pattern = self.structures.patterns(structure)[..., None].astype("float32")
        inputs = {"pattern": pattern, "wavelength": self.grids[grid].astype("float32")}
        return inputs, {"spectra": self.structures.spectra[structure]} if self.targets else {}


def encode(structures: Structures, recipe: MetasurfaceRecipe) -> StructureExamples:
    """Examples of these structures on their wavelengths; targets where they are known and one grid holds them."""
    grids = grids_of(structures.wavelength, recipe.data)
    return StructureExamples(structures, grids, structures.spectra is not None and len(grids) == 1)


def training_examples(structures: Structures, recipe: MetasurfaceRecipe) -> StructureExamples:
    """The same to train on. Raises UserError where wavelengths are not spaced as the recipe says."""
    found = encode(structures, recipe)
    if not found.targets:
        raise UserError(
            f"wavelength: {len(structures.wavelength)} from {structures.wavelength[0]:g} to "
            f"{structures.wavelength[-1]:g} nm; to train on, they must be {spacing(recipe.data):g} nm apart: set "
            f"data.wavelength and data.n_wavelengths"
        )
    return found


def spacing(data) -> float:
    """Between two wavelengths of the recipe [nm]: the network's convolutions along wavelength count in it."""
    low, high = data.wavelength
    return (high - low) / (data.n_wavelengths - 1)


def grids_of(wavelength: np.ndarray, data) -> np.ndarray:
    """(grids, w) [nm] of grids, spaced as the recipe says, that together hold all of these wavelengths, (k,) [nm].

    The wavelengths themselves where they are such a grid. Else the recipe's grid, shifted by less than a spacing:
    once for each shift that some wavelength needs.
    """
    if len(wavelength) > 1 and np.allclose(np.diff(wavelength), spacing(data), rtol=OFF_GRID, atol=0):
        return wavelength[None]
    _, shifts = _places(wavelength, data)
    return data.wavelengths() + np.unique(shifts)[:, None] * spacing(data)


def on_wavelengths(values: np.ndarray, wavelength: np.ndarray, data) -> np.ndarray:
    """Values (structures, grids, ..., w) on the grids of `grids_of` as (structures, ..., k) on the wavelengths."""
    if values.shape[1] == 1 and values.shape[-1] == len(wavelength):
        return values[:, 0]
    place, shifts = _places(wavelength, data)
    grid = np.searchsorted(np.unique(shifts), shifts)
    return np.stack([values[:, g, ..., k] for g, k in zip(grid, place, strict=True)], axis=-1)


def _places(wavelength: np.ndarray, data) -> tuple[np.ndarray, np.ndarray]:
    """Of each wavelength the index on the recipe's grid and what is left, [grid spacings] in steps of OFF_GRID."""
    position = (np.asarray(wavelength, "float64") - data.wavelength[0]) / spacing(data)
    position = np.round(position / OFF_GRID) * OFF_GRID
    index = np.clip(np.floor(position + OFF_GRID / 2).astype(int), 0, data.n_wavelengths - 1)
    return index, np.round((position - index) / OFF_GRID) * OFF_GRID
