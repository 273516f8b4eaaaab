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
        "coarse grid": f"(y, x) = {coarse} cells of {domain.shape[0] // coarse[0]} fine ones a side",
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
    height, width = days.domain.shape
    for axis, (title, field, norm) in zip(np.atleast_1d(axes), panels, strict=True):
        fine = field.shape == days.domain.shape
        shown = np.ma.masked_where(~days.domain.observed, field) if fine else field
        mesh = axis.imshow(shown, origin="lower", extent=(0, width, 0, height), norm=norm, cmap="viridis_r")
        land = days.domain.land.astype(float)
        if np.ptp(land):
            axis.contour(np.arange(width) + 0.5, np.arange(height) + 0.5, land, [0.5], colors="black", linewidths=0.6)
        axis.set(title=title, xlabel="fine cells eastward", ylabel="fine cells northward")
        made.colorbar(mesh, ax=axis, shrink=0.8)
    return made
