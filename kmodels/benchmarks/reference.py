"""The plain PyTorch references, against which speed is measured and the tests compare numbers."""

import importlib
import importlib.util

HERE = "kmodels.benchmarks.torch_reference"


def missing() -> str | None:
    """Why there is nothing to compare with, in a sentence; None where there is."""
    return None if importlib.util.find_spec("torch") else "not compared with PyTorch: pip install torch"


def network(model_name: str):
    """Return the module with the PyTorch reference of a model; it imports torch."""
    return importlib.import_module(f"{HERE}.{model_name.replace('.', '_')}")


def steps(model_name: str, recipe, model):
    """Make the PyTorch reference of a Keras model, `torch_reference.steps.Steps`; None where torch is missing."""
    if missing():
        return None
    return importlib.import_module(f"{HERE}.steps").Steps(network(model_name), recipe, model)
