"""Training, validation and test sequences, apart by pair."""

import numpy as np

from kmodels.core.training import batching
from kmodels.nand.data.records import Trace


def split(trace: Trace, recipe) -> dict[str, np.ndarray]:
    """Return row indices of each part; the sequences of a pair stay together."""
    return batching.split_groups(trace.pair, recipe.data.split, recipe.seed)
