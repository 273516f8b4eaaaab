"""A wind that is wrong: turned, and faster or slower than the true one."""

from dataclasses import replace

import numpy as np

from kmodels.plume.data.records import Windows

DEGREES, SHARE = 20.0, 0.2  # standard deviation of the angle, and of the factor's logarithm, of a forecast's wind


def turn_and_stretch(winds: np.ndarray, angle, factor) -> np.ndarray:
    """Turn winds (..., 2, z) counter-clockwise by an angle [rad] and multiply them by a factor, (rows,) each."""
    shape = (-1, *[1] * (winds.ndim - 2))
    cos, sin = (np.reshape(factor * f(angle), shape).astype("float32") for f in (np.cos, np.sin))
    u, v = winds[..., 0, :], winds[..., 1, :]
    return np.stack([cos * u - sin * v, sin * u + cos * v], axis=-2)


def with_error(windows: Windows, rng: np.random.Generator, degrees: float = DEGREES, share: float = SHARE) -> Windows:
    """Turn and stretch the winds of each run.

    Parameters
    ----------
    windows : Windows
        Whose runs have winds.
    rng : Generator
        Of the errors.
    degrees : float
        Standard deviation of the angle.
    share : float
        Of the logarithm of the factor.

    Returns
    -------
    Windows
        The same windows, of runs with other winds.
    """
    runs = []
    for run in windows.runs:
        angle, factor = np.radians(degrees) * rng.standard_normal(), np.exp(share * rng.standard_normal())
        u, v = np.moveaxis(turn_and_stretch(np.stack([run.u, run.v], axis=1), angle, factor), 1, 0)
        runs.append(replace(run, u=u, v=v))
    return replace(windows, runs=tuple(runs))
