"""A Keras model whose loss is a weighted sum of named terms, and the optimizer that remembers its gradient norm."""

import random

import keras
from keras import ops


class TermModel(keras.Model):
    """A model trained on `loss = sum_k weight_k * mean_i term_k(i)`, every term tracked under its own name.

    A subclass gives `terms`. The weights are variables of the model: a callback can change them in mid-training
    (`model.term_weights["kl"].assign(0.1)`) on every backend without compiling again, and they are saved with it.

    term_weights: {name: weight at the start}. Examples of sample weight 0 (they fill up the last batch) count nothing.
    """

    def __init__(self, term_weights: dict[str, float], **kwargs):
        super().__init__(**kwargs)
        self.term_weights = {
            name: self.add_weight(
                name=f"weight_{name}",
                shape=(),
                dtype="float32",
                initializer=keras.initializers.Constant(value),
                trainable=False,
                autocast=False,
            )
            for name, value in term_weights.items()
        }
        self.term_means = {name: keras.metrics.Mean(name=name) for name in term_weights}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a configuration: its values are the constructor's arguments."""
        return cls(**config)

    def terms(self, x, y, y_pred) -> dict:
        """The loss terms of each example: {name: (batch,)}, unweighted."""
        raise TypeError(f"{type(self).__name__} must say what its loss terms are")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of the terms' means over the batch. Works unchanged on all three backends."""
        values = self.terms(x, y, y_pred)
        if sample_weight is None:
            sample_weight = ops.ones_like(next(iter(values.values())))
        count = ops.sum(sample_weight)
        total = 0.0
        for name, value in values.items():
            mean = ops.sum(ops.cast(value, "float32") * sample_weight) / count
            self.term_means[name].update_state(mean, sample_weight=count)
            total = total + self.term_weights[name] * mean
        return total


@keras.saving.register_keras_serializable("kmodels")
class Adam(keras.optimizers.Adam):
    """Adam that keeps what its gradients were like before they were clipped.

    gradient_norm: variable, sqrt(sum g^2) of the last step. clipped: variable, the steps since it was last set to 0
    whose norm was above `global_clipnorm`. not_finite: variable, the first step, counted from 1, whose norm was no
    finite number; 0 while there is none. Such a gradient counts as 0: weights stay finite, and in the means over the
    epoch those losses alone are no numbers that were none at that step, however late somebody looks.
    """

    def build(self, variables):
        """Create Adam's slots and the three variables."""
        if self.built:
            return
        super().build(variables)
        self.gradient_norm = self.add_variable(shape=(), initializer="zeros", name="gradient_norm")
        self.clipped = self.add_variable(shape=(), initializer="zeros", name="clipped")
        self.not_finite = self.add_variable(shape=(), initializer="zeros", name="not_finite", dtype="int32")

    def apply(self, grads, trainable_variables=None):
        """One update."""
        if trainable_variables is not None:
            self.build(trainable_variables)
        squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads if g is not None]
        norm = ops.sqrt(sum(squares))
        self.gradient_norm.assign(norm)
        finite = ops.isfinite(norm)
        grads = [None if g is None else ops.where(finite, g, ops.zeros_like(g)) for g in grads]
        so_far = ops.convert_to_tensor(self.not_finite)  # jax takes no variable in where
        first = ops.logical_and(so_far == 0, ops.logical_not(finite))
        self.not_finite.assign(ops.where(first, ops.cast(self.iterations, "int32") + 1, so_far))
        if self.global_clipnorm:
            self.clipped.assign_add(ops.cast(norm > self.global_clipnorm, "float32"))
        super().apply(grads, trainable_variables)


def dropout_seed() -> int:
    """A seed of its own for a dropout layer, drawn from the run's.

    Without one, Keras on torch draws masks that no saved state restores.
    """
    return random.getrandbits(31)


def adam(train, steps: int, kind: type[Adam] = Adam, **options) -> Adam:
    """The optimizer of a recipe's `train` section for a training of `steps` steps; options: of another kind of Adam."""
    rate = train.learning_rate
    if train.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    return kind(learning_rate=rate, global_clipnorm=train.clip_norm or None, **options)
