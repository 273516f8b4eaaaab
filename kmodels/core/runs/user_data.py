"""The user's data, read and split by the model's own loader before any backend is there."""

from pathlib import Path
from typing import Any

from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.recipe import Recipe


def load(recipe: Recipe, path: str | Path, labels: bool = True) -> Any:
    """Load the records of a user's file or folder.

    Parameters
    ----------
    recipe : Recipe
        Of the model.
    path : str or pathlib.Path
        The file or folder.
    labels : bool
        Whether what is to be learned must be there.

    Returns
    -------
    Records
        As the model's loader makes them.

    Raises
    ------
    UserError
        For what cannot be used.
    """
    return registry.loader(recipe.task)(path, recipe, labels=labels)


def split(recipe: Recipe, records: Any, path: str | Path) -> dict:
    """Split records into train, validation and test.

    Parameters
    ----------
    recipe : Recipe
        Of the model.
    records : Records
        All of them.
    path : str or pathlib.Path
        Where they are from, for the error.

    Returns
    -------
    dict of str to numpy.ndarray
        Row indices of each part.

    Raises
    ------
    UserError
        Where a part would be empty.
    """
    rows = registry.splitter(recipe.task)(records, recipe)
    empty = [name for name, index in rows.items() if len(index) == 0]
    if empty:
        raise UserError(f"{path}: {len(records)} examples are too few to split; nothing is left for {empty[0]}")
    return rows


def checked(recipe: Recipe, path: str | Path | None) -> Any:
    """Load the records of `path` and check that they can be trained on; None for simulated data (path None)."""
    if path is None:
        return None
    records = load(recipe, path)
    tell(records, path)
    split(recipe, records, path)
    return records


def tell(records: Any, path: str | Path) -> None:
    """Say what the loader noted of the files of `path`: what it turned, converted and left out."""
    from kmodels.core.cli import console  # takes longer to import than all the rest here

    for note in getattr(records, "notes", ()):
        console.say(f"{path}: {note}")
