"""Days of a data set: the coarse state, the fine rain, and the grids that both lie on."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Domain:
    """What stands still: the two grids, land and sea.

    lat, lon: (y, x) of the fine cells [degrees], or None where nobody said where they lie. land: (y, x) bool.
    distance_to_coast: (y, x) [km]. observed: (y, x) bool, where rain is known; every cell of land is. height: (y, x) of
    the land [m], None where nobody said it.
    """

    lat: np.ndarray | None
    lon: np.ndarray | None
    land: np.ndarray
    distance_to_coast: np.ndarray
    observed: np.ndarray
    height: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) [fine cells]."""
        return self.land.shape


@dataclass(frozen=True, eq=False)
class Days:
    """n days.

    domain: of all days. predictors: names of the coarse variables, in their order. dates: (n,) cftime. block: (n,)
    number of the time block that a day lies in. states: (N, Y, X, C) float32 of all days of the data set, in their
    units, rain in mm/day. read_rain(days): (days, y, x) float32 [mm/day] of days of the data set; None without rain.
    day: (n,) index of these days into both. land_mean: (n,) rain averaged over land [mm/day]; NaN without rain.
    part: (n,) "train", "validation", "test" or "" (none of them), or None where the data set brings no split of its
    own. category: (n,) str, such as "heavy", or None. thresholds: rain [mm/day] by name, as the data set says.
    """

    domain: Domain
    predictors: tuple[str, ...]
    dates: np.ndarray
    block: np.ndarray
    states: np.ndarray
    read_rain: Callable[[np.ndarray], np.ndarray] | None
    day: np.ndarray
    land_mean: np.ndarray
    part: np.ndarray | None = None
    category: np.ndarray | None = None
    thresholds: dict[str, float] | None = None

    def __len__(self) -> int:
        return len(self.day)

    def take(self, rows) -> "Days":
        """Return the days with these indices."""
        own = ("dates", "block", "day", "land_mean", "part", "category")
        return replace(self, **{name: v[rows] for name in own if (v := getattr(self, name)) is not None})

    @property
    def groups(self) -> np.ndarray:
        """(n,) time block of each day: days that follow each other are alike, so a split keeps them together."""
        return self.block

    @property
    def has_rain(self) -> bool:
        """Whether the fine rain of these days is known."""
        return self.read_rain is not None

    def state(self, rows) -> np.ndarray:
        """Read the coarse state of these days: (rows, Y, X, C) float32 in the units of the files, rain in mm/day."""
        return self.states[self.day[rows]]

    def rain(self, rows) -> np.ndarray:
        """Read the fine rain of these days: (rows, y, x) float32 [mm/day], 0 where it is not observed."""
        return self.read_rain(self.day[rows])

    def heavy(self, threshold: float) -> np.ndarray:
        """Tell heavy days, (n,) bool: by the data set's own word, or a mean over land above `threshold` [mm/day]."""
        if self.category is not None:
            return np.char.startswith(self.category, "heavy")
        return self.land_mean > threshold


def heavy_threshold(days: Days, quantile: float) -> float:
    """Compute the mean over land [mm/day] above which a day is heavy; days: those of the training part, with rain."""
    return float(np.quantile(days.land_mean, quantile))
