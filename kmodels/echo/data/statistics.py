"""Statistics of the training rooms."""

from collections.abc import Iterator

import numpy as np

from kmodels.echo.data.records import EchoPairs

CHUNK = 256  # images that are averaged at a time
SCORED = 32  # images that are scored at a time, with a dozen arrays of their size


def mean_map(train: EchoPairs, n: int) -> np.ndarray:
    """Average the depth of the training pairs at each pixel: n times the same, (n, size, size) [m], in memory once."""
    total = count = 0.0
    for rows in chunks(len(train), CHUNK):
        depth = train.depth(rows)
        total = total + depth.sum(0, dtype="float64")
        count = count + (depth > 0).sum(0)
    mean = np.where(count > 0, total / np.maximum(count, 1), total.sum() / count.sum())
    return np.broadcast_to(mean.astype("float32"), (n, *mean.shape))


def chunks(n: int, size: int = SCORED) -> Iterator[np.ndarray]:
    """Yield rows 0 .. n - 1, some at a time."""
    return (np.arange(k, min(k + size, n)) for k in range(0, n, size))
