"""What was understood of a user's runs: a table, and a picture."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from kmodels.core.report.figures import figure
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import StoredRun

SHOWN = 4  # runs in the picture
FAINTEST = 1e-4  # of the largest concentration


def describe(windows: Windows) -> dict[str, str]:
    """Tabulate runs, grid, wind, stacks and concentrations."""
    runs = windows.runs
    dz, dy, dx = windows.cell
    frames = [run.n_frames for run in runs]
    stacks = np.array([len(run.stacks) for run in runs])
    rates = np.concatenate([run.stacks.emission for run in runs])
    kind = "height above ground" if runs[0].follows_terrain else "altitude"
    found = {
        "runs": f"{len(runs)}, {min(frames)} to {max(frames)} frames, {windows.frame_seconds:g} s apart",
        "grid": f"(z, y, x) = {windows.shape} cells of ({dz:g}, {dy:g}, {dx:g}) m; z is {kind}",
        "x, y [m]": f"{runs[0].x[0]:g} to {runs[0].x[-1]:g}, {runs[0].y[0]:g} to {runs[0].y[-1]:g}",
        "terrain [m]": f"{min(run.terrain.min() for run in runs):g} to {max(run.terrain.max() for run in runs):g}",
        "stacks": f"{stacks.min()} to {stacks.max()} a run" if stacks.any() else "none",
        "wind": _wind(runs) if windows.has_wind else "none",
        "concentration": f"{runs[0].variable} [{runs[0].units}]; {_levels(windows)}",
    }
    if len(rates):
        found["emission"] = f"{rates.min():.3g} to {rates.max():.3g} kg s-1 a stack"
    return found


def _wind(runs: tuple[StoredRun, ...]) -> str:
    speeds = np.concatenate([np.hypot(run.u, run.v).ravel() for run in runs])
    return f"{speeds.min():.3g} to {speeds.max():.3g} m s-1, mean {speeds.mean():.3g}"


def _levels(windows: Windows) -> str:
    """Say how large concentrations are in the last frames, and how much of the air they fill."""
    last = [run.concentration(run.n_frames - 1, run.n_frames)[0] for run in windows.runs[:SHOWN]]
    cells = np.concatenate([frame[~run.below_ground()] for frame, run in zip(last, windows.runs, strict=False)])
    return f"last frames: at most {cells.max():.3g} kg m-3, 0 in {np.mean(cells == 0):.0%} of the air"


def picture(windows: Windows) -> Figure:
    """Draw the largest concentration of each column in the last frame of some runs, with terrain and stacks."""
    runs = windows.runs[:SHOWN]
    made, axes = figure(3.4 * len(runs) + 0.6, 3.4, 1, len(runs))
    columns = [run.concentration(run.n_frames - 1, run.n_frames)[0].max(0) for run in runs]
    most = max(float(column.max()) for column in columns) or 1.0
    for axis, run, column in zip(np.atleast_1d(axes), runs, columns, strict=True):
        shown = np.ma.masked_less(column, FAINTEST * most)
        mesh = axis.pcolormesh(run.x, run.y, shown, norm=LogNorm(FAINTEST * most, most), cmap="magma_r")
        if np.ptp(run.terrain):
            axis.contour(run.x, run.y, run.terrain, colors="grey", linewidths=0.6)
        west, south = run.x[0] - windows.cell[2] / 2, run.y[0] - windows.cell[1] / 2
        axis.plot(west + run.stacks.x, south + run.stacks.y, "k^", ms=5)
        axis.set(title=run.name, xlabel="x [m]", ylabel="y [m]", aspect="equal")
    made.colorbar(mesh, ax=list(np.atleast_1d(axes)), label="largest in the column [kg m$^{-3}$]", shrink=0.8)
    return made
