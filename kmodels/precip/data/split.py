"""Training, validation and test days, apart in time."""

import numpy as np

from kmodels.core.training import batching
from kmodels.precip.data.records import Days

PARTS = ("train", "validation", "test")


def split(days: Days, recipe) -> dict[str, np.ndarray]:
    """Row indices of each part: the data set's own split, else by blocks of recipe.data.block_days days.

    Of a block that follows one of another part the first recipe.data.gap_days days belong to no part, so that no part
    remembers another.
    """
    if days.part is not None:
        return {name: np.flatnonzero(days.part == name) for name in PARTS}
    parts = batching.split_groups(days.block, recipe.data.split, recipe.seed)
    part_of = {block: name for name, rows in parts.items() for block in np.unique(days.block[rows])}
    here = np.array([part_of[b] for b in days.block])
    before = np.array([part_of.get(b - 1, part_of[b]) for b in days.block])
    start = (here != before) & (day_in_block(days, recipe.data.block_days) < recipe.data.gap_days)
    return {name: rows[~start[rows]] for name, rows in parts.items()}


def day_numbers(dates: np.ndarray) -> np.ndarray:
    """Count the days that have passed, (n,), in the dates' own calendar."""
    return np.array([d.toordinal(fractional=False) for d in dates], int)


def blocks(dates: np.ndarray, block_days: int) -> np.ndarray:
    """Find the block of `block_days` days that each date lies in, (n,) its number, whatever else the data set holds."""
    return day_numbers(dates) // block_days


def day_in_block(days: Days, block_days: int) -> np.ndarray:
    """Count how many days into its block each day is, (n,)."""
    return day_numbers(days.dates) % block_days
