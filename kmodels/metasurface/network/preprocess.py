"""What the network is given: patterns, wavelengths and, where it asks for them, spectra solved with few orders."""

from dataclasses import replace
from functools import lru_cache
from weakref import WeakKeyDictionary

import keras
import numpy as np

from kmodels.core.cli import console
from kmodels.core.io import rows
from kmodels.core.training.inference import as_numpy
from kmodels.metasurface.data import encode as plain
from kmodels.metasurface.data.encode import StructureExamples
from kmodels.metasurface.data.records import Structures
from kmodels.metasurface.network.optics.few_orders import FewOrders
from kmodels.metasurface.recipe import MetasurfaceRecipe
from kmodels.metasurface.simulator.structures import few_order_settings, packaged_few_orders

_KEPT: WeakKeyDictionary = WeakKeyDictionary()  # {structures: {how they are solved: spectra}}
SOLVED_AT_ONCE = 8  # patterns
MANY = 100  # of which somebody is told: a quarter of a minute


class MetasurfacePreprocessor:
    """Turn structures into the arrays that `MetasurfaceNet` is trained on.

    Parameters
    ----------
    recipe : MetasurfaceRecipe, optional
        Says how wavelengths are spaced, and what the network is given; the default recipe if None.

    Examples
    --------
    ``x, y = MetasurfacePreprocessor()(structures)`` gives ``x["pattern"]``, ``x["wavelength"]``, with
    ``model.few_orders`` ``x["few_orders"]``, and where spectra are known ``y["spectra"]``.
    """

    def __init__(self, recipe: MetasurfaceRecipe | None = None):
        self.recipe = recipe or MetasurfaceRecipe()

    def __call__(self, structures: Structures) -> tuple[dict, dict]:
        """Encode structures: (inputs, targets), see `StructureExamples.take`."""
        examples = encode(structures, self.recipe)
        return examples.take(np.arange(len(examples)))


def encode(structures: Structures, recipe: MetasurfaceRecipe) -> StructureExamples:
    """Make examples of structures on their wavelengths, as `data.encode.encode` does, with what the network asks for.

    Parameters
    ----------
    structures : Structures
        Patterns, wavelengths and perhaps spectra.
    recipe : MetasurfaceRecipe
        Its model section says what the network asks for.

    Returns
    -------
    StructureExamples
        Rows for each structure and grid of wavelengths.
    """
    return _with_few_orders(plain.encode(structures, recipe), recipe)


def training_examples(structures: Structures, recipe: MetasurfaceRecipe) -> StructureExamples:
    """Make examples to train on, as `encode` does; wavelengths that are not spaced as the recipe says are refused."""
    return _with_few_orders(plain.training_examples(structures, recipe), recipe)


def _with_few_orders(examples: StructureExamples, recipe: MetasurfaceRecipe) -> StructureExamples:
    if not recipe.model.few_orders:
        return examples
    return replace(examples, few_orders=few_order_spectra(examples.structures, examples.grids, recipe))


def few_order_spectra(structures: Structures, grids: np.ndarray, recipe: MetasurfaceRecipe) -> np.ndarray:
    """Solve structures with few orders; those that come with the package were solved beforehand.

    What was found is kept as long as the structures are: a trained and an untrained network are given the same.

    Parameters
    ----------
    structures : Structures
        Their patterns.
    grids : ndarray
        (grids, w) wavelengths [nm].
    recipe : MetasurfaceRecipe
        Geometry, and the fields of `model` whose names begin with few_order.

    Returns
    -------
    ndarray
        (n, grids, 2, 2, w) float32; on disk where that is too large for memory, see `kmodels.core.io.rows`.
    """
    kept = _KEPT.setdefault(structures, {})
    key = grids.tobytes(), recipe.data, *few_order_settings(recipe).values()
    if key not in kept:
        kept[key] = _solved(structures, grids, recipe)
    return kept[key]


def _solved(structures: Structures, grids: np.ndarray, recipe: MetasurfaceRecipe) -> np.ndarray:
    known, solved = packaged_few_orders(recipe, grids), rows.Appended()
    unknown = sum(bits.tobytes() not in known for bits in structures.bits)
    if unknown > MANY:
        console.notice(f"solving {unknown} structures with {recipe.model.few_orders} orders")
    for first in range(0, len(structures), SOLVED_AT_ONCE):
        some = structures.bits[first : first + SOLVED_AT_ONCE]
        found = [known.get(bits.tobytes()) for bits in some]
        if any(spectra is None for spectra in found):
            found = solve_with_few_orders(structures.patterns(slice(first, first + SOLVED_AT_ONCE)), grids, recipe)
        solved.append(np.asarray(found, "float32"))
    return solved.array()


def solve_with_few_orders(patterns: np.ndarray, grids: np.ndarray, recipe: MetasurfaceRecipe) -> np.ndarray:
    """Solve patterns (n, y, x) with few orders: (n, grids, 2, 2, w)."""
    solver = _solver(recipe, patterns.shape[-1])
    n = len(patterns)
    padded = np.resize(patterns, (SOLVED_AT_ONCE, *patterns.shape[1:])) if n < SOLVED_AT_ONCE else patterns
    wavelength = np.tile(grids.reshape(1, -1), (len(padded), 1)).astype("float32")
    inputs = {"pattern": padded[..., None].astype("float32"), "wavelength": wavelength}
    found = as_numpy(solver.predict_on_batch(inputs))[:n]
    return np.moveaxis(found.reshape(n, *grids.shape, 2, 2), 2, -1)


@lru_cache(maxsize=4)
def _solver(recipe: MetasurfaceRecipe, pixels: int) -> keras.Model:
    """Make a model of the layer alone, which every backend compiles as it compiles networks."""
    pattern = keras.Input((pixels, pixels, 1), name="pattern")
    wavelength = keras.Input((None,), name="wavelength")
    solved = FewOrders.from_recipe(recipe)(pattern, wavelength)
    return keras.Model({"pattern": pattern, "wavelength": wavelength}, solved)
