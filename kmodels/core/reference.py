"""The plain PyTorch twins in tests/reference, against which speed is measured.

They are the tests' second opinion first, so they stay there: a clone has them, an installed package does not, and
measures its own models alone.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"


def missing() -> str | None:
    """Why there is nothing to compare with, in a sentence; None where there is."""
    if not (TESTS / "reference").is_dir():
        return "not compared with PyTorch: its twins are in a clone of the repository"
    if importlib.util.find_spec("torch") is None:
        return "not compared with PyTorch: pip install torch"
    return None


def steps(model_name: str, recipe, model):
    """The twin of a Keras model at work, `reference.steps.Steps`; None where it is missing."""
    if missing():
        return None
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    twin = importlib.import_module(f"reference.torch_{model_name.replace('.', '_')}")
    return importlib.import_module("reference.steps").Steps(twin, recipe, model)
