"""The equation of dispersion in plain PyTorch, and what the miss of a forecast says about its coefficients.

Fields are (..., z, y, x): leading axes are broadcast, so that what forecasts share is held and computed once.
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from kmodels.plume.network import evidence as ours

X, Y, Z = -1, -2, -3


class Sweep(NamedTuple):
    """What moves the air along one axis and stays from substep to substep, at the faces; thinned: in the cells."""

    axis: int
    thinned: torch.Tensor
    east: torch.Tensor
    west: torch.Tensor
    east_slope: torch.Tensor
    west_slope: torch.Tensor


def openings(air) -> dict:
    """1 at the faces between two cells of air, by axis: they are the same in all solutions over a terrain."""
    return {axis: padded(along(air, axis, 1, None) * along(air, axis, 0, -1), axis) for axis in (X, Y, Z)}


def solve(field, flows: dict, emitted, horizontal, vertical, air, opened: dict, substeps: int):
    """Advance a field by one frame; flows: cells crossed in it, by axis."""
    courant = {axis: flow / substeps for axis, flow in flows.items()}
    orders = [sweeps(axes, courant, air) for axes in ((X, Y, Z), (Z, Y, X))]
    spread = {axis: horizontal / substeps * opened[axis] for axis in (X, Y)}
    mixing, half = columns(vertical / substeps, air), emitted / (2 * substeps)
    field = field + half
    for k in range(substeps):
        for sweep in orders[k % 2]:
            field = advected(field, sweep, opened[sweep.axis])
        for axis, number in spread.items():
            field = field + torch.diff(number * torch.diff(padded(field, axis), dim=axis), dim=axis)
        # With half of the emission of this substep and half of the next one's.
        field = mixed(mixing, field) + (half if k == substeps - 1 else 2 * half)
    return field


def sweeps(axes, courant: dict, air) -> list[Sweep]:
    """Prepare the sweeps along some axes, one after the other: each finds the density that the last one left."""
    made, density = [], torch.ones_like(air)
    for axis in axes:
        number, around = courant[axis], padded(density, axis, 1.0)
        east, west = number.clamp(min=0), number.clamp(max=0)
        east_slope = east * (1 - east / along(around, axis, 0, -1))
        west_slope = -west * (1 + west / along(around, axis, 1, None))
        made.append(Sweep(axis, 1 / density, east, west, east_slope, west_slope))
        density = density - torch.diff(number, dim=axis)
    return made


def advected(mass, sweep: Sweep, opened):
    """Limited Lax-Wendroff fluxes of van Leer; clean air comes in."""
    axis = sweep.axis
    around = padded(mass * sweep.thinned, axis)
    jump = torch.diff(around, dim=axis) * opened
    before, after = along(jump, axis, 0, -1), along(jump, axis, 1, None)
    product = before * after
    slope = padded(product.relu() / torch.where(product > 0, before + after, 1.0), axis)
    flux = sweep.east * along(around, axis, 0, -1) + sweep.west * along(around, axis, 1, None)
    flux = torch.addcmul(flux, sweep.east_slope, along(slope, axis, 0, -1))
    flux = torch.addcmul(flux, sweep.west_slope, along(slope, axis, 1, None))
    return mass - torch.diff(flux, dim=axis)


def columns(number, air):
    """Inverse of one implicit step of vertical diffusion: (..., z, z, y, x), by elimination along z."""
    above = functional.pad(air[..., 1:, :, :], (0, 0, 0, 0, 0, 1), value=1.0)
    up = (number * air * above).unbind(Z)
    unit = torch.eye(len(up), device=air.device)[..., None, None]
    below, ratio, row, ratios, rows = 0.0, 1.0, 0.0, [], []
    for here, one in zip(up, unit, strict=True):
        pivot = 1 / (1 + here + below * (1 - ratio))
        row = (one + _level(below) * row) * _level(pivot)
        ratio, below = here * pivot, here
        ratios.append(ratio)
        rows.append(row)
    solved = rows[-1:]
    for row, ratio in zip(rows[-2::-1], ratios[-2::-1], strict=True):
        solved.append(row + _level(ratio) * solved[-1])
    return torch.stack(solved[::-1], -4)


def _level(values):
    return values if isinstance(values, float) else values[..., None, :, :]


def mixed(mixing, field):
    """Apply the matrix of every column."""
    return (mixing * field[..., None, :, :, :]).sum(Z)


def along(values, axis: int, start: int, stop: int | None):
    return values[(..., slice(start, stop), *[slice(None)] * (-1 - axis))]


def padded(field, axis: int, value: float = 0.0):
    return functional.pad(field, (0, 0) * (-1 - axis) + (1, 1), value=value)


@torch.no_grad()
def weigh(forecasts, seen, air):
    """Estimate what would have made a forecast right, as `ClosureEvidence`: (batch, 10).

    forecasts (5, batch, z, y, x): with no number shifted, and with each of the four.
    """
    shifts, spreads = (seen.new_tensor(values) for values in (ours.SHIFTS, ours.SPREADS))
    logs = forecasts.log1p()
    effects = (logs[1:] - logs[0]) / shifts[:, None, None, None, None] * air
    jacobian = effects.clamp(-ours.LARGEST_EFFECT, ours.LARGEST_EFFECT).flatten(2).transpose(0, 1)  # (batch, 4, cells)
    miss = ((seen.log1p() - logs[0]) * air).clamp(-ours.LARGEST_MISS, ours.LARGEST_MISS).flatten(1)
    cloud = (air * (seen + forecasts[0] > ours.CLEAN)).flatten(1)
    prior = torch.diag((ours.NOISE / spreads) ** 2)
    left = _left(jacobian, miss, _fitted(jacobian, miss, cloud, prior))
    weight = cloud / (1 + left / (ours.OUTLIER + 0.5 * _mean(left, cloud).sqrt())[:, None] ** 2)
    step = _fitted(jacobian, miss, weight, prior)
    information = torch.einsum("bn,bkn->bk", weight, jacobian**2)
    errors = torch.stack([_mean(miss**2, weight), _mean(_left(jacobian, miss, step), weight)], -1)
    return torch.cat([step, (information + 1e-3).log() / 5, (errors + 1e-8).log() / 5], -1)


def _fitted(jacobian, miss, weight, prior):
    weighted = jacobian * weight[:, None]
    right = weighted @ miss[..., None]
    # Without a check of the pivots, for which the host would wait: the prior keeps them above 0.
    step, _ = torch.linalg.solve_ex(weighted @ jacobian.mT + prior, right)
    return step[..., 0].clamp(-ours.LARGEST_STEP, ours.LARGEST_STEP)


def _left(jacobian, miss, step):
    return (miss - (step[:, None] @ jacobian)[:, 0]) ** 2


def _mean(values, weight):
    return (values * weight).sum(1) / (weight.sum(1) + 1)
