"""Small runs made by hand: no physics, but every frame, cell and wind is its own."""

import re

import numpy as np
import pytest

from kmodels.core.spec.errors import UserError
from kmodels.plume.data.load import load
from kmodels.plume.data.run import PlumeRun, Stacks
from kmodels.plume.recipe import PlumeRecipe

RECIPE = PlumeRecipe().with_changes({"data": {"past": 3, "horizon": 2, "stride": 1}, "model": {"base": "persistence"}})

WITHOUT_WIND = {"wind": False, "transport": False, "base": "persistence"}
CALM = RECIPE.with_changes({"model": WITHOUT_WIND, "data": {"past": 1, "horizon": 1, "grid": {"dz": 10.0}}})


def refused(path, said, recipe=RECIPE, **options):
    """The message, one line that names the file and matches `said`."""
    with pytest.raises(UserError) as caught:
        load(path, recipe, **options)
    message = str(caught.value)
    assert "\n" not in message and re.search(said, message), message
    return message


def plain_run(name="a", frames=8, shape=(4, 6, 5), wind=True, seed=0, terrain=12.0) -> PlumeRun:
    """A run whose frame t is (t + 1) times one random volume, 0 below a terrain of at most `terrain` m."""
    rng = np.random.default_rng([seed, *name.encode()])
    nz, ny, nx = shape
    z, y, x = 10.0 * np.arange(nz) + 5, 100.0 * np.arange(ny) + 50, 100.0 * np.arange(nx) + 50
    ground = terrain * rng.random((ny, nx))
    volume = np.where(z[:, None, None] < ground, 0, rng.uniform(1e-8, 2e-8, shape))
    u, v = rng.normal(size=(2, frames, nz)) if wind else (None, None)
    return PlumeRun(
        name=name,
        time=60.0 * np.arange(frames),
        x=x,
        y=y,
        z=z,
        terrain=ground,
        stacks=Stacks(
            np.array([120.0, 430.0]), np.array([250.0, 10.0]), np.array([11.0, 25.0]), np.array([2e-3, 5e-3])
        ),
        concentration=(volume * np.arange(1, frames + 1)[:, None, None, None]).astype("float32"),
        u=u,
        v=v,
    )
