"""What a step of transport does to what the wind carried: layers whose coefficients a network gives, cell by cell.

Both keep mass: what is not in the volume afterwards went out of its sides or top. Fields are (batch, z, y, x, fields),
float32 whatever the policy, in units of concentration; air is (batch, z, y, x), 1 above ground.
"""

import itertools

import keras
import numpy as np
from keras import layers, ops

OFFSETS = tuple(itertools.product((-1, 0, 1), repeat=3))  # (z, y, x) from a cell to itself and its neighbours
STAYS = 4.0  # logit of a cell's own share before training: about two thirds of its content stay where they are
CLOSED = -1e9  # logit of a neighbour that is no air


@keras.saving.register_keras_serializable("kmodels.plume")
class LocalRedistribution(layers.Layer):
    """Hand every cell's content to itself and its 26 neighbours.

    ::

        out(x) = sum over n of k(x - n, n) field(x - n)

    The shares k of a cell are a softmax of its logits, so mass is kept. Nothing goes into the ground, below the lowest
    level or above the highest one; what goes out of the sides is lost.
    """

    def call(self, field, logits, air):
        """Redistribute once.

        Parameters
        ----------
        field : tensor (batch, z, y, x, fields)
            What is redistributed.
        logits : tensor (batch, z, y, x, 27)
            Of the shares, in the order of OFFSETS.
        air : tensor (batch, z, y, x)
            1 above ground, 0 in it.

        Returns
        -------
        tensor (batch, z, y, x, fields)
            float32.
        """
        own = ops.convert_to_tensor(np.array([offset == (0, 0, 0) for offset in OFFSETS], "float32"))
        # Outside: open at the sides, closed below and above.
        sides = ops.pad(ops.cast(air, "float32"), [[0, 0], [0, 0], [1, 1], [1, 1]], constant_values=1.0)
        around = ops.pad(sides, [[0, 0], [1, 1], [0, 0], [0, 0]])
        opened = ops.stack([_offset_view(around, offset) for offset in OFFSETS], axis=-1)
        logits = ops.cast(logits, "float32") + STAYS * own + CLOSED * (1.0 - opened)
        given = ops.softmax(logits, axis=-1)[..., None] * ops.cast(field, "float32")[..., None, :]
        given = ops.pad(given, [[0, 0], [1, 1], [1, 1], [1, 1], [0, 0], [0, 0]])
        back = ([-step for step in offset] for offset in OFFSETS)
        return sum(_offset_view(given[..., n, :], offset) for n, offset in enumerate(back))

    def compute_output_shape(self, field_shape, logits_shape, air_shape):
        """Return the field's shape."""
        return field_shape


def _offset_view(padded, offset):
    """View a volume padded by one cell, shifted by an offset."""
    return padded[(slice(None), *(slice(1 + step, (step - 1) or None) for step in offset))]


@keras.saving.register_keras_serializable("kmodels.plume")
class ImplicitVerticalDiffusion(layers.Layer):
    """Diffuse vertically by one implicit step: a tridiagonal system a column, by Thomas' elimination.

    ::

        (1 - D) out = field,   D c = d/dz (nu dc/dz),   nu = K dt / dz^2 >= 0

    nu holds between a level and the one above it; that of the highest level lets mass out of the top. None passes
    between air and ground.
    """

    def call(self, field, number, air):
        """Diffuse by one step.

        Parameters
        ----------
        field : tensor (batch, z, y, x, fields)
            What is diffused.
        number : tensor (batch, z, y, x)
            nu [1].
        air : tensor (batch, z, y, x)
            1 above ground, 0 in it.

        Returns
        -------
        tensor (batch, z, y, x, fields)
            float32.
        """
        air = ops.cast(air, "float32")
        above = ops.concatenate([air[:, 1:], ops.ones_like(air[:, :1])], axis=1)
        passes = ops.unstack(ops.cast(number, "float32")[..., None] * (air * above)[..., None], axis=1)
        columns = ops.unstack(ops.cast(field, "float32"), axis=1)
        below, upper, solved = 0.0, [0.0], [0.0]
        for column, number in zip(columns, passes, strict=True):
            pivot = 1.0 / (1.0 + number + below * (1.0 - upper[-1]))
            solved.append((column + below * solved[-1]) * pivot)
            upper.append(number * pivot)
            below = number
        result = [solved[-1]]
        for here, coupling in zip(solved[-2:0:-1], upper[-2:0:-1], strict=True):
            result.append(here + coupling * result[-1])
        return ops.stack(result[::-1], axis=1)

    def compute_output_shape(self, field_shape, number_shape, air_shape):
        """Return the field's shape."""
        return field_shape
