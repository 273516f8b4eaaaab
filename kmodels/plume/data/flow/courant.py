"""The wind over a run's hills, as cells that air crosses in a frame."""

import functools

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.plume.data.flow.terrain import Domain
from kmodels.plume.data.flow.wind import Wind, nearest_wind
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import StoredRun
from kmodels.plume.recipe import Grid

MOST = 0.95  # cells that air may cross in a substep
SLOWED = 2.0  # a wind up to so many times stronger is slowed down by the network: a wrong one, before it is corrected


def is_solvable(windows: Windows) -> bool:
    """Tell whether a solver has what it needs: wind, several levels, and cells as wide as they are long."""
    nz, ny, nx = windows.shape
    _, dy, dx = windows.cell
    return windows.has_wind and nz > 1 and min(ny, nx) > 3 and bool(np.isclose(dy, dx))


def courant_numbers(windows: Windows, rows, wind: np.ndarray, substeps: int) -> dict[str, np.ndarray]:
    """Compute u dt / dx at the faces of all cells, dt: between two frames, for a wind and for it turned to the left.

    The wind of any direction and of nearly any speed is a sum of the two.

    Parameters
    ----------
    windows : Windows
        `is_solvable`.
    rows : array (rows,) of int
        Which of them.
    wind : array (rows, 2, z)
        Eastward and northward [m s-1].
    substeps : int
        That a frame is divided into; in none of them may air cross a whole cell.

    Returns
    -------
    dict of str to array
        flow_x (rows, z, y, x + 1, 2), flow_y (rows, z, y + 1, x, 2) and flow_z (rows, z + 1, y, x, 2): along the wind
        and across it, float32.

    Raises
    ------
    UserError
        Where the grid is none for this solver, or the wind too strong for so few substeps.
    """
    if not is_solvable(windows):
        raise UserError(
            f"model.base = solver needs wind, several levels and cells as wide as long; these are {windows.shape} "
            f"(z, y, x) of {windows.cell} m; --variant transport takes them"
        )
    dz, dy, dx = windows.cell
    widths, flows = (dx, dy, dz), ([], [], [])
    for row, (u, v) in zip(np.asarray(rows), wind, strict=True):
        _, speed, winds = mean_wind(windows.runs[windows.run[row]], windows.cell)
        scale, towards = of_mean(speed, u, v)
        scale *= windows.frame_seconds
        pair = winds.towards(towards), winds.towards(towards + np.pi / 2)
        for flow, width, *both in zip(flows, widths, *pair, strict=True):
            flow.append((np.stack(both, axis=-1) * (scale / width)).astype("float32"))
    found = {f"flow_{axis}": np.stack(flow) for axis, flow in zip("xyz", flows, strict=True)}
    _check(found, substeps)
    return found


def of_mean(speed: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Compare a frame's wind (z,) with the mean speed of its run: as what multiple, and to where [rad], it blows."""
    return np.hypot(u.sum(), v.sum()) / max(speed.sum(), 1e-9), np.arctan2(v.sum(), u.sum())


def _check(flows: dict[str, np.ndarray], substeps: int) -> None:
    most = max((float(np.abs(flow[..., 0]).max()) for flow in flows.values()), default=0.0)
    if most > SLOWED * MOST * substeps:
        raise UserError(
            f"model.substeps = {substeps}: the wind crosses {most:.1f} cells in a frame, at most {MOST} in "
            f"a substep, twice that by a wind that is wrong; set model.substeps = {2 * int(np.ceil(most / MOST / 2))}"
        )


@functools.lru_cache(maxsize=2048)  # an epoch asks for the same runs again and again
def mean_wind(run: StoredRun, cell: tuple[float, float, float]) -> tuple[Domain, np.ndarray, Wind]:
    """Solve for the winds without divergence that are nearest to a run's mean profile.

    Parameters
    ----------
    run : StoredRun
        With wind.
    cell : (dz, dy, dx)
        Size of a cell [m].

    Returns
    -------
    domain : Domain
        The run's hills, without a lid.
    speed : array (z,)
        Mean over time [m s-1].
    wind : Wind
        Over the hills.
    """
    dz, _, dx = cell
    ny, nx = run.terrain.shape
    ground = np.zeros((ny, nx)) if run.follows_terrain else run.terrain - (run.z[0] - dz / 2)
    domain = Domain(Grid(nz=len(run.z), ny=ny, nx=nx, dx=dx, dz=dz), ground)
    speed = np.hypot(run.u, run.v).mean(axis=0)
    profile = speed[:, None, None]
    return domain, speed, nearest_wind(domain, profile, profile)
