"""ConvLSTM in three dimensions of space: Keras' own layer with other convolutions, and with less memory."""

import keras
from keras import ops

from kmodels.layers.convolution3d import FORMS, convolution3d

WRITTEN_OUT = 16  # frames at most on jax: each takes XLA some 1.5 s to compile


@keras.saving.register_keras_serializable("kmodels.layers")
class ConvLSTM3D(keras.layers.ConvLSTM3D):
    """`keras.layers.ConvLSTM3D` to a caller: same arguments, weights and outputs; no peepholes.

    ::

        (i, f, g, o)_t = W * x_t + U * h_{t-1} + b
        c_t = s(f) c_{t-1} + s(i) tanh(g),  h_t = s(o) tanh(c_t)

    with * the convolution over (z, y, x) and s the sigmoid. W * x_t is computed for all frames at once, and U * h for
    all four gates at once, each in the form of convolution that is fastest on the backend and device at hand.

    Input (batch, time, z, y, x, channels), and a mask (batch, time) if there is one. Output (batch, z', y', x',
    filters), with time after the batch for return_sequences. With data_format="channels_first", or an unknown number of
    frames, Keras' own code runs; form and remat are idle.

    Parameters
    ----------
    *args, **kwargs
        All arguments of Keras' layer.
    form : str
        Of the convolutions, a name in `convolution3d.FORMS`, or "auto", the one measured to be fastest.
    remat : bool
        Keep only the states and W * x_t of every frame for the gradient, and compute all else again in the backward
        pass: more time, less memory.

    References
    ----------
    Shi et al. 2015, Convolutional LSTM Network, arXiv:1506.04214.
    """

    def __init__(self, *args, form: str = "auto", remat: bool = False, **kwargs):
        super().__init__(*args, **kwargs)
        if form not in ("auto", *FORMS):
            raise ValueError(f"ConvLSTM3D: form = {form!r}; allowed: auto, {', '.join(FORMS)}")
        self.form, self.remat = form, remat

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Run the recurrence; Keras' `call` has made the first state ready, (h, c).

        Returns the last output, all outputs in the order of computation where they are asked for, the last state.
        """
        if self.data_format == "channels_first" or sequences.shape[1] is None:
            return super().inner_loop(sequences, initial_state, mask, training)
        if self.go_backwards:
            sequences = ops.flip(sequences, 1)
            mask = None if mask is None else ops.flip(mask, 1)
        # A copy: a stateful layer's state is overwritten before torch has used it for the gradient.
        state = tuple(ops.copy(value) if self.stateful else value for value in initial_state)
        frames, step, output = self._input_gates(sequences, training), self._step(state[0], training), 0
        if mask is not None:
            frames, step = (frames, _over_volume(mask)), _masked(step, self.zero_output_for_mask)
            state, output = (*state, ops.zeros_like(state[0])), 2
        state, outputs = _scan(step, state, frames, output if self.return_sequences else None)
        return state[output], outputs if self.return_sequences else state[output], list(state[:2])

    def _input_gates(self, sequences, training):
        """W * x + b of every frame: (time, batch, z', y', x', 4 filters)."""
        cell = self.cell
        frames = ops.swapaxes(sequences, 0, 1)
        dropped = cell.get_dropout_mask(frames[0]) if training and 0 < cell.dropout < 1 else None

        def convolved(x, kernel):
            x = ops.reshape(x, (-1, *x.shape[2:]))
            if max(*cell.strides, *cell.dilation_rate) == 1:
                return convolution3d(x, kernel, cell.padding, self.form)
            return ops.conv(x, kernel, cell.strides, cell.padding, "channels_last", cell.dilation_rate)

        gates = _gates(convolved, frames, ops.convert_to_tensor(cell.kernel), dropped)
        gates = gates if cell.bias is None else ops.add(gates, cell.bias)
        return ops.reshape(gates, (frames.shape[0], -1, *gates.shape[1:]))

    def _step(self, hidden, training):
        """Make a function of the state (h, c) and a frame's input gates that returns the next state."""
        cell = self.cell
        dropped = None
        if training and 0 < cell.recurrent_dropout < 1:
            dropped = cell.get_recurrent_dropout_mask(hidden)

        def convolved(h, kernel):
            return convolution3d(h, kernel, "same", self.form)

        def step(kernel, gates, h, c):
            gates = gates + _gates(convolved, h, kernel, dropped)
            i, f, g, o = ops.split(gates, 4, axis=-1)
            c = cell.recurrent_activation(f) * c + cell.recurrent_activation(i) * cell.activation(g)
            return cell.recurrent_activation(o) * cell.activation(c), c

        # Handed in, not closed over: TensorFlow's recomputation gives gradients to arguments alone.
        kernel = ops.convert_to_tensor(cell.recurrent_kernel)
        step = keras.remat(step) if self.remat else step
        return lambda state, gates: tuple(step(kernel, gates, *state))

    def get_config(self):
        """Return the constructor's arguments."""
        return {**super().get_config(), "form": self.form, "remat": self.remat}


def _gates(convolved, x, kernel, dropped):
    """Compute the four gates of x side by side; under dropout each sees x through a mask of its own."""
    if dropped is None:
        return convolved(x, kernel)
    kernels = ops.split(kernel, 4, axis=-1)
    return ops.concatenate([convolved(x * d, k) for d, k in zip(dropped, kernels, strict=True)], axis=-1)


def _over_volume(mask):
    """Spread a mask over the volume, (batch, time) -> (time, batch, 1, 1, 1, 1) bool."""
    return ops.cast(ops.transpose(mask), "bool")[:, :, None, None, None, None]


def _masked(step, zero_output):
    """`step` for a state (h, c, output), which a masked frame leaves as it is; zero_output: its output is zero."""

    def masked(state, frame):
        (*old, output), (gates, keep) = state, frame
        new = step(old, gates)
        kept = ops.where(keep, new[0], ops.zeros_like(output) if zero_output else output)
        return (*(ops.where(keep, n, o) for n, o in zip(new, old, strict=True)), kept)

    return masked


def _scan(step, state, frames, output):
    """Return the last state, and place `output` of every state: (batch, time, ...), if that is not None."""
    # In a loop XLA's convolutions are slow on a CPU: 3.9 s for a training step of 3 frames of (4, 8, 20, 20, 12),
    # written out 0.23 s.
    if keras.backend.backend() == "jax" and keras.tree.flatten(frames)[0].shape[0] > WRITTEN_OUT:

        def body(state, frame):
            state = step(state, frame)
            return state, None if output is None else state[output]

        state, outputs = ops.scan(body, state, frames)
        return state, None if output is None else ops.swapaxes(outputs, 0, 1)
    outputs = []
    # Unstacked, whose gradient stacks; that of x[t] would be as large as x for every t.
    parts = [ops.unstack(x) for x in keras.tree.flatten(frames)]
    for frame in zip(*parts, strict=True):
        state = step(state, frame if len(frame) > 1 else frame[0])
        if output is not None:
            outputs.append(state[output])
    return state, ops.stack(outputs, axis=1) if outputs else None
