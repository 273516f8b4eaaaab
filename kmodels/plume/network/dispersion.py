"""The equation of dispersion as a layer: finite volumes that a network gives the coefficients of.

    dc/dt + div(u c) = d/dx(K_h dc/dx) + d/dy(K_h dc/dy) + d/dz(K_v dc/dz) + q

The scheme is the simulator's (see `kmodels.plume.simulator.transport`), in tensors that gradients pass through: in each
substep half of the emission, flux-limited advection along x, y, z (or z, y, x), horizontal and vertical diffusion, the
other half. Fields are (batch, z, y, x), float32 whatever the policy; coefficients are numbers: u dt / dx, K dt / dx^2.
"""

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
        opened = {name: _along(air, axis, 1, None) * _along(air, axis, 0, -1) for name, axis in AXES.items()}
        mixing = _implicit_diffusion(vertical / self.substeps, air)
        courant = {name: flow / self.substeps for name, flow in flows.items()}
        half, number = emitted / (2 * self.substeps), horizontal / self.substeps

        def advance_pair(_, field):
            for names in (list(AXES), list(AXES)[::-1]):  # the second in the reverse order: together of second order
                field, density = field + half, ops.ones_like(air)
                for name in names:
                    field, density = _advect(field, density, courant[name], opened[name], AXES[name])
                field = _diffuse_horizontally(field * density, number, opened)
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


def _along(values, axis: int, start: int, stop: int | None):
    """Slice a field along one axis."""
    return values[tuple(slice(start, stop) if k == axis else slice(None) for k in range(4))]


def _advect(field, density, courant, opened, axis: int):
    """Move a field and the air's density along one axis: van Leer's limited Lax-Wendroff fluxes.

    courant: at the faces, one more than cells; opened: the inner faces that air can pass.
    """
    here, there = _along(field, axis, 0, -1), _along(field, axis, 1, None)
    jump = ops.pad((there - here) * opened, [[1, 1] if k == axis else [0, 0] for k in range(4)])
    before, after = _along(jump, axis, 0, -1), _along(jump, axis, 1, None)
    rises = before * after > 0.0
    slope = ops.where(rises, before * after, 0.0) / ops.where(rises, before + after, 1.0)
    inner = _along(courant, axis, 1, -1)
    east, west = ops.maximum(inner, 0.0), ops.minimum(inner, 0.0)
    ahead = here + (1.0 - east / _along(density, axis, 0, -1)) * _along(slope, axis, 0, -1)
    behind = there - (1.0 + west / _along(density, axis, 1, None)) * _along(slope, axis, 1, None)
    first = ops.minimum(_along(courant, axis, 0, 1), 0.0) * _along(field, axis, 0, 1)  # clean air comes in
    last = ops.maximum(_along(courant, axis, -1, None), 0.0) * _along(field, axis, -1, None)
    flux = ops.concatenate([first, east * ahead + west * behind, last], axis)
    air = density + _along(courant, axis, 0, -1) - _along(courant, axis, 1, None)
    return (field * density + _along(flux, axis, 0, -1) - _along(flux, axis, 1, None)) / air, air


def _diffuse_horizontally(field, number, opened):
    """Take one explicit step; nothing passes the sides."""
    for name in ("flow_x", "flow_y"):
        axis = AXES[name]
        flux = number * opened[name] * (_along(field, axis, 1, None) - _along(field, axis, 0, -1))
        flux = ops.pad(flux, [[1, 1] if k == axis else [0, 0] for k in range(4)])
        field = field + _along(flux, axis, 1, None) - _along(flux, axis, 0, -1)
    return field


def _implicit_diffusion(number, air):
    """Invert 1 - D of every column, D c = d/dz (number dc/dz): (batch, y, x, z, z)."""
    above = ops.concatenate([air[:, 1:], ops.ones_like(air[:, :1])], axis=1)
    up = ops.transpose(number * air * above, (0, 2, 3, 1))
    down = ops.pad(up[..., :-1], [[0, 0]] * 3 + [[1, 0]])
    levels = up.shape[-1]
    matrix = (1.0 + up + down)[..., None] * ops.eye(levels)
    matrix = matrix - up[..., None] * ops.eye(levels, k=1) - down[..., None] * ops.eye(levels, k=-1)
    return ops.inv(matrix)
