"""Lambert's conformal conic projection of a sphere, by which regional climate models lay out their cells.

Snyder 1987, Map projections: a working manual, USGS Prof. Paper 1395, equations 15-1 to 15-5 and 14-4:

    n   = ln(cos p1 / cos p2) / ln(t(p2) / t(p1)),  t(p) = tan(pi/4 + p/2);  sin p1 where both parallels are one
    rho = R F / t(p)^n,   F = cos(p1) t(p1)^n / n
    x   = rho sin(n (lon - lon0)),   y = rho0 - rho cos(n (lon - lon0))
"""

from dataclasses import dataclass

import numpy as np

from kmodels.precip.data.grids import around

EARTH_RADIUS = 6371229.0  # m, of the sphere that most regional models have


@dataclass(frozen=True)
class Lambert:
    """A projection. parallels: one or two [degrees]. lat, lon: of x = y = 0 [degrees]. radius: of the sphere [m]."""

    parallels: tuple[float, ...]
    lat: float
    lon: float
    radius: float = EARTH_RADIUS

    @property
    def cone(self) -> float:
        """The cone constant n."""
        first, last = np.radians([self.parallels[0], self.parallels[-1]])
        if first == last:
            return float(np.sin(first))
        return float(np.log(np.cos(first) / np.cos(last)) / np.log(_tangent(last) / _tangent(first)))

    def _distance(self, lat) -> np.ndarray:
        """Compute rho of latitudes [radians]."""
        first = np.radians(self.parallels[0])
        return self.radius * np.cos(first) / self.cone * (_tangent(first) / _tangent(lat)) ** self.cone

    def project(self, lat, lon) -> tuple[np.ndarray, np.ndarray]:
        """Compute x and y [m] of places [degrees]."""
        turned = self.cone * np.radians(around(np.subtract(lon, self.lon)))
        rho = self._distance(np.radians(lat))
        return rho * np.sin(turned), self._distance(np.radians(self.lat)) - rho * np.cos(turned)

    def places(self, x, y) -> tuple[np.ndarray, np.ndarray]:
        """Compute latitude and longitude [degrees] of x and y [m]; the inverse of `project`."""
        up = self._distance(np.radians(self.lat)) - y
        sign, first = np.sign(self.cone), np.radians(self.parallels[0])
        rho = sign * np.hypot(x, up)
        tangent = _tangent(first) * (self.radius * np.cos(first) / self.cone / rho) ** (1 / self.cone)
        lon = self.lon + np.degrees(np.arctan2(sign * x, sign * up) / self.cone)
        return np.degrees(2 * np.arctan(tangent) - np.pi / 2), around(lon)

    def attributes(self) -> dict:
        """List what a CF grid mapping variable says of it."""
        return {
            "grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": self.parallels[0] if len(self.parallels) == 1 else list(self.parallels),
            "latitude_of_projection_origin": self.lat,
            "longitude_of_central_meridian": self.lon,
            "earth_radius": self.radius,
        }


def _tangent(lat):
    return np.tan(np.pi / 4 + np.asarray(lat) / 2)
