"""The user's data, read and split by the model's own loader before any backend is there."""

from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError


def load(recipe, path, labels: bool = True):
    """Return the records of a user's file or folder. Raises UserError for what cannot be used.

    labels: whether what is to be learned must be there.
    """
    return registry.loader(recipe.task)(path, recipe, labels=labels)


def split(recipe, records, path) -> dict:
    """Return the rows of each part: train, validation, test. Raises UserError where a part would be empty."""
    rows = registry.splitter(recipe.task)(records, recipe)
    empty = [name for name, index in rows.items() if len(index) == 0]
    if empty:
        raise UserError(f"{path}: {len(records)} examples are too few to split; nothing is left for {empty[0]}")
    return rows


def checked(recipe, path):
    """Return the records of `path`, good enough to train on; None for simulated data, which needs no check."""
    if path is None:
        return None
    records = load(recipe, path)
    split(recipe, records, path)
    return records
