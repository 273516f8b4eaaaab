"""The formats: which backend writes one, which package runs it, and in which precisions."""

import importlib.util
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend

EXTRA = "pip install 'kmodels[export]'"


@dataclass(frozen=True)
class Format:
    """A file format of trained networks.

    Attributes
    ----------
    suffix : str
        Of its path; "" for a folder.
    backends : tuple of str
        That can write it, in the order in which they are tried.
    packages : tuple of str
        That writing and running need beside a backend, as they are imported.
    precisions : dict of str to str
        {precision: ""} for what can be written, {precision: why not and what can} for the rest.
    write : callable
        ``write(model, path, facts, precision)``; `model` is the assembled one, `facts` go into the file where it has
        room for them.
    as_dict : bool
        Whether the model has dictionaries of tensors.
    """

    suffix: str
    backends: tuple[str, ...]
    packages: tuple[str, ...]
    precisions: dict[str, str]
    write: Callable
    as_dict: bool = False

    def files(self, path: Path) -> list[Path]:
        """List what belongs to an export at `path`: OpenVINO has its weights in a file beside."""
        return [path, path.with_suffix(".bin")] if self.suffix == ".xml" else [path]

    def missing(self, name: str) -> str:
        """Say what is not installed; empty where all is there."""
        packages = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if packages:
            return f"--format {name} needs {', '.join(packages)}: {EXTRA}"
        if not set(self.backends) & set(backend.installed()):
            able = " or ".join(self.backends)
            return f"--format {name} is written by Keras on {able}, which is not installed: pip install {able}"
        return ""


def check(name: str, path: Path, precision: str) -> Format:
    """Find a format that can be written here as asked.

    Raises
    ------
    UserError
        That says why not, and what can be.
    """
    chosen = FORMATS[name]
    if path.suffix.lower() != chosen.suffix and (chosen.suffix or path.suffix.lower() in _suffixes()):
        wanted = f"the suffix must be {chosen.suffix}" if chosen.suffix else "name a folder"
        raise UserError(f"--out {path}: --format {name}: {wanted}")
    if why := chosen.precisions[precision]:
        raise UserError(f"--format {name} --precision {precision}: {why}")
    if why := chosen.missing(name):
        raise UserError(why)
    return chosen


def _suffixes() -> set[str]:
    return {one.suffix for one in FORMATS.values() if one.suffix}


def _onnx(model, path: Path, facts: dict, precision: str) -> None:
    import onnx

    model.export(str(path), format="onnx", verbose=False)
    graph = onnx.load(path)
    _name_tensors(graph.graph, list(facts["inputs"]), list(facts["outputs"]))
    graph = ROUNDED[precision](graph)
    onnx.helper.set_model_props(graph, {"kmodels": json.dumps(facts)})
    onnx.save(graph, path)


def _onnx_float16(graph):
    """Hold weights, and compute, in half precision; inputs and outputs stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(graph, keep_io_types=True)


def _onnx_int8(graph):
    """Hold the matrices of weights as 8-bit integers; activations are rounded as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantize_dynamic(graph, path, weight_type=QuantType.QInt8)
        return onnx.load(path)


ROUNDED = {"float32": lambda graph: graph, "float16": _onnx_float16, "int8": _onnx_int8}


def _name_tensors(graph, inputs: list[str], outputs: list[str]) -> None:
    """Call a graph's inputs, outputs and free first axes what they are: tf2onnx numbers them."""
    names = {tensor.name: name for tensor, name in zip(graph.input, inputs, strict=True)}
    names |= {tensor.name: name for tensor, name in zip(graph.output, outputs, strict=True)}
    taken = set(names.values()) - set(names)
    for node in graph.node:
        for places in (node.input, node.output):
            places[:] = [names.get(one, f"inner/{one}" if one in taken else one) for one in places]
    for tensor in (*graph.initializer, *graph.value_info):
        tensor.name = f"inner/{tensor.name}" if tensor.name in taken else tensor.name
    for tensor in (*graph.input, *graph.output):
        tensor.name = names[tensor.name]
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"


def _openvino(model, path: Path, facts: dict, precision: str) -> None:
    import openvino

    first = path.with_name(f"first-{path.name}")
    model.export(str(first), format="openvino", verbose=False)
    graph = _with_outputs_alone(openvino.Core().read_model(first))
    for tensors, names in ((graph.inputs, facts["inputs"]), (graph.outputs, facts["outputs"])):
        for tensor, name in zip(tensors, names, strict=True):
            tensor.get_tensor().set_names({name})
    graph.set_rt_info(json.dumps(facts), ["kmodels"])
    openvino.save_model(graph, path, compress_to_fp16=precision == "float16")


def _with_outputs_alone(graph):
    """Take results inside the network, which the converter may leave, out of an OpenVINO graph.

    Only a function's own results have names without its layers' paths: "Identity:0", "Identity_1:0".
    """
    import openvino

    own = [one for one in graph.get_results() if any("/" not in name for name in one.input_value(0).names)]
    return openvino.Model(own, graph.get_parameters())


def _litert(model, path: Path, facts: dict, precision: str) -> None:
    model.export(str(path), format="litert", verbose=False, **backend.litert_options(precision))


def _saved_model(model, path: Path, facts: dict, precision: str) -> None:
    model.export(str(path), format="tf_saved_model", verbose=False)
    (path / "kmodels.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")


def _keras(model, path: Path, facts: dict, precision: str) -> None:
    import keras

    keras.saving.save_model(model, path)


def _only(which: str) -> dict[str, str]:
    return {"float32": "", "float16": which, "int8": which}


SMALLER = "Keras writes it in float32 alone; onnx and litert have float16 and int8"
FORMATS = {
    "onnx": Format(
        ".onnx",
        ("tensorflow",),
        ("onnx", "onnxruntime", "tf2onnx"),
        {"float32": "", "float16": "", "int8": ""},
        _onnx,
    ),
    "saved_model": Format("", ("tensorflow",), (), _only(SMALLER), _saved_model, as_dict=True),
    "openvino": Format(
        ".xml",
        ("tensorflow",),
        ("openvino",),
        {"float32": "", "float16": "", "int8": "OpenVINO's own tools round to int8 (NNCF); onnx and litert have int8"},
        _openvino,
    ),
    "litert": Format(
        ".tflite", ("tensorflow",), ("ai_edge_litert",), {"float32": "", "float16": "", "int8": ""}, _litert
    ),
    "keras": Format(".keras", ("tensorflow", "jax", "torch"), (), _only(SMALLER), _keras, as_dict=True),
}
PRECISIONS = ("float32", "float16", "int8")
