"""Pictures of a forecast: slices with the terrain, scatter, curves over lead time, an animation of a roll-out."""

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.figure import Figure

from kmodels.core.report.figures import BLUE, GREEN, GREY, ORANGE, RED, figure
from kmodels.core.spec.task import EvaluationInput, Scores
from kmodels.plume.data.records import Windows
from kmodels.plume.evaluation.metrics import FLOOR, MICROGRAMS, air_mask
from kmodels.plume.evaluation.prediction import Forecast

COLOURS = {
    "model": BLUE,
    "persistence": GREY,
    "class_d_solver": ORANGE,
    "fitted_solver": GREEN,
    "refitted_solver": RED,
}
SHOWN = 20_000  # cells of a scatter plot
FRAMES_PER_SECOND = 3
EVERY = 2  # leads a picture of the animation


def plot(evaluated: EvaluationInput) -> dict[str, Figure]:
    """Plot forecasts of the target frame: {title: Figure}."""
    windows, forecast = evaluated.records, evaluated.prediction
    row = _fullest(windows)
    truth = windows.target(np.array([row]))[0]
    below = windows.maps(np.array([row])).below_ground[0]
    return {
        "slices": plot_slices(truth, forecast.concentration[row, -1], below, windows),
        "scatter": plot_scatter(windows, forecast),
    }


def _fullest(windows: Windows) -> int:
    """Find the window, of some two dozen, with most mass in its last frame: there is something to see."""
    some = np.unique(np.linspace(0, len(windows) - 1, 24).astype(int))
    return int(some[np.argmax(windows.past(some)[:, -1].sum((1, 2, 3)))])


def plot_slices(truth: np.ndarray, forecast: np.ndarray, below: np.ndarray, windows: Windows) -> Figure:
    """Plot truth, forecast and error from above, at the cloud's fullest level, and from the side, through its peak.

    Parameters
    ----------
    truth, forecast : array (z, y, x)
        Concentrations [kg m-3].
    below : array (z, y, x) of bool
        The ground, shown in grey.
    windows : Windows
        Whose axes hold.

    Returns
    -------
    Figure
        Two rows of three pictures.
    """
    made, axes = figure(9, 5, 2, 3)
    level, north, _ = np.unravel_index(np.argmax(truth), truth.shape)
    top = max(truth.max(), forecast.max(), 10 * FLOOR) * MICROGRAMS
    concentration = {"norm": LogNorm(FLOOR * MICROGRAMS, top), "cmap": "viridis"}
    error = {"norm": TwoSlopeNorm(0, -np.log10(4), np.log10(4)), "cmap": "RdBu_r"}
    ratio = np.log10(np.maximum(forecast, FLOOR) / np.maximum(truth, FLOOR))
    for k, (name, field, style) in enumerate(
        (
            ("true", truth * MICROGRAMS, concentration),
            ("forecast", forecast * MICROGRAMS, concentration),
            ("log10 forecast / true", ratio, error),
        )
    ):
        above = axes[0, k].pcolormesh(windows.x, windows.y, _air(field, below)[level], **style)
        axes[1, k].pcolormesh(windows.x, windows.z, _air(field, below)[:, north], **style)
        axes[0, k].set(title=name, xlabel="x [m]", aspect="equal", facecolor="#b9b0a2")
        axes[1, k].set(xlabel="x [m]", facecolor="#b9b0a2")
        made.colorbar(above, ax=axes[:, k], shrink=0.7, label="ug m-3" if k < 2 else None)
    axes[0, 0].set_ylabel(f"y [m], at z = {windows.z[level]:.0f} m")
    axes[1, 0].set_ylabel(f"z [m], at y = {windows.y[north]:.0f} m")
    return made


def _air(field, below):
    """Leave the ground out of a field: the background shows there."""
    return np.ma.masked_where(
        below | ~np.isfinite(field), np.maximum(field, np.finfo("float32").tiny) if (field >= 0).all() else field
    )


def plot_scatter(windows: Windows, forecast: Forecast) -> Figure:
    """Plot forecast against true concentration where either is above the floor, with the band of a factor of two."""
    made, axes = figure(4.6, 4.6)
    rows = np.unique(np.linspace(0, len(windows) - 1, 24).astype(int))
    air = air_mask(windows, rows)
    o, p = windows.target(rows)[air], forecast.concentration[rows, -1][air]
    seen = np.flatnonzero((o > FLOOR) | (p > FLOOR))
    seen = seen[:: max(1, len(seen) // SHOWN)]
    o, p = (np.maximum(x[seen], FLOOR) * MICROGRAMS for x in (o, p))
    line = np.array([FLOOR * MICROGRAMS, max(o.max(initial=10), p.max(initial=10))])
    axes.fill_between(line, line / 2, line * 2, color=GREEN, alpha=0.15, lw=0, label="factor of two")
    axes.plot(line, line, color=GREY, lw=1)
    axes.plot(o, p, ".", color=BLUE, ms=1.5, alpha=0.4)
    axes.set(xscale="log", yscale="log", xlabel="true [ug m-3]", ylabel="forecast [ug m-3]", xlim=line, ylim=line)
    axes.legend(frameon=False)
    return made


def plot_lead_curves(by_lead: dict[str, list[Scores]], seconds: float) -> Figure:
    """Plot scores over the lead time of a roll-out.

    Parameters
    ----------
    by_lead : dict of str to list of Scores
        Of "model" and each baseline, the scores of each lead.
    seconds : float
        Between two leads [s].

    Returns
    -------
    Figure
        FAC2, correlation and fractional bias.
    """
    made, axes = figure(9, 3.2, 1, 3)
    names = {"fac2": "share within a factor of two", "pearson": "correlation", "fb": "fractional bias"}
    for axis, (metric, label) in zip(axes, names.items(), strict=True):
        for name, each in by_lead.items():
            minutes = np.arange(1, len(each) + 1) * seconds / 60
            values = [np.nan if s.values[metric] is None else s.values[metric] for s in each]
            axis.plot(minutes, values, color=COLOURS.get(name, RED), label=name.replace("_", " "))
        axis.set(xlabel="lead time [min]", title=label)
    made.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(by_lead), frameon=False)
    return made


def plot_rollout(truth: np.ndarray, forecast: Forecast, leads: tuple[int, ...]) -> Figure:
    """Plot a roll-out below the truth at some leads, seen from above: the highest concentration of each column.

    Parameters
    ----------
    truth : array (n, leads, z, y, x)
        Concentrations [kg m-3].
    forecast : Forecast
        The n roll-outs; that of the fullest window is shown.
    leads : tuple of int
        Which, from 1.

    Returns
    -------
    Figure
        A row of truths, and one of forecasts.
    """
    windows, row = forecast.windows, int(np.argmax(truth[:, 0].sum((1, 2, 3))))
    made, axes = figure(2.3 * len(leads) + 1, 4.8, 2, len(leads))
    norm = LogNorm(FLOOR * MICROGRAMS, max(truth[row].max(), 10 * FLOOR) * MICROGRAMS)
    for line, name, each in zip(axes, ("true", "forecast"), (truth[row], forecast.concentration[row]), strict=True):
        for axis, lead in zip(line, leads, strict=True):
            column = np.maximum(each[lead - 1].max(axis=0) * MICROGRAMS, 1e-9)
            shown = axis.pcolormesh(windows.x, windows.y, column, norm=norm, cmap="viridis")
            axis.set(aspect="equal", xticks=[], yticks=[])
            axis.set_title(f"{name}, {forecast.lead_time[lead - 1] / 60:.0f} min", fontsize=9)
    made.colorbar(shown, ax=axes, shrink=0.8, label="ug m-3")
    return made


def animate(truth: np.ndarray, forecast: Forecast, row: int) -> bytes:
    """Animate one roll-out beside the truth, seen from above: the highest concentration of each column.

    Parameters
    ----------
    truth : array (leads, z, y, x)
        Concentrations [kg m-3].
    forecast : Forecast
        The roll-outs.
    row : int
        Which of the forecast's windows is shown.

    Returns
    -------
    bytes
        A GIF file.
    """
    windows = forecast.windows
    made, axes = figure(6.4, 3.4, 1, 2)
    pictures = []
    norm = LogNorm(FLOOR * MICROGRAMS, max(truth.max(), 10 * FLOOR) * MICROGRAMS)
    terrain = windows.maps(np.array([row])).terrain[0]
    columns = [np.maximum(c.max(axis=1) * MICROGRAMS, 1e-9) for c in (truth, forecast.concentration[row])]
    for axis, name, column in zip(axes, ("true", "forecast"), columns, strict=True):
        pictures.append(axis.pcolormesh(windows.x, windows.y, column[0], norm=norm, cmap="viridis"))
        if np.ptp(terrain) > 0:
            axis.contour(windows.x, windows.y, terrain, 4, colors="white", linewidths=0.5, alpha=0.6)
        axis.set(title=name, aspect="equal", xticks=[], yticks=[])
    made.colorbar(pictures[1], ax=axes, shrink=0.8, label="ug m-3")

    made.suptitle(" ")
    made.draw_without_rendering()
    made.set_layout_engine("none")  # laid out once: each frame again would take most of the time

    def show(lead):
        for picture, column in zip(pictures, columns, strict=True):
            picture.set_array(column[lead])
        made.suptitle(f"{forecast.lead_time[lead] / 60:.0f} min")

    return _gif(FuncAnimation(made, show, frames=range(0, len(truth), EVERY)))


def _gif(animation) -> bytes:
    """Encode an animation as a GIF file's bytes; matplotlib writes it to a path alone."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rollout.gif"
        animation.save(path, writer=PillowWriter(FRAMES_PER_SECOND))
        return path.read_bytes()
