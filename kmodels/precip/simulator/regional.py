"""Days over a region inside a larger domain, whose cells of 2 degrees show the atmosphere aloft: CORDEX ML-Bench's.

Rain is that of weather.py, but what a whole day has in common there differs from place to place here:

    Z = (sqrt(rho) G(s) / sd(s) + sqrt(1 - rho) g(s) + M) / sqrt(1 + V)

G is a field on the larger domain, of mean 0 and variance 1, smooth on its cells, and renewed from day to day by
day_memory; the fine cells have it bilinearly interpolated, sd(s) being the standard deviation of that. The larger
domain shows G, the day's wind W and the season C (conditions.py) in each variable on each pressure level,

    X = mean + sd (l G + sqrt(1 - l^2) n + season C + north (latitude - that of the region's middle))

and for humidity mean exp(sd (...)). n has the law of G; SHARED of its variance is the same on all levels, and of the
winds' n TOLD is W. So predictors know the weather of some hundred km around, and nothing of g.
"""

from collections.abc import Iterator

import numpy as np

from kmodels.precip.data.grids import places_on, sampled
from kmodels.precip.data.variables import ALOFT
from kmodels.precip.simulator import marginal
from kmodels.precip.simulator.conditions import TOLD
from kmodels.precip.simulator.gaussian_field import Torus, covariance
from kmodels.precip.simulator.lambert import Lambert
from kmodels.precip.simulator.weather import Day, Weather

PROJECTION = Lambert((49.5,), 49.5, 10.5)  # of European regional models
MIDDLE = 46.0, 9.0  # of the region and of the larger domain: latitude, longitude [degrees]
FINE = 12500.0  # m, 0.11 degrees
COARSE = 2.0  # degrees
SLOPE, OUTER_SCALE = 4.0, 12.0  # of G's spectrum [, cells of the larger domain]
SHARED = 0.7


def fine_axes(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Compute y and x [m] of the region's cells, (ny,) and (nx,)."""
    x, y = PROJECTION.project(*MIDDLE)
    return tuple(at + FINE * (np.arange(n) - (n - 1) / 2) for n, at in zip(shape, (y, x), strict=True))


def fine_places(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Compute latitude and longitude [degrees] of the region's cells, each (y, x)."""
    y, x = np.meshgrid(*fine_axes(shape), indexing="ij")
    return PROJECTION.places(x, y)


def coarse_places(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Compute latitude and longitude [degrees] of the larger domain's cells, each (Y, X)."""
    axes = (at + COARSE * (np.arange(n) - (n - 1) / 2) for n, at in zip(shape, MIDDLE, strict=True))
    return tuple(np.meshgrid(*axes, indexing="ij"))


def deviation(places: np.ndarray) -> np.ndarray:
    """Compute the standard deviation (y, x) of G where it is interpolated to places (y, x, 2)."""
    north, east = np.moveaxis(places % 1, -1, 0)
    weights = np.stack([(1 - north) * (1 - east), (1 - north) * east, north * (1 - east), north * east])
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    apart = np.linalg.norm(corners[:, None] - corners, axis=-1)
    return np.sqrt(np.einsum("ayx,ab,byx->yx", weights, covariance(apart, SLOPE, OUTER_SCALE), weights))


class RegionalWeather(Weather):
    """The laws of a recipe's weather over a region. data: its section. height: (y, x) of the land [m].

    Raises
    ------
    ValueError
        Where the region does not lie within the larger domain.
    """

    def __init__(self, data, height: np.ndarray):
        super().__init__(data, height)
        shape, (lat, lon) = data.grid.coarse_shape, coarse_places(data.grid.coarse_shape)
        self.places = places_on(*fine_places(data.grid.fine), lat, lon)
        if np.isnan(self.places).any():
            size = " x ".join(f"{COARSE * n:g}" for n in shape)
            raise ValueError(
                f"data.grid: {data.grid.fine} cells of {FINE / 1000:g} km reach beyond the predictors' {size} degrees: "
                "more coarse_ny and coarse_nx"
            )
        self.large = Torus(shape, SLOPE, OUTER_SCALE)
        self.deviation = deviation(self.places)
        self.north = lat - MIDDLE[0]

    def days(self, rng: np.random.Generator) -> Iterator[Day]:
        """Simulate day after day without end."""
        for now, large, field in self.courses(rng):
            latent = self.latent(now, sampled(large, self.places) / self.deviation, field)
            yield Day(latent, marginal.from_latent(latent, self.data.marginal), self._aloft(rng, now, large))

    def common(self, rng: np.random.Generator) -> np.ndarray:
        """Sample G, (Y, X)."""
        return self.large.grid(self.large.sample(rng))

    def _aloft(self, rng: np.random.Generator, now, large: np.ndarray) -> np.ndarray:
        """Make the state aloft of a day, (Y, X, C), each of ALOFT on all levels. large: G."""
        fields = []
        for variable in ALOFT:
            shared, *own = self.large.grid(self.large.sample(rng, 1 + len(variable.mean)))
            for mean, sd, one in zip(variable.mean, variable.sd, own, strict=True):
                free = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * one
                if variable.wind is not None and not self.conditions.are_plain:
                    free = np.sqrt(TOLD) * now.wind[variable.wind] + np.sqrt(1 - TOLD) * free
                off = variable.loading * large + np.sqrt(1 - variable.loading**2) * free
                off = off + variable.season * now.season + variable.north * self.north
                fields.append(mean * np.exp(sd * off) if variable.positive else mean + sd * off)
        return np.stack(fields, axis=-1)
