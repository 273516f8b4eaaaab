"""The equation of dispersion as a layer: finite volumes that a network gives the coefficients of.

    dc/dt + div(u c) = d/dx(K_h dc/dx) + d/dy(K_h dc/dy) + d/dz(K_v dc/dz) + q

The scheme is the simulator's (see `kmodels.plume.simulator.transport`), in tensors that gradients pass through: in each
substep half of the emission, flux-limited advection along x, y, z (or z, y, x), horizontal and vertical diffusion, the
other half. Fields are (batch, z, y, x), float32 whatever the policy; coefficients are numbers: u dt / dx, K dt / dx^2.
"""

from typing import Any, NamedTuple

import keras
from keras import layers, ops

AXES = {"flow_x": 3, "flow_y": 2, "flow_z": 1}  # of a field, by the flow along it
STABLE = 0.25  # largest K_h dt / dx^2 of a substep


@keras.saving.register_keras_serializable("kmodels.plume")
class DispersionStep(layers.Layer):
    """Solve the equation from one frame to the next.

    What leaves a cell enters its neighbour: mass is kept but for what leaves the sides and the top. Nothing becomes
    negative while no air crosses a whole cell in a substep.

    Parameters
    ----------
    substeps : int
        That the time between two frames is divided into, an even number.
    **options
        Of `keras.layers.Layer`.
    """

    def __init__(self, substeps: int = 10, **options):
        super().__init__(**(options | {"dtype": "float32"}))
        self.substeps = substeps

    def call(self, field, flows, emitted, horizontal, vertical, air):
        """Advance a field by one frame.

        Parameters
        ----------
        field : tensor (batch, z, y, x)
            Concentration in any unit.
        flows : dict of str to tensor
            u dt / dx at the faces: flow_x (batch, z, y, x + 1), flow_y (batch, z, y + 1, x), flow_z
            (batch, z + 1, y, x), dt: between two frames.
        emitted : tensor (batch, z, y, x)
            In dt, in the field's unit.
        horizontal : tensor (batch, 1, 1, 1)
            K_h dt / dx^2, at most STABLE * substeps.
        vertical : tensor (batch, z, y, x)
            K_v dt / dz^2 between each cell and the one above it; at the top it lets mass out.
        air : tensor (batch, z, y, x)
            1 above ground, 0 in it.

        Returns
        -------
        tensor (batch, z, y, x)
            The field dt later.
        """
        courant = {name: flow / self.substeps for name, flow in flows.items()}
        opened = {name: _opened(air, axis) for name, axis in AXES.items()}
        # The second step in the reverse order: together of second order.
        orders = [_sweeps(names, courant, opened, air) for names in (list(AXES), list(AXES)[::-1])]
        mixing = _implicit_diffusion(vertical / self.substeps, air)
        spread = {name: horizontal / self.substeps * opened[name] for name in ("flow_x", "flow_y")}
        half = emitted / (2 * self.substeps)

        def advance_pair(_, field):
            for sweeps in orders:
                field = field + half
                for sweep in sweeps:
                    field = _advect(field, sweep)
                for name, number in spread.items():
                    field = _diffuse(field, number, AXES[name])
                field = ops.einsum("byxzw,bwyx->bzyx", mixing, field) + half
            return field

        # A loop of the backend: written out, a step takes a minute to trace.
        return ops.fori_loop(0, self.substeps // 2, advance_pair, field)

    def compute_output_shape(self, field_shape, *others, **named):
        """Return the field's shape."""
        return field_shape

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"substeps": self.substeps}


class _Sweep(NamedTuple):
    """What moves the air along one axis: nothing in it changes from substep to substep.

    Coefficients at all faces, one more than cells; the concentrations of the cell before a face and of that behind it
    have the weights east and west, their slopes east_slope and west_slope. thinned: 1 / the air's density before.
    """

    axis: int
    opened: Any
    thinned: Any
    east: Any
    west: Any
    east_slope: Any
    west_slope: Any


def _sweeps(names, courant: dict, opened: dict, air) -> list[_Sweep]:
    """Prepare the sweeps along some axes, one after the other: each finds the air's density that the last one left."""
    sweeps, density = [], ops.ones_like(air)
    for name in names:
        axis, number = AXES[name], courant[name]
        east, west = ops.maximum(number, 0.0), ops.minimum(number, 0.0)
        around = _padded(density - 1.0, axis) + 1.0
        thinned = 1.0 - east / _along(around, axis, 0, -1), 1.0 + west / _along(around, axis, 1, None)
        slopes = east * thinned[0], -west * thinned[1]
        sweeps.append(_Sweep(axis, opened[name], 1.0 / density, east, west, *slopes))
        density = density - _difference(number, axis)
    return sweeps


def _advect(mass, sweep: _Sweep):
    """Move the mass of cells along one axis by van Leer's limited Lax-Wendroff fluxes; clean air comes in."""
    axis = sweep.axis
    around = _padded(mass * sweep.thinned, axis)
    jump = _difference(around, axis) * sweep.opened
    before, after = _along(jump, axis, 0, -1), _along(jump, axis, 1, None)
    product = before * after
    slope = ops.relu(product) / ops.where(product > 0.0, before + after, 1.0)
    slope = _padded(slope, axis)
    flux = sweep.east * _along(around, axis, 0, -1) + sweep.west * _along(around, axis, 1, None)
    flux = flux + sweep.east_slope * _along(slope, axis, 0, -1) + sweep.west_slope * _along(slope, axis, 1, None)
    return mass - _difference(flux, axis)


def _diffuse(field, number, axis: int):
    """Take one explicit step along an axis, number = K dt / dx^2 at the faces; nothing passes the sides."""
    return field + _difference(number * _difference(_padded(field, axis), axis), axis)


def _along(values, axis: int, start: int, stop: int | None):
    """Slice a field along one axis."""
    return values[tuple(slice(start, stop) if k == axis else slice(None) for k in range(4))]


def _difference(values, axis: int):
    """Subtract from each value along an axis the one before it."""
    return _along(values, axis, 1, None) - _along(values, axis, 0, -1)


def _padded(field, axis: int):
    """Put a cell with nothing in it at both ends of an axis."""
    return ops.pad(field, [[1, 1] if k == axis else [0, 0] for k in range(4)])


def _opened(air, axis: int):
    """1 at the faces between two cells of air, else 0, also at both ends of the axis."""
    around = _padded(air, axis)
    return _along(around, axis, 0, -1) * _along(around, axis, 1, None)


def _implicit_diffusion(number, air):
    """Invert 1 - D of every column, D c = d/dz (number dc/dz): (batch, y, x, z, z).

    By elimination, written out: on jax the library's inverses of many small matrices may wait for each other for ever.
    """
    above = ops.concatenate([air[:, 1:], ops.ones_like(air[:, :1])], axis=1)
    up = ops.transpose(number * air * above, (0, 2, 3, 1))
    levels = up.shape[-1]
    unit = ops.eye(levels)
    ratios, rows = [], []
    for k in range(levels):
        here = up[..., k : k + 1]
        if k == 0:
            pivot = 1.0 + here
            rows.append(unit[k] / pivot)
        else:
            below = up[..., k - 1 : k]
            pivot = 1.0 + here + below * (1.0 - ratios[-1])
            rows.append((unit[k] + below * rows[-1]) / pivot)
        ratios.append(here / pivot)
    solved = rows[-1:]
    for k in range(levels - 2, -1, -1):
        solved.append(rows[k] + ratios[k] * solved[-1])
    return ops.stack(solved[::-1], axis=-2)
