"""GRU: Keras' own, on torch as one operation."""

import keras
from keras import ops

from kmodels.core.training import backend


@keras.saving.register_keras_serializable("kmodels.nand")
class GRU(keras.layers.GRU):
    """`keras.layers.GRU` with the same arguments, weights and outputs, masks included.

        z, r = sigmoid(x W + b + h U + c),   n = tanh(x W_n + b_n + r (h U_n + c_n)),   h' = z h + (1 - z) n

    On torch Keras steps through time in Python; here torch's own operation runs the whole sequence, forward and
    backward. Input (batch, time, features); output (batch, units), or (batch, time, units) with return_sequences.

    References
    ----------
    Cho et al. 2014, arXiv:1406.1078, in the form with the reset after the product.
    """

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Run all steps: (last output, outputs, states)."""
        run = backend.whole_gru() if self._is_plain() else None
        if run is None:
            return super().inner_loop(sequences, initial_state, mask, training=training)
        state, mask = keras.tree.flatten(initial_state)[0], (keras.tree.flatten(mask) or [None])[0]
        if self.go_backwards:
            sequences, mask = ops.flip(sequences, 1), None if mask is None else ops.flip(mask, 1)
        outputs, last = run(sequences, state, mask, self.cell)
        if mask is not None and self.zero_output_for_mask:
            outputs = outputs * ops.cast(ops.expand_dims(mask, -1), outputs.dtype)
        return last, outputs, [last]

    def _is_plain(self) -> bool:
        """Whether it is the form of the equation, with nothing dropped in it."""
        cell = self.cell
        functions = cell.activation is keras.activations.tanh, cell.recurrent_activation is keras.activations.sigmoid
        return all(functions) and cell.reset_after and cell.use_bias and not (cell.dropout or cell.recurrent_dropout)
