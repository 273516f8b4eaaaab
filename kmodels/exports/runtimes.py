"""An exported file as its own runtime opens it: a function of a dictionary of arrays."""

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from kmodels.core.training import backend

Arrays = dict[str, np.ndarray]


def open_file(name: str, path: Path, outputs: list[str]) -> tuple[Callable[[Arrays], Arrays], str]:
    """Open an exported file.

    Parameters
    ----------
    name : str
        Its format.
    path : pathlib.Path
        The file or folder.
    outputs : list of str
        Names of the outputs, sorted.

    Returns
    -------
    run : callable
        ``run(inputs)`` returns the outputs by name.
    runtime : str
        What runs it, with its version.
    """
    return OPEN[name](path, outputs)


def _onnx(path, outputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x: dict(zip(outputs, session.run(outputs, x), strict=True)), _version("onnxruntime")


def _openvino(path, outputs):
    import openvino

    # Else a processor with bfloat16 rounds to it.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(x):
        found = compiled(x)
        return {name: np.array(found[name]) for name in outputs}

    return run, _version("openvino")


def _litert(path, outputs):
    try:
        from ai_edge_litert.interpreter import Interpreter

        run = _signature_runner(Interpreter(model_path=str(path)), outputs)
        return run, _version("ai-edge-litert")
    except (RuntimeError, ValueError):  # TensorFlow's own operations are not in it
        return _signature_runner(backend.litert_interpreter(path), outputs), _version("tensorflow")


def _signature_runner(interpreter, outputs):
    """Call the one signature; its tensors are numbered in the order of the model's lists."""
    interpreter.allocate_tensors()
    (name,) = interpreter.get_signature_list()
    said, runner = interpreter.get_signature_list()[name], interpreter.get_signature_runner(name)
    keys, numbered = (sorted(said[part], key=_number) for part in ("outputs", "inputs"))

    def run(x):
        ours = {key: key for key in x} if set(x) == set(numbered) else dict(zip(numbered, sorted(x), strict=True))
        found = runner(**{key: x[name] for key, name in ours.items()})
        return {name: found[key] for name, key in zip(outputs, keys, strict=True)}

    return run


def _number(key: str) -> int:
    digits = key.rpartition("_")[2]
    return int(digits) if digits.isdigit() else 0


def _saved_model(path, outputs):
    serve = backend.load_saved_model(path)
    return lambda x: {name: np.asarray(value) for name, value in serve(x).items()}, _version("tensorflow")


def _keras(path, outputs):
    import keras

    model = keras.saving.load_model(path, compile=False)
    model.jit_compile = backend.compiles()
    return lambda x: {k: np.asarray(v) for k, v in model.predict_on_batch(x).items()}, _version("keras")


def _version(package: str) -> str:
    return f"{package} {metadata.version(package)}"


OPEN = {"onnx": _onnx, "openvino": _openvino, "litert": _litert, "saved_model": _saved_model, "keras": _keras}
