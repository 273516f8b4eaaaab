"""The plain PyTorch references, against which speed is measured and the tests compare numbers."""

import importlib
import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kmodels.core.spec.recipe import Recipe

if TYPE_CHECKING:
    import keras

HERE = "kmodels.benchmarks.torch_reference"


def missing() -> str | None:
    """Say why there is nothing to compare with; None where there is."""
    return None if importlib.util.find_spec("torch") else "not compared with PyTorch: pip install torch"


def network(model_name: str) -> ModuleType:
    """Import the module with the PyTorch reference of a model; it imports torch."""
    return importlib.import_module(f"{HERE}.{model_name.replace('.', '_')}")


def steps(model_name: str, recipe: Recipe, model: "keras.Model") -> Any:
    """Make the PyTorch reference of a Keras model.

    Parameters
    ----------
    model_name : str
        As the registry has it.
    recipe : Recipe
        That the model was built by.
    model : keras.Model
        Whose weights the reference gets.

    Returns
    -------
    torch_reference.steps.Steps or None
        None where torch is missing.
    """
    if missing():
        return None
    return importlib.import_module(f"{HERE}.steps").Steps(network(model_name), recipe, model)
