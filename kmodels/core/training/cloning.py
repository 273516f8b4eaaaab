"""What lets `keras.models.clone_model` give a model of the same class.

Keras 3.15 clones the graph of a functional model and then makes `cls(inputs, outputs, name=...)`, if the constructor
takes just these, or else a bare functional model without a loss. So the constructor is wrapped in one that takes these,
too, and the graph carries the arguments that its model was made of.
"""

import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

from kmodels.core.spec.suggest import did_you_mean_key

UNSET = object()
_arguments = contextvars.ContextVar("arguments", default=None)  # of the model whose constructor runs


class Held:
    """Keeps a value from Keras, which would take a dictionary apart to look for layers in it."""

    def __init__(self, value):
        self.value = value


@keras.saving.register_keras_serializable("kmodels")
class ConstructorArguments(keras.layers.Layer):
    """Hands its inputs on; carries the arguments that its model was made of."""

    def __init__(self, held: Held | None = None, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.held = held or Held({})
        self.supports_masking = True

    def call(self, inputs):
        """Hand on."""
        return inputs

    def compute_output_shape(self, input_shape):
        """Return the shapes of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what a clone of the layer is made of; models of this package are never saved by their layers."""
        return {"name": self.name, "held": self.held}


def carried(outputs):
    """Pass a model's outputs through the layer that carries its arguments."""
    return ConstructorArguments(Held(_arguments.get()), name="arguments")(outputs)


def clonable(init: Callable) -> Callable:
    """Wrap a constructor, so that it can also be called as `keras.models.clone_model` calls it.

    Keras looks for just three arguments by position, so a model's own take three, too, and the others by keyword.

    Parameters
    ----------
    init : callable
        `__init__` of a functional model whose outputs went through `carried`.

    Returns
    -------
    callable
        The same for all other calls.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self, inputs=UNSET, outputs=UNSET, name=UNSET, **kwargs):
        if _is_symbolic(inputs) and _is_symbolic(outputs):
            graph = keras.Model(inputs, outputs)
            (layer,) = (one for one in graph.layers if isinstance(one, ConstructorArguments))
            kwargs, args = layer.held.value | kwargs, ()
        else:  # what came by position are the model's own arguments
            by_position = (inputs, outputs) if isinstance(name, str | None) else (inputs, outputs, name)
            args = tuple(one for one in by_position if one is not UNSET)
        kwargs |= {"name": name} if isinstance(name, str | None) else {}
        _check_keywords(type(self), kwargs, signature)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        token = _arguments.set({key: value for key, value in bound.arguments.items() if key != "self"})
        try:
            init(self, *args, **kwargs)
        finally:
            _arguments.reset(token)

    return wrapper


def _check_keywords(owner: type, given: dict, signature: inspect.Signature) -> None:
    """Refuse a keyword that a constructor does not have; Python would name neither the class nor the nearest one."""
    names = [name for name in signature.parameters if name != "self"]
    if any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values()):
        return
    for name in given:
        if name not in names:
            raise TypeError(f"{owner.__name__}: no such argument: {name}{did_you_mean_key(name, names)}")


def _is_symbolic(structure) -> bool:
    flat = keras.tree.flatten(structure)
    return bool(flat) and all(isinstance(one, keras.KerasTensor) for one in flat)
