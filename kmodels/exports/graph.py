"""The model that is exported: pre-processing, the trained network, outputs in physical units."""

import keras

from kmodels.exports import plain
from kmodels.exports.signature import Signature, Tensor


def bare(network: keras.Model, signature: Signature) -> keras.Model:
    """Make the same network for predictions alone, in float32; call it where `plain.operations` holds.

    Parameters
    ----------
    network : TermModel
        Trained.
    signature : Signature
        Of its model.

    Returns
    -------
    keras.Model
        Of the same class, with the same weights.
    """
    made = type(network).from_config(network.get_config() | {"dtype": "float32"} | signature.plain)
    made.set_weights(network.get_weights())
    plain.plain_activations(made)
    return made


def assemble(network: keras.Model, signature: Signature, as_dict: bool) -> tuple[keras.Model, dict, dict]:
    """Put pre-processing before a network and units behind it.

    Parameters
    ----------
    network : keras.Model
        With dictionaries of inputs and outputs.
    signature : Signature
        Of its model.
    as_dict : bool
        Whether inputs and outputs are dictionaries; else lists, in the order of their sorted names.

    Returns
    -------
    model : keras.Model
        Functional.
    inputs, outputs : dict of str to KerasTensor
        Its tensors by name.
    """
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in network.input.items()
    }
    encoded = {name: _apply(signature.inputs.get(name), tensor) for name, tensor in inputs.items()}
    outputs = dict(network(encoded, training=False))
    for name, tensor in signature.outputs.items():
        if tensor.encode and (tensor.source or name) in outputs:
            outputs[name] = tensor.encode(outputs[tensor.source or name])
    if as_dict:
        return keras.Model(inputs, outputs), inputs, outputs
    listed = ([tensors[name] for name in sorted(tensors)] for tensors in (inputs, outputs))
    return keras.Model(*listed), inputs, outputs


def describe(tensors: dict, known: dict[str, Tensor]) -> dict[str, dict]:
    """List shape, dtype, unit and meaning of each tensor, None for a length that is free; in the order of names."""
    listed = {}
    for name in sorted(tensors):
        said = known.get(name, Tensor("1", "as the network has it"))
        shape = list(tensors[name].shape)
        listed[name] = {"shape": shape, "dtype": tensors[name].dtype, "unit": said.unit, "meaning": said.meaning}
    return listed


def _apply(known: Tensor | None, tensor):
    return known.encode(tensor) if known and known.encode else tensor
