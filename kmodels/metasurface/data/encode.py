"""Structures as the network's inputs: patterns, and the wavelengths of the queries."""

from dataclasses import dataclass

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.recipe import MetasurfaceRecipe

OFF_GRID = 1e-3  # by which a wavelength may miss its place on a grid [grid spacings]


@dataclass(frozen=True)
class StructureExamples:
    """One example for each structure and each of `grids`: structure 0 on every grid, structure 1 on every grid, ...

    Attributes
    ----------
    structures : Structures
        The source of patterns and spectra.
    grids : ndarray
        (grids, w) wavelengths [nm], each grid evenly spaced as the network was trained.
    targets : bool
        Whether there are targets: spectra are known and there is one grid.
    few_orders : ndarray or None
        (n, grids, 2, 2, w) spectra that a rigorous solver finds with few orders, where the network is given them.
    """

    structures: Structures
    grids: np.ndarray
    targets: bool
    few_orders: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.structures) * len(self.grids)

    def take(self, rows) -> tuple[dict, dict]:
        """Make the examples of some rows.

        Parameters
        ----------
        rows : array_like
            (n,) indices.

        Returns
        -------
        inputs : dict of str to ndarray
            `pattern` (n, y, x, 1) float32 of 0 and 1; `wavelength` (n, w) float32 [nm]; `few_orders` (n, 2, 2, w)
            where the network is given them.
        targets : dict of str to ndarray
            `spectra` (n, 2, 2, w) float32; empty without targets.
        """
        structure, grid = np.divmod(np.asarray(rows), len(self.grids))
        pattern = self.structures.patterns(structure)[..., None].astype("float32")
        inputs = {"pattern": pattern, "wavelength": self.grids[grid].astype("float32")}
        if self.few_orders is not None:
            inputs["few_orders"] = self.few_orders[structure, grid]
        return inputs, {"spectra": self.structures.spectra[structure]} if self.targets else {}


def encode(structures: Structures, recipe: MetasurfaceRecipe) -> StructureExamples:
    """Make examples of structures on their wavelengths; with targets where spectra are known and one grid holds them.

    Parameters
    ----------
    structures : Structures
        Patterns, wavelengths and perhaps spectra.
    recipe : MetasurfaceRecipe
        Says how wavelengths are spaced.

    Returns
    -------
    StructureExamples
        Rows for each structure and grid of wavelengths.
    """
    grids = grids_of(structures.wavelength, recipe.data)
    return StructureExamples(structures, grids, structures.spectra is not None and len(grids) == 1)


def training_examples(structures: Structures, recipe: MetasurfaceRecipe) -> StructureExamples:
    """Make examples to train on.

    Raises
    ------
    UserError
        Where wavelengths are not spaced as the recipe says.
    """
    examples = encode(structures, recipe)
    if not examples.targets:
        raise UserError(
            f"wavelength: {len(structures.wavelength)} from {structures.wavelength[0]:g} to "
            f"{structures.wavelength[-1]:g} nm; to train on, they must be {spacing(recipe.data):g} nm apart: set "
            f"data.wavelength and data.n_wavelengths"
        )
    return examples


def spacing(data) -> float:
    """Compute the spacing of the recipe's wavelengths [nm], the unit of the network's convolutions along wavelength."""
    low, high = data.wavelength
    return (high - low) / (data.n_wavelengths - 1)


def grids_of(wavelength: np.ndarray, data) -> np.ndarray:
    """Choose grids, spaced as the recipe says, that together hold all wavelengths.

    The wavelengths themselves where they are such a grid. Else the recipe's grid, shifted by less than a spacing:
    once for each shift that some wavelength needs.

    Parameters
    ----------
    wavelength : ndarray
        (k,) [nm].
    data : Data or Facts
        With fields `wavelength` and `n_wavelengths`, and a method `wavelengths`.

    Returns
    -------
    ndarray
        (grids, w) [nm].
    """
    if len(wavelength) > 1 and np.allclose(np.diff(wavelength), spacing(data), rtol=OFF_GRID, atol=0):
        return wavelength[None]
    _, shifts = _places(wavelength, data)
    return data.wavelengths() + np.unique(shifts)[:, None] * spacing(data)


def on_wavelengths(values: np.ndarray, wavelength: np.ndarray, data) -> np.ndarray:
    """Pick the values at given wavelengths from those on the grids of `grids_of`.

    Parameters
    ----------
    values : ndarray
        (structures, grids, ..., w).
    wavelength : ndarray
        (k,) [nm].
    data : Data or Facts
        As in `grids_of`.

    Returns
    -------
    ndarray
        (structures, ..., k).
    """
    if values.shape[1] == 1 and values.shape[-1] == len(wavelength):
        return values[:, 0]
    place, shifts = _places(wavelength, data)
    grid = np.searchsorted(np.unique(shifts), shifts)
    return np.stack([values[:, g, ..., k] for g, k in zip(grid, place, strict=True)], axis=-1)


def _places(wavelength: np.ndarray, data) -> tuple[np.ndarray, np.ndarray]:
    """Find of each wavelength the index on the recipe's grid and the rest, [grid spacings] in steps of OFF_GRID."""
    position = (np.asarray(wavelength, "float64") - data.wavelength[0]) / spacing(data)
    position = np.round(position / OFF_GRID) * OFF_GRID
    index = np.clip(np.floor(position + OFF_GRID / 2).astype(int), 0, data.n_wavelengths - 1)
    return index, np.round((position - index) / OFF_GRID) * OFF_GRID
