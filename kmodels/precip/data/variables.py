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
RAIN, RAIN_INDEX = "pr", "rain_index"
SIMULATED = (RAIN, *(c.name for c in COVARIATES))  # the coarse variables of simulated days


def predictors(data) -> tuple[str, ...]:
    """List the coarse variables that the network sees, in their order; data: a recipe's section."""
    return data.predictors or ((RAIN_INDEX, *SIMULATED[1:]) if data.exact_posterior else SIMULATED)
