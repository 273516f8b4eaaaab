"""Forecasts of the simulator's own solver, restarted from the last frame seen with no more than a file tells.

A file tells concentrations, terrain, stacks and the wind of each level; not the stability, how far a hot plume rises,
the height of the mixing lid, nor what hills do to the wind. So the air is neutral (class D) or has a diffusivity fitted
on training runs, stacks emit at their height, the top is open, and the wind over the hills is the one without
divergence that is nearest to the given profile.
"""

import functools
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from kmodels.plume.data.flow.courant import mean_wind, of_mean
from kmodels.plume.data.flow.terrain import Faces
from kmodels.plume.data.flow.wind import Wind
from kmodels.plume.data.flow.wind_error import turn_and_stretch
from kmodels.plume.data.records import Windows
from kmodels.plume.data.run import StoredRun
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.plume.simulator.stability import CLASSES
from kmodels.plume.simulator.transport import Transport

NEUTRAL = CLASSES["D"]
C0 = 1e-8  # kg m-3: fits on the frames seen compare log1p(c / C0)
SPREADS = (1.5, 1.5, 0.35, 0.2)  # standard deviations that logarithms of K_h and K_v, angle and log of speed may have
PRIOR = 1e-3  # weight of these in a fit on the frames seen
FIT_FORECASTS = 80  # that it may take
FIT_WINDOWS = 40  # training windows, at most, that a diffusivity is fitted on
ROUNDING = 0.02  # of a wind's speed, relative: one transport serves all speeds that round to the same


def restart(windows: Windows, leads: int, factors: tuple[float, float] = (1.0, 1.0)) -> Forecast:
    """Forecast from the last frame of each window, under the given wind of each frame on the way.

    Parameters
    ----------
    windows : Windows
        What the forecasts start from; `is_solvable`.
    leads : int
        Frames to forecast.
    factors : (float, float)
        Horizontal and vertical diffusivity as multiples of those of class D.

    Returns
    -------
    Forecast
        Of every window and lead.
    """
    rows = np.arange(len(windows))
    starts = windows.past(rows)[:, -1]
    winds = np.stack([windows.wind_at(rows, lead) for lead in range(leads)], axis=1)
    frames = np.empty((len(rows), leads, *windows.shape), "float32")
    for number in np.unique(windows.run):
        solver = _RunSolver(windows.runs[number], windows.cell, windows.frame_seconds, factors)
        for row in np.flatnonzero(windows.run == number):
            frames[row] = solver.forecast(starts[row], winds[row])
    return Forecast(windows, frames)


def fit_factors(windows: Windows) -> tuple[float, float]:
    """Fit one horizontal and one vertical diffusivity, as multiples of class D's, to the next frames of training runs.

    They minimise the mean squared error of the one-frame forecast over some windows, spread over all runs
    (Nelder-Mead on the logarithms, from class D on).
    """
    some = windows.take(np.unique(np.linspace(0, len(windows) - 1, FIT_WINDOWS).astype(int)))
    truth = some.target(np.arange(len(some)), 1).astype("float64")
    scale = (truth**2).mean()

    def error(logs) -> float:
        forecast = restart(some, 1, tuple(np.exp(logs))).concentration[:, 0]
        return float(((forecast - truth) ** 2).mean() / scale)

    found = minimize(error, np.zeros(2), method="Nelder-Mead", options={"maxfev": 40, "xatol": 0.05, "fatol": 1e-6})
    return tuple(np.exp(found.x).tolist())


def restart_fitted(windows: Windows, leads: int) -> Forecast:
    """Forecast as `restart`, with diffusivities and a corrected wind fitted on the frames seen, once a run.

    What an expert would do without a network: the two diffusivities, an angle and a factor of the wind minimise the
    mean squared difference of log1p(c / C0) of the last frame seen from its forecast from the one before (Nelder-Mead,
    from class D and the given wind on).
    """
    if windows.n_past < 2:
        return restart(windows, leads)
    parts = []
    for number in np.unique(windows.run):
        own = windows.take(np.flatnonzero(windows.run == number))
        run, frame = own.runs[number], int(own.first.min()) + own.n_past - 1
        factors, turn, stretch = _fit_run(run, frame, windows.cell, windows.frame_seconds)
        u, v = np.moveaxis(turn_and_stretch(np.stack([run.u, run.v], axis=1), turn, stretch), 1, 0)
        runs = tuple(replace(run, u=u, v=v) if k == number else one for k, one in enumerate(own.runs))
        parts.append(restart(replace(own, runs=runs), leads, factors).concentration)
    order = np.argsort(np.argsort(windows.run, kind="stable"))
    return Forecast(windows, np.concatenate(parts)[order])


@functools.lru_cache(maxsize=2048)  # the next frame and the roll-outs ask for the same
def _fit_run(run: StoredRun, frame: int, cell, seconds: float) -> tuple[tuple[float, float], float, float]:
    """Fit factors of both diffusivities, angle [rad] and factor of the wind on this frame and the one before."""
    before, seen = run.concentration(frame - 1, frame + 1)
    wind, seen = np.stack([run.u[frame - 1], run.v[frame - 1]])[None], np.log1p(seen / C0)

    def error(x) -> float:
        winds = turn_and_stretch(wind, x[2:3], np.exp(x[3:4]))
        forecast = _RunSolver(run, cell, seconds, tuple(np.exp(x[:2]))).forecast(before, winds)[0]
        return float(((np.log1p(forecast / C0) - seen) ** 2).mean() + PRIOR * ((x / SPREADS) ** 2).sum())

    start = np.vstack([np.zeros(4), np.diag([1.0, 1.0, 0.3, 0.2])])
    found = minimize(error, start[0], method="Nelder-Mead", options={"maxfev": FIT_FORECASTS, "initial_simplex": start})
    return tuple(np.exp(found.x[:2]).tolist()), float(found.x[2]), float(np.exp(found.x[3]))


class _RunSolver:
    """The solver over the hills of one run."""

    def __init__(self, run: StoredRun, cell: tuple[float, float, float], seconds: float, factors: tuple[float, float]):
        self.domain, self.speed, self.wind = mean_wind(run, cell)
        neutral = NEUTRAL.diffusivities(float(np.interp(10.0, self.domain.z, self.speed)))
        self.diffusivity = tuple(k * factor for k, factor in zip(neutral, factors, strict=True))
        emission = run.maps().source_emission
        self.cells = np.nonzero(emission)
        self.rates = emission[self.cells]
        self.seconds = seconds
        self.transports: dict[int, Transport] = {}

    def forecast(self, start: np.ndarray, winds: np.ndarray) -> np.ndarray:
        """Forecast as many frames as there are winds, (leads, 2, z), from a concentration (z, y, x)."""
        frames, concentration = [], np.where(self.domain.air, start, 0.0)
        for u, v in winds:
            scale, direction = of_mean(self.speed, u, v)
            transport = self._transport(scale)
            transport.concentration[:] = concentration
            transport.advance(float(direction), self.cells, self.rates)
            concentration = np.maximum(transport.concentration, 0.0)
            frames.append(concentration)
        return np.stack(frames)

    def _transport(self, scale: float) -> Transport:
        """Get the transport by a wind of this multiple of the run's mean speed."""
        key = round(np.log(max(scale, 1e-3)) / ROUNDING)
        if key not in self.transports:
            scale = np.exp(key * ROUNDING)
            wind = Wind(*(Faces(*(scale * faces for faces in part)) for part in self.wind))
            self.transports[key] = Transport(self.domain, wind, self.diffusivity, self.seconds)
        return self.transports[key]
