"""Grouped recurrence: a sequence of interleaved strands, read strand after strand."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kmodels.layers")
class GroupedRNN(keras.layers.Layer):
    """A recurrent layer that reads the steps of one group in a row, group after group, each in its order of time.

    ::

        order = argsort_t (g_t, t),   y[order] = rnn(x[order])

    Where strands are interleaved, such as the blocks of a memory, the people of a dialogue or the orbits of several
    satellites, what matters to a step is the past of its own strand: here it is the steps just before. The state is
    handed on from group to group; the first step of a group is where to forget it.

    Inputs: (batch, time, features), and groups (batch, time) integers >= 0. Output (batch, time, units), in the order
    of time. A mask (batch, time) leaves steps out of the recurrence; they must be the last ones.

    Parameters
    ----------
    rnn : keras.layers.Layer
        A recurrent layer with return_sequences, or a Bidirectional one.
    **kwargs
        Of `keras.layers.Layer`.
    """

    def __init__(self, rnn, **kwargs):
        super().__init__(**kwargs)
        self.rnn = rnn
        self.supports_masking = True

    def build(self, inputs_shape, groups_shape):
        """Build the recurrent layer."""
        self.rnn.build(inputs_shape)

    def call(self, inputs, groups, mask=None, training=False):
        """Sort, read, put back."""
        time = ops.shape(inputs)[1]
        groups = ops.cast(groups, "int32")
        if mask is not None:  # what is masked stays last
            groups = ops.where(mask, groups, ops.max(groups) + 1)
        order = ops.argsort(groups * time + ops.arange(time, dtype="int32"), axis=1)
        back = ops.argsort(order, axis=1)
        outputs = self.rnn(_permuted(inputs, order, back), mask=mask, training=training)
        return _permuted(outputs, back, order)

    def compute_output_shape(self, inputs_shape, groups_shape):
        """Return (batch, time, units)."""
        return self.rnn.compute_output_shape(inputs_shape)

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "rnn": keras.saving.serialize_keras_object(self.rnn)}

    @classmethod
    def from_config(cls, config):
        """Make the layer of a configuration."""
        rnn = keras.saving.deserialize_keras_object(config.pop("rnn"))
        return cls(rnn, **config)


def _permuted(x, order, back):
    """x[b, order[b, t]]. `back` undoes `order`: the gradient of a permutation is the permutation back.

    Left to itself the gradient of a gather is a scatter, which cost tensorflow a third of the whole training step.
    """

    @ops.custom_gradient
    def forward(x):
        def gradient(*args, upstream=None):
            return _rows(args[0] if upstream is None else upstream, back)

        return _rows(x, order), gradient

    return forward(x)


def _rows(x, order):
    batch, time, width = ops.shape(x)
    flat = order + time * ops.expand_dims(ops.arange(batch, dtype="int32"), -1)
    return ops.reshape(ops.take(ops.reshape(x, (-1, width)), flat, axis=0), (batch, time, width))
