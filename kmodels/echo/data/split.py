"""Training, validation and test pairs, apart by room or by the data set's own files."""

import numpy as np

from kmodels.core.training import batching
from kmodels.echo.data.batvision import PARTS
from kmodels.echo.data.records import EchoPairs


def split(pairs: EchoPairs, recipe) -> dict[str, np.ndarray]:
    """Split into rows of train, validation and test: by room, or by the CSVs, as recipe.data.split_by says."""
    if recipe.data.split_by == "files":
        names = ("train", "validation", "test")
        return {name: np.flatnonzero(pairs.part == part) for name, part in zip(names, PARTS, strict=True)}
    return batching.split_groups(pairs.groups, recipe.data.split, recipe.seed)
