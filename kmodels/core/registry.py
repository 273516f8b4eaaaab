"""The names of the models. A new model is a folder `kmodels/<name>/` and one line here."""

import importlib

NAMES = ("nand",)


def recipe_type(name: str):
    """The recipe class of model `name`. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.recipe").RECIPE


def simulator(name: str):
    """`simulate(recipe, folder, report)` of model `name`. Imports no backend."""
    return importlib.import_module(f"kmodels.{name}.simulate").simulate


def task(name: str):
    """The Task of model `name`. Imports Keras: choose the backend first."""
    return importlib.import_module(f"kmodels.{name}.task").TASK
