"""The user's data, read and split by the model's own loader before any backend is there."""

from pathlib import Path
from typing import Any, get_args

import numpy as np

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
    refuse_empty(rows, records, recipe, path)
    return rows


def refuse_empty(rows: dict, records: Any, recipe: Recipe, path: str | Path) -> None:
    """Refuse a split with an empty part; the error names the option for another way to split.

    Parameters
    ----------
    rows : dict of str to numpy.ndarray
        Row indices of each part.
    records : Records
        That were split.
    recipe : Recipe
        Of the model; `data.split_by`, where there is one, says how they were split, by their `groups` or otherwise.
    path : str or pathlib.Path
        Where they are from.

    Raises
    ------
    UserError
        For the first empty part.
    """
    empty = [name for name, index in rows.items() if len(index) == 0]
    if not empty:
        return
    said, how, hint = f"{len(records)} examples", "", ""
    if split_by := getattr(recipe.data, "split_by", None):
        groups = len(np.unique(records.groups))
        said, how = f"{said} of {groups} group{'s' * (groups != 1)}", f" by {split_by}"
        ways = get_args(type(recipe.data).model_fields["split_by"].annotation)
        hint = "".join(f"; another way: --data.split_by {way}" for way in ways if way != split_by)
    raise UserError(f"{path}: {said} are too few to split{how}; nothing is left for {empty[0]}{hint}")


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
