"""What was understood of a user's days: a table, and a picture."""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from kmodels.core.report.figures import figure
from kmodels.precip.data.load import WET
from kmodels.precip.data.records import Days

LOOKED_AT = 365  # days, evenly over the data set


def describe(days: Days) -> dict[str, str]:
    """Tabulate period, grids, predictors and rain."""
    domain, coarse = days.domain, days.states.shape[1:3]
    calendar = getattr(days.dates[0], "calendar", "standard")
    found = {
        "days": f"{len(days)} from {_day(days.dates[0])} to {_day(days.dates[-1])}, calendar {calendar}",
        "fine grid": f"(y, x) = {domain.shape} cells{_place(domain)}",
        "coarse grid": f"(y, x) = {coarse} cells{_reach(domain, coarse)}",
        "land": f"{domain.land.mean():.0%} of the cells; rain is known in {domain.observed.mean():.0%}",
    }
    for k, name in enumerate(days.predictors):
        values = days.states[..., k]
        found[f"predictor {name}"] = f"mean {values.mean():.5g}, standard deviation {values.std():.3g}"
    if days.has_rain:
        rain = days.rain(_some(days))[:, domain.observed]
        found["rain [mm/day]"] = (
            f"mean {rain.mean():.3g}, {np.mean(rain >= WET):.0%} of cells and days have {WET:g} or more, at most "
            f"{rain.max():.4g}"
        )
    return found


def _day(date) -> str:
    return f"{date.year:04d}-{date.month:02d}-{date.day:02d}"


def _place(domain) -> str:
    if domain.lat is None:
        return ", nobody knows where"
    lat, lon = domain.lat, domain.lon
    return f", latitude {lat.min():.2f} to {lat.max():.2f}, longitude {lon.min():.2f} to {lon.max():.2f} degrees"


def _reach(domain, coarse: tuple[int, int]) -> str:
    """Say how the coarse grid lies to the fine one."""
    if domain.places is None:
        return f" of {domain.shape[0] // coarse[0]} fine ones a side"
    low, high = domain.places.min((0, 1)), domain.places.max((0, 1))
    rows, columns = (f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True))
    return f"; the fine ones lie from its row {rows}, and from its column {columns}, and nest in none"


def _some(days: Days) -> np.ndarray:
    return np.unique(np.linspace(0, len(days) - 1, LOOKED_AT).astype(int))


def picture(days: Days) -> Figure:
    """Draw the wettest day as coarse state and as fine rain, and the mean rain, with the coast."""
    rows = _some(days)
    wettest = rows[int(np.argmax(np.nan_to_num(days.land_mean[rows])))]
    panels = [(f"{days.predictors[0]} on {_day(days.dates[wettest])}", days.state([wettest])[0, ..., 0], None)]
    if days.has_rain:
        norm = PowerNorm(0.5, 0)
        panels += [("rain of that day [mm/day]", days.rain([wettest])[0], norm)]
        panels += [("mean rain [mm/day]", days.rain(rows).mean(0), None)]
    made, axes = figure(3.6 * len(panels), 3.4, 1, len(panels))
    domain = days.domain
    for axis, (title, field, norm) in zip(np.atleast_1d(axes), panels, strict=True):
        apart = domain.places is not None and field is panels[0][1]  # on a grid of its own
        height, width = field.shape if apart else domain.shape
        shown = np.ma.masked_where(~domain.observed, field) if field.shape == domain.shape and not apart else field
        mesh = axis.imshow(shown, origin="lower", extent=(0, width, 0, height), norm=norm, cmap="viridis_r")
        _add_line(axis, domain, apart)
        grid = "coarse" if apart else "fine"
        axis.set(title=title, xlabel=f"{grid} cells eastward", ylabel=f"{grid} cells northward")
        made.colorbar(mesh, ax=axis, shrink=0.8)
    return made


def _add_line(axis, domain, apart: bool) -> None:
    """Draw the coast, or where the fine grid lies on one apart from it."""
    land, (height, width) = domain.land.astype(float), domain.shape
    if apart:
        edge = _outline(domain.places) + 0.5
        axis.plot(edge[:, 1], edge[:, 0], color="black", lw=0.8)
    elif np.ptp(land):
        axis.contour(np.arange(width) + 0.5, np.arange(height) + 0.5, land, [0.5], colors="black", linewidths=0.6)


def _outline(places: np.ndarray) -> np.ndarray:
    """Go around the fine grid, (n, 2) row and column on the coarse one."""
    south, north = places[0], places[-1, ::-1]
    return np.concatenate([south, places[:, -1], north, places[::-1, 0]])
