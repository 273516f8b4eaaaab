"""A Keras model whose loss is a weighted sum of named terms."""

import random
from typing import Any

import keras
from keras import ops

from kmodels.core.spec import arrays
from kmodels.core.spec.arguments import check_choice
from kmodels.core.training import backend
from kmodels.core.training.cloning import carried, clonable
from kmodels.core.training.devices import distribution
from kmodels.core.training.replay import predictions


class TermModel(keras.Model):
    """A functional model trained on a weighted sum of named loss terms.

    ::

        loss = sum_k weight_k * mean_i term_k(i)

    A subclass gives `terms` and says what targets these need, `target_shapes`. The weights are variables of the
    model: a callback can change them in mid-training (``model.term_weights["kl"].assign(0.1)``) on every backend
    without compiling again, and they are saved with it. Examples of sample weight 0 (they fill up the last batch)
    count nothing.

    Parameters
    ----------
    term_weights : dict of str to float
        The weight of each loss term at the start.
    inputs, outputs : dict of str to keras.KerasTensor
        Of a functional `keras.Model`.
    name : str
        Of the model.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = clonable(cls.__init__)

    def __init__(self, term_weights: dict[str, float], inputs, outputs, name: str | None = None):
        super().__init__(inputs=inputs, outputs=carried(outputs), name=name)
        self.term_weights = {name: self.scalar(f"weight_{name}", value) for name, value in term_weights.items()}
        self.term_means = {name: keras.metrics.Mean(name=name) for name in term_weights}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make the model of a configuration: its values are the constructor's arguments."""
        return cls(**config)

    def scalar(self, name: str, value: float = 0.0) -> keras.Variable:
        """Add a variable that is not trained, such as a weight or a switch, and is saved with the model.

        Parameters
        ----------
        name : str
            Of the variable.
        value : float
            At the start.

        Returns
        -------
        keras.Variable
            Of shape (), float32 whatever the dtype policy is.
        """
        start = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=(), dtype="float32", initializer=start, trainable=False, autocast=False)

    def terms(self, x: dict, y: dict, y_pred: dict) -> dict:
        """Compute the loss terms of each example, unweighted.

        Parameters
        ----------
        x, y, y_pred : dict of str to tensor
            Inputs, targets and outputs, each (batch, ...).

        Returns
        -------
        dict of str to tensor
            {name: (batch,)}, by the names of `term_weights`.
        """
        raise TypeError(f"{type(self).__name__} must say what its loss terms are")

    def target_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Name the targets that the loss terms need, with their shapes behind the batch; None: any length."""
        return {}

    def compile(self, optimizer="adam", loss=None, loss_weights=None, **kwargs):
        """Configure the training, as `keras.Model.compile` does; the loss is the model's own.

        Raises
        ------
        ValueError
            For `loss` or `loss_weights`: the model is trained on its own terms, and a loss given here would be
            ignored. For `metrics` that do not say of which of several outputs they are, or of a network none of whose
            outputs has a target.
        """
        given = {key: kwargs.get(key) for key in ("metrics", "weighted_metrics")}
        for key, metrics in given.items():
            self._check_metrics(key, metrics)
        self.has_metrics = any(given.values())
        if loss is not None or loss_weights is not None:
            raise ValueError(
                f"{type(self).__name__} is trained on its own loss terms, {', '.join(self.term_weights)}: compile() "
                f"takes no loss and no loss_weights. Change a term's weight by model.term_weights[...].assign(value), "
                f"or train keras.Model(model.inputs, model.outputs) on a loss of your own"
            )
        super().compile(optimizer=optimizer, **kwargs)
        # Not left to the first step: tensorflow would trace it twice, and a first step that is refused would leave an
        # optimizer whose variables belong to a graph that is gone.
        self.optimizer.build(self.trainable_variables)

    def _check_metrics(self, key: str, metrics) -> None:
        """Refuse metrics that Keras would refuse in a riddle, or compare with a target that there is not."""
        names, owner = list(self.output), type(self).__name__
        shapes = self.target_shapes()
        targets = [name for name in shapes if name in names] or names
        if metrics and len(names) > 1 and shapes and not set(shapes) & set(names):
            told = f"the outputs are {', '.join(names)}, the targets {', '.join(shapes)}"
            raise ValueError(f"{owner}: {key} = {metrics!r}, but no output has a target of its name: {told}")
        if isinstance(metrics, dict):
            for name in metrics:
                check_choice(owner, key, name, targets)
        elif metrics and len(names) > 1:
            which = f"pass {key}={{{targets[0]!r}: {metrics!r}}}"
            raise ValueError(f"{owner}: {key} = {metrics!r}, but the outputs are {', '.join(names)}: {which}")

    def compile_from_config(self, config):
        """Configure the training as a saved model had it; Keras leaves this to a class with its own `compile`.

        Whether the steps are compiled is chosen anew: what is saved is what suited the backend of then.
        """
        self.compile(**keras.saving.deserialize_keras_object(config) | {"jit_compile": "auto"})

    def export(self, filepath, format: str = "tf_saved_model", **kwargs):
        """Export the network, as `keras.Model.export` does.

        All lengths that the inputs leave open are one length, such as the operations of a sequence.

        Raises
        ------
        ValueError
            For a SavedModel on torch, where Keras exports no model whose outputs are a dictionary.
        """
        if format == "tf_saved_model" and backend.current() == "torch":
            raise ValueError(
                f"{type(self).__name__}: Keras exports no SavedModel of outputs in a dictionary on torch; save the "
                f"model (.keras), load it on tensorflow, and export it there"
            )
        if format == "tf_saved_model" and backend.current() == "jax" and "input_signature" not in kwargs:
            # Left to Keras, each open length would be a symbol of its own, which jax cannot compare with another.
            shapes = [{name: _symbolic(tensor.shape) for name, tensor in self.input.items()}]
            kwargs["jax2tf_kwargs"] = {"polymorphic_shapes": shapes} | (kwargs.get("jax2tf_kwargs") or {})
        return super().export(filepath, format=format, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Weigh the terms' means over the batch and add them up; the same code on all three backends.

        Raises
        ------
        ValueError
            Where `y` is no dictionary with the targets of `target_shapes` and no others, or one has another shape.
        """
        arrays.check_targets(type(self).__name__, y, self._expected_targets(_behind_batch(y_pred)))
        values = self.terms(x, y, y_pred)
        if sample_weight is None:
            sample_weight = ops.ones_like(next(iter(values.values())))
        # One array given to fit() arrives once for each target: their mean is what was given.
        weights = [ops.cast(weight, "float32") for weight in keras.tree.flatten(sample_weight)]
        sample_weight = sum(weights) / len(weights)
        sums = [ops.sum(ops.cast(value, "float32") * sample_weight) for value in values.values()]
        devices = distribution.current()
        count, *sums = devices.summed([ops.sum(sample_weight), *sums])
        total = 0.0
        for name, value in zip(values, sums, strict=True):
            mean = value / count
            self.term_means[name].update_state(mean, sample_weight=devices.counted(count))
            total = total + self.term_weights[name] * mean
        return devices.as_keras_takes_it(total)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics, as `keras.Model.compute_metrics` does, of those outputs that have a target.

        Keras looks for a target, and a weight, of every output, also of one without a metric: there it gets the output.
        """
        if isinstance(y, dict) and isinstance(y_pred, dict):
            y = {name: y.get(name, output) for name, output in y_pred.items()}
            if isinstance(sample_weight, dict) and sample_weight:
                some = next(iter(sample_weight.values()))
                sample_weight = {name: sample_weight.get(name, some) for name in y_pred}
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Train, as `keras.Model.fit` does.

        A training that is refused leaves the model as it was.

        Raises
        ------
        ValueError
            For arrays of other names, shapes or lengths than the network has; before anything is trained.
        """
        self._check_arrays(x, y)
        if isinstance(kwargs.get("validation_data"), tuple):
            self._check_arrays(*kwargs["validation_data"][:2])
        trained = [*self.metrics_variables, *self.optimizer.variables] if self.compiled else []
        with backend.restoring([*self.variables, *trained]):
            return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Average the loss terms, as `keras.Model.evaluate` does.

        Raises
        ------
        ValueError
            As `fit` does.
        """
        self._check_arrays(x, y)
        with backend.restoring([*self.variables, *self.metrics_variables]):
            return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Compute outputs, as `keras.Model.predict` does.

        Raises
        ------
        ValueError
            For inputs of other names, shapes or lengths than the network has.
        """
        self._check_arrays(x)
        return super().predict(x, *args, **kwargs)

    def make_predict_function(self, force=False):
        """Make what computes the outputs of a batch, as `keras.Model.make_predict_function` does.

        On torch it records itself where the same shapes come again, see `replay.predictions`.
        """
        if self.predict_function is None or force:
            usual = super().make_predict_function(force=True) or self.predict_function
            self.predict_function = predictions.Replay(self, usual) if predictions.applies(self) else usual
        return self.predict_function

    def _check_arrays(self, x, y=None) -> None:
        """Refuse arrays; generators and data sets are looked at while a step is traced."""
        if isinstance(x, dict):
            arrays.check_inputs(type(self).__name__, x, _behind_batch(self.input))
            if y is not None:
                expected = self._expected_targets(_behind_batch(self.output), x)
                lengths = any(None in shape for shape in self.target_shapes().values())
                arrays.check_targets(type(self).__name__, y, expected, of=arrays.shapes_of(x) if lengths else "")
            arrays.check_rows(type(self).__name__, x, y)
        elif y is not None and isinstance(x, list | tuple) and len(self.input) > 1:  # the loss terms ask by name
            names = ", ".join(self.input)
            raise ValueError(f"{type(self).__name__}: inputs must be a dictionary with {names}; got {type(x).__name__}")

    def _expected_targets(self, outputs: arrays.Shapes, x: dict | None = None) -> arrays.Shapes:
        """Fill in the lengths that targets share with the outputs of their names, of inputs `x` where these say it."""
        shapes = {name: _as_long_as(outputs.get(name), shape) for name, shape in self.target_shapes().items()}
        if x is not None and any(None in shape for shape in shapes.values()):
            outputs = self.compute_output_shape({name: tuple(x[name].shape) for name in self.input})
            return self._expected_targets({name: shape[1:] for name, shape in outputs.items()})
        return shapes


def _behind_batch(tensors: dict) -> arrays.Shapes:
    return {name: tuple(tensor.shape)[1:] for name, tensor in tensors.items()}


def _as_long_as(output: tuple[int | None, ...] | None, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Fill in the lengths that a target shares with the output of its name, whose axes it has or begins with."""
    there = output or ()
    return tuple(there[k] if size is None and k < len(there) else size for k, size in enumerate(shape))


def _symbolic(shape: tuple[int | None, ...]) -> str:
    """Write a shape as jax reads it: "(batch, length, 3)"."""
    sizes = ["length" if size is None else str(size) for size in shape[1:]]
    return f"({', '.join(['batch', *sizes])})"


def policy_name(dtype: Any) -> str:
    """Name the dtype policy that a layer given `dtype` would have; Keras' global policy for None."""
    policy = keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
    return policy.name


def dropout_seed() -> int:
    """Draw a seed of its own for a dropout layer from the run's.

    Without one, Keras on torch draws masks that no saved state restores.
    """
    return random.getrandbits(31)
