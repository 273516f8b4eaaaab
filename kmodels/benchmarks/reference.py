"""The plain PyTorch references, against which speed is measured and the tests compare numbers."""

import importlib
import importlib.util
from collections.abc import Callable
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


def steps(model_name: str, recipe: Recipe, model: "keras.Model", precision: str = "float32") -> Any:
    """Make the PyTorch reference of a Keras model.

    Parameters
    ----------
    model_name : str
        As the registry has it.
    recipe : Recipe
        That the model was built by.
    model : keras.Model
        Whose weights the reference gets.
    precision : {"float32", "tf32", "bfloat16"}
        That it computes in.

    Returns
    -------
    torch_reference.steps.Steps or None
        None where torch is missing.
    """
    if missing():
        return None
    return importlib.import_module(f"{HERE}.steps").Steps(network(model_name), recipe, model, precision)


def layer_step(shape: tuple[int, ...], filters: int, precision: str, compiled: bool) -> Callable[[], float]:
    """Make a function that takes one training step of the plain PyTorch ConvLSTM3D and returns the loss.

    Parameters
    ----------
    shape : tuple of int
        (batch, time, z, y, x, channels) of the input.
    filters : int
        Channels of the output.
    precision : {"float32", "tf32", "bfloat16"}
        That it computes in.
    compiled : bool
        Whether by `torch.compile`.
    """
    return importlib.import_module(f"{HERE}.conv_lstm").step(shape, filters, precision, compiled)
