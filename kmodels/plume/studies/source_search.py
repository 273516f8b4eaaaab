"""Where a cloud comes from: the source, and the diffusivities, under which a roll-out gives what masts recorded.

From a few places of the library, two at once: Gauss-Newton steps, damped (Levenberg-Marquardt), with derivatives by
differences, as seven roll-outs in a batch cost less than one gradient. L-BFGS along the gradient ends it from the best.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from kmodels.plume.studies.release import Release, Source
from kmodels.plume.studies.source_roll_out import DOUBT, SourceRollOut, describe

STARTS = 2  # places from the library that are followed at once
ROUNDS = 5  # of them, at most: where none explains the records, the next ones are followed
EXPLAINED = 0.008  # cost below which one does
APART = 2.0  # cells, at least, between two starts
STEPS = 10  # of Gauss and Newton, at most
EVALUATIONS = 6  # of the roll-out and its gradient after that
RATES = (1e-6, 10.0)  # kg s-1 that a source may have
LOWEST = 0.25  # cells above ground
FARTHEST = 3.0  # logarithm of a diffusivity's multiple
TICK = 0.05  # of the differences
DAMPING = 0.1  # at first
LONGEST, SHORTEST = 2.0, 0.01  # cells, and logarithms: a step may go so far; where all are shorter it ends
FLATTEST = 1e-9  # curvature, at least


class Found(NamedTuple):
    """What a search ends with.

    Attributes
    ----------
    source : Source
        With the lowest cost; its height is the one that the plume rises to.
    multiples : (float, float)
        Horizontal and vertical diffusivity, of the network's.
    place_sd, rate_sd : float
        What the records leave open: standard deviation of the place along the farther axis [cells], and of the rate's
        logarithm, of the Gaussian that the cost's curvature at its lowest tells.
    path : array (tried, 7)
        Where each step went, as in `SourceRollOut.series`, and its cost.
    """

    source: Source
    multiples: tuple[float, float]
    place_sd: float
    rate_sd: float
    path: np.ndarray


def search(roll_out: SourceRollOut, case: Release, starts: list[Source]) -> Found:
    """Find the source of a release.

    Parameters
    ----------
    roll_out : SourceRollOut
        Of the network.
    case : Release
        What was recorded.
    starts : list of Source
        Places to begin at, the best first; of those that lie close together only the first is taken.

    Returns
    -------
    Found
        The best of all that was tried.
    """
    given = describe(roll_out.model, roll_out.recipe, case)
    _, ny, nx = case.below_ground.shape
    farthest, top = (-FARTHEST, FARTHEST), len(case.below_ground) - 1
    bounds = np.array([(0, nx - 1), (0, ny - 1), (LOWEST, top), np.log(RATES), farthest, farthest])
    begin = np.stack([_unknowns(start, case.cell) for start in _distinct(starts, case.cell)])
    lowest, best, jacobian, tried = np.inf, None, None, []
    for few in np.split(begin, range(STARTS, len(begin), STARTS)):
        *found, places = _gauss_newton(lambda some: roll_out.residuals(some, given), few, bounds)
        tried += places
        if found[0] < lowest:
            lowest, best, jacobian = found
        if lowest < EXPLAINED:
            break

    def cost(unknowns):
        value, slope = roll_out.cost_and_slope(unknowns, given)
        tried.append([*unknowns, value])
        return value, slope

    options = {"maxfun": EVALUATIONS, "maxls": 4}
    minimize(cost, best, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    path = np.array(tried)
    best = path[path[:, -1].argmin(), :-1]
    left = np.sqrt(DOUBT * np.diag(np.linalg.inv(jacobian.T @ jacobian + FLATTEST * np.eye(len(best)))))
    multiples = tuple(np.exp(best[4:]).tolist())
    return Found(_source(best, case.cell), multiples, float(max(left[:2])), float(left[3]), path)


def _gauss_newton(residuals, begin: np.ndarray, bounds: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, list]:
    """Follow damped Gauss-Newton steps from n places (n, 6) at once.

    Returns the lowest cost, its place, the derivatives of its residuals (residuals, 6), and all places with their
    costs.
    """
    n, count = begin.shape
    ticks = TICK * np.vstack([np.zeros(count), np.eye(count)])
    at = np.clip(begin, *bounds.T)
    best, cost, found, damping, tried = at, np.full(n, np.inf), None, np.full(n, DAMPING), []
    for _ in range(STEPS):
        here = residuals((at[:, None] + ticks).reshape(-1, count)).reshape(n, count + 1, -1)
        now = (here[:, 0] ** 2).sum(axis=1)
        tried += [[*place, value] for place, value in zip(at, now, strict=True)]
        better = now < cost
        best, cost = np.where(better[:, None], at, best), np.where(better, now, cost)
        found = here if found is None else np.where(better[:, None, None], here, found)
        damping = np.where(better, damping / 4, damping * 5)
        jacobians = (found[:, 1:] - found[:, :1]).transpose(0, 2, 1) / TICK
        steps = [_step(*given) for given in zip(jacobians, found[:, 0], damping, strict=True)]
        at = np.clip(best + np.clip(steps, -LONGEST, LONGEST), *bounds.T)
        if np.abs(at - best).max() < SHORTEST:
            break
    lowest = cost.argmin()
    return cost[lowest], best[lowest], jacobians[lowest], tried


def _step(jacobian: np.ndarray, off: np.ndarray, damping: float) -> np.ndarray:
    """Solve for the step that the linearised residuals ask for."""
    curvature = jacobian.T @ jacobian
    damped = curvature + damping * np.diag(np.diag(curvature) + 1e-4)
    return -np.linalg.solve(damped, jacobian.T @ off)


def _distinct(sources: list[Source], cell) -> list[Source]:
    """Choose the first sources that lie APART, for all rounds."""
    chosen = []
    for one in sources:
        if all(np.hypot(one.x - other.x, one.y - other.y) >= APART * cell[2] for other in chosen):
            chosen.append(one)
        if len(chosen) == STARTS * ROUNDS:
            break
    return chosen


def _unknowns(source: Source, cell) -> np.ndarray:
    dz, dy, dx = cell
    return np.array([source.x / dx - 0.5, source.y / dy - 0.5, source.height / dz, np.log(source.rate), 0.0, 0.0])


def _source(unknowns, cell) -> Source:
    dz, dy, dx = cell
    x, y, height, rate = (float(value) for value in unknowns[:4])
    return Source((x + 0.5) * dx, (y + 0.5) * dy, height * dz, float(np.exp(rate)))
