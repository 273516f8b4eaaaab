"""The variables of rain and coarse state, and their units."""

from typing import NamedTuple

DAY = 86400.0  # s
MOST_RAIN = 2000.0  # mm/day; the most that was ever measured is 1825 (Foc-Foc, La Reunion, 1966; WMO)
RAIN_UNITS = "mm day-1"  # inside this package
STORED_RAIN_UNITS = "kg m-2 s-1"  # in its files, as CF has it; 1 kg of water on 1 m2 stands 1 mm high


class Covariate(NamedTuple):
    """A coarse variable that goes with rain. loading: l_c, its correlation with the latent field but for averaging."""

    name: str
    standard_name: str
    units: str
    mean: float
    sd: float
    loading: float


COVARIATES = (
    Covariate("prw", "atmosphere_mass_content_of_water_vapor", "kg m-2", 22.0, 7.0, 0.7),
    Covariate("psl", "air_pressure_at_mean_sea_level", "Pa", 101300.0, 900.0, -0.6),
    Covariate("tas", "air_temperature", "K", 285.0, 6.0, 0.2),
    Covariate("uas", "eastward_wind", "m s-1", 3.0, 4.0, 0.3),
    Covariate("vas", "northward_wind", "m s-1", 1.0, 4.0, 0.5),
)


class Aloft(NamedTuple):
    """A coarse variable on pressure levels, by which CORDEX ML-Bench describes the atmosphere.

    mean, sd: on each of LEVELS; sd of the logarithm where it is `positive`, so that it stays above 0. loading:
    correlation of a day's deviation with the large-scale latent field. wind: 0 or 1, where it tells the eastward or
    northward part of the day's wind. season, north: change, in sd, by a standard deviation of the season (winter), and
    by a degree northward.
    """

    name: str
    standard_name: str
    units: str
    mean: tuple[float, float, float]
    sd: tuple[float, float, float]
    loading: float
    wind: int | None = None
    season: float = 0.0
    north: float = 0.0
    positive: bool = False


LEVELS = (850, 700, 500)  # hPa
ALOFT = (
    Aloft("z", "geopotential_height", "m", (1480, 3030, 5620), (45, 55, 80), -0.6, season=-0.6, north=-0.1),
    Aloft("u", "eastward_wind", "m s-1", (4, 8, 14), (6, 8, 11), 0.2, wind=0),
    Aloft("v", "northward_wind", "m s-1", (0.5, 0.5, 0.5), (6, 8, 11), 0.4, wind=1),
    Aloft("t", "air_temperature", "K", (279, 271, 255), (4, 4, 4), 0.2, season=-1.2, north=-0.14),
    Aloft(
        "q",
        "specific_humidity",
        "1",
        (5.5e-3, 3.0e-3, 1.0e-3),
        (0.35, 0.5, 0.6),
        0.7,
        season=-0.7,
        north=-0.08,
        positive=True,
    ),
)


def on_level(name: str, level: int) -> str:
    """Name a variable on a pressure level [hPa] as CORDEX ML-Bench does: z_850."""
    return f"{name}_{level}"


RAIN, RAIN_INDEX = "pr", "rain_index"
SIMULATED = (RAIN, *(c.name for c in COVARIATES))  # the coarse variables of simulated days
SIMULATED_ALOFT = tuple(on_level(one.name, level) for one in ALOFT for level in LEVELS)  # where grids do not nest


def predictors(data) -> tuple[str, ...]:
    """List the coarse variables that the network sees, in their order; data: a recipe's section."""
    simulated = SIMULATED if data.grid.nested else SIMULATED_ALOFT
    return data.predictors or ((RAIN_INDEX, *SIMULATED[1:]) if data.exact_posterior else simulated)
