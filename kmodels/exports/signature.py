"""What goes into an exported network and comes out of it, in physical units."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kmodels.core.spec.recipe import Recipe


@dataclass(frozen=True)
class Tensor:
    """An input or an output.

    Attributes
    ----------
    unit : str
        Of its values; "1" where they have none.
    meaning : str
        Its axes behind the batch, and what it is.
    encode : callable, optional
        Of an input: from these units to what the network takes, of `keras.ops`; it becomes part of the export. Of an
        output: from what the network gives to these units.
    decode : callable, optional
        The inverse of an input's `encode`, NumPy: makes the inputs of a comparison.
    source : str, optional
        Of an output: the network's output that it is made of, where it has another name.
    """

    unit: str
    meaning: str
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[np.ndarray], np.ndarray] | None = None
    source: str | None = None


@dataclass(frozen=True)
class Signature:
    """How a model is exported.

    Attributes
    ----------
    inputs, outputs : dict of str to Tensor
        By name; a network's tensors that are not here go in and come out as they are.
    sample : tuple or None
        A field of the recipe's data section and how much of it gives the inputs of a comparison; None: all of the
        run's data.
    plain : dict
        The constructor's arguments that serve a training alone, as they are for an export.
    facts : callable, optional
        ``facts(network)`` lists numbers that a user of the outputs needs, such as a threshold.
    """

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    sample: tuple[str, int] | None = None
    plain: dict = field(default_factory=dict)
    facts: Callable[[Any], dict] | None = None


def of(recipe: Recipe) -> Signature:
    """Find the signature of a recipe's model: that of `cases/`, or one that hands everything on as it is."""
    module = f"kmodels.exports.cases.{recipe.task.replace('.', '_')}"
    if importlib.util.find_spec(module) is None:
        return Signature()
    return importlib.import_module(module).signature(recipe)


def physical(signature: Signature, encoded: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turn a network's inputs back into the units of the export's inputs."""
    decoders = {name: tensor.decode for name, tensor in signature.inputs.items() if tensor.decode}
    return {name: decoders[name](x).astype(x.dtype) if name in decoders else x for name, x in encoded.items()}
