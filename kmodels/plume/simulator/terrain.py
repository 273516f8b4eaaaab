"""Hills under a lid, sampled."""

import numpy as np

from kmodels.plume.data.flow.terrain import Domain

HILLS = (3, 8)  # fewest and most
HILL_RADIUS = (0.08, 0.20)  # of the domain's longer side
LID_CLEARANCE = 50.0  # m of air that stay between the highest hill and a lid


def sample_ground(rng: np.random.Generator, data) -> np.ndarray:
    """Sample smooth hills, (y, x) [m]: a sum of 3 to 8 Gaussian bells.

    The lowest place is at 0, the highest between 0.3 and 1 times data.terrain_height.
    """
    grid = data.grid
    longest = max(grid.nx, grid.ny) * grid.dx
    x, y = (np.arange(grid.nx) + 0.5) * grid.dx, (np.arange(grid.ny) + 0.5)[:, None] * grid.dx
    ground = np.zeros((grid.ny, grid.nx))
    for _ in range(rng.integers(HILLS[0], HILLS[1] + 1)):
        east, north = rng.uniform(0, grid.nx * grid.dx), rng.uniform(0, grid.ny * grid.dx)
        radius = rng.uniform(*HILL_RADIUS) * longest
        ground += rng.uniform(0.3, 1.0) * np.exp(-((x - east) ** 2 + (y - north) ** 2) / (2 * radius**2))
    ground -= ground.min()
    return ground * (rng.uniform(0.3, 1.0) * data.terrain_height / ground.max())


def sample_domain(rng: np.random.Generator, data) -> Domain:
    """Sample hills under a lid; its height is log-uniform in data.lid but 50 m above the highest hill at least.

    So no valley is cut off from the box's sides: everywhere there is a way out for the air.
    """
    ground = sample_ground(rng, data)
    lid = np.exp(rng.uniform(*np.log(data.lid)))
    return Domain(data.grid, ground, max(lid, ground.max() + LID_CLEARANCE))
