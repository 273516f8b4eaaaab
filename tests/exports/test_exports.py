"""Exports: what is written of them beside a converter, and, slowly, every model in every format that is installed."""

import json

import numpy as np
import pytest
from helpers.checks import fails_cleanly
from keras import ops

from kmodels.core.io import files
from kmodels.core.spec import registry
from kmodels.core.spec.errors import UserError
from kmodels.export import main as export
from kmodels.exports import exported, formats, plain, signature, worker


def recipe(name):
    kind = registry.recipe_type(name)
    return kind().with_changes(kind.SMOKE)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 5, 6)])
def test_plain_transforms_are_numpys(shape):
    rng = np.random.default_rng(0)
    real, imag = rng.normal(size=(2, *shape)).astype("float32")
    field = real + 1j * imag

    def close(found, expected):
        np.testing.assert_allclose(found[0], expected.real, atol=2e-5)
        np.testing.assert_allclose(found[1], expected.imag, atol=2e-5)

    pair = (ops.convert_to_tensor(real), ops.convert_to_tensor(imag))
    numpy = [ops.convert_to_numpy(part) for part in plain.fft(pair)]
    close(numpy, np.fft.fft(field))
    close([ops.convert_to_numpy(part) for part in plain.fft2(pair)], np.fft.fft2(field))
    close([ops.convert_to_numpy(part) for part in plain.ifft2(pair)], np.fft.ifft2(field))
    close([ops.convert_to_numpy(part) for part in plain.rfft(pair[0])], np.fft.rfft(real))
    spectrum = plain.rfft(pair[0])
    np.testing.assert_allclose(ops.convert_to_numpy(plain.irfft(spectrum, shape[-1])), real, atol=2e-5)


def test_plain_operations_stand_in_for_keras_own_inside_alone():
    x = np.array([[0.0, 2.0, 2.0, -1.0]], "float32")
    before = ops.argmax
    with plain.operations():
        assert ops.argmax is plain.argmax
        found = [ops.convert_to_numpy(f(ops.convert_to_tensor(x))) for f in (ops.expm1, ops.log1p, plain.gelu)]
        assert ops.convert_to_numpy(ops.argmax(ops.convert_to_tensor(x), axis=-1)).tolist() == [1], (
            "the first of equals"
        )
    assert ops.argmax is before
    np.testing.assert_allclose(found[0], np.expm1(x), rtol=1e-5)
    np.testing.assert_allclose(found[1][0, :3], np.log1p(x[0, :3]), rtol=1e-5)
    np.testing.assert_allclose(found[2], ops.convert_to_numpy(ops.gelu(x, approximate=False)), atol=1e-6)


@pytest.mark.parametrize("name", registry.NAMES)
def test_preprocessing_undoes_its_inverse(name):
    """What the comparison feeds is, through the export's pre-processing, what the network is fed."""
    rng = np.random.default_rng(0)
    said = signature.of(recipe(name))
    assert said.inputs and said.outputs, "each model of the package says what goes in and out"
    for tensor_name, tensor in said.inputs.items():
        if tensor.decode:
            channels = {"static": 3 if name == "plume" else 2, "state": 6}.get(tensor_name, 4)
            encoded = rng.uniform(0, 4, (2, 3, 3, channels)).astype("float32")
            physical = signature.physical(said, {tensor_name: encoded})[tensor_name]
            assert physical.shape == encoded.shape and not np.allclose(physical, encoded)
            np.testing.assert_allclose(ops.convert_to_numpy(tensor.encode(physical)), encoded, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_is_refused_before_anything_starts(tmp_path, capsys, monkeypatch):
    preset = ["--preset", "nand.generator"]
    fails_cleanly(capsys, export([*preset, "--format", "onnx", "--out", "a.tflite"]), "a.tflite", ".onnx")
    words = [*preset, "--format", "saved_model", "--out", str(tmp_path / "a"), "--precision", "int8"]
    fails_cleanly(capsys, export(words), "saved_model", "int8", "onnx and litert")
    fails_cleanly(capsys, export([*preset, "--format", "onnx"]), "--out")
    fails_cleanly(capsys, export(["--format", "onnx", "--out", "a.onnx"]), "--run", "--preset")
    missing = formats.Format(".zz", ("tensorflow",), ("no_such_package",), {"float32": ""}, print)
    monkeypatch.setitem(formats.FORMATS, "zz", missing)
    with pytest.raises(UserError, match=r"needs no_such_package: pip install 'kmodels\[export\]'"):
        formats.check("zz", tmp_path / "a.zz", "float32")


def test_an_altered_or_truncated_export_is_refused(tmp_path, capsys):
    path, record = tmp_path / "a.onnx", tmp_path / "a.onnx.json"
    path.write_bytes(b"an export" * 100)
    record.write_text(json.dumps({"format": "onnx", "sha256": files.sha256(path)}))
    assert exported.check(path)["format"] == "onnx"
    for content in (b"an export" * 99, b"An export" + b"an export" * 99):
        path.write_bytes(content)
        fails_cleanly(capsys, export(["--check", str(path)]), "a.onnx", "altered or cut short")
    record.unlink()
    fails_cleanly(capsys, export(["--check", str(path)]), "a.onnx.json", "record")


def test_a_wrong_output_does_not_pass():
    expected = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
    near, far = expected + 5e-5, expected + 5e-4
    checks = [{"batch": 3, "outputs": {"y": worker._difference(found, expected)}} for found in (near, far)]
    assert exported._too_far({"checks": checks[:1]}, "float32") == ""
    assert "y differs by 0.0005" in exported._too_far({"checks": checks}, "float32")
    assert exported._too_far({"checks": checks}, "int8") == "", "reported, not refused"
    lost = {"batch": 3, "outputs": {"y": worker._difference(expected[::-1], expected)}}
    assert "of its spread" in exported._too_far({"checks": [lost]}, "int8")
    with pytest.raises(ValueError, match="shape"):
        worker._difference(expected[:2], expected)
    with pytest.raises(ValueError, match="not finite"):
        worker._difference(np.full_like(expected, np.nan), expected)


def test_operations_that_are_missing_are_named():
    long = "Model wasn't fully converted.\n" + "word " * 100
    said = worker._one_line(
        RuntimeError(f"{long}\n-- No conversion rule found for operations: TensorListStack, While\n")
    )
    assert said == "its converter or runtime has no operation TensorListStack, While"
    said = worker._one_line(RuntimeError(f"{long} Node number 4 (FlexTensorListReserve) failed to prepare."))
    assert said == "its converter or runtime has no operation TensorListReserve"
    said = 'Could not translate MLIR to FlatBuffer.<unknown>:0: error: loc(callsite(fused["Acos:", "waves/Acos"] at'
    assert worker._one_line(RuntimeError(said)) == "its converter or runtime has no operation Acos"
    assert len(worker._one_line(ValueError(long))) == 300
    assert worker._one_line(ValueError("\x1b[1mno such\n shape")) == "ValueError: no such shape"


def test_a_format_that_fails_says_why_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(formats.Format, "missing", lambda self, name: "")
    monkeypatch.setattr(worker, "call", lambda step, job, chosen: {"error": f"{step} on {chosen}: no such operation"})
    with pytest.raises(UserError, match=r"float32 is not possible: .*no such operation; try saved_model"):
        exported.export(tmp_path, "onnx", tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_graph_is_rounded(precision):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 64]) for name in "xy"]
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [onnx.numpy_helper.from_array(weights, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=8)
    rounded = formats.ROUNDED[precision](model).SerializeToString()
    assert len(rounded) < 0.6 * 4 * weights.size
    x = np.random.default_rng(1).normal(size=(3, 64)).astype("float32")
    (y,) = runtime.InferenceSession(rounded).run(None, {"x": x})
    assert 0 < np.abs(y - x @ weights).max() < 0.05 * np.abs(x @ weights).max()


def test_tensors_of_a_graph_get_their_names():
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    tensors = [helper.make_tensor_value_info(n, kind, ["unk", 2]) for n in ("x", "Identity:0")]
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["y"], ["Identity:0"])]
    graph = helper.make_graph(nodes, "g", tensors[:1], tensors[1:])
    formats._name_tensors(graph, ["x"], ["y"])  # the output is called as a tensor inside was
    onnx.checker.check_model(helper.make_model(graph))
    assert [node.output[0] for node in graph.node] == ["inner/y", "y"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.NAMES)
@pytest.mark.parametrize("form", ["onnx", "saved_model", "keras"])
def test_every_model_is_exported_and_opened_again(name, form, smoke_runs, tmp_path):
    if why := formats.FORMATS[form].missing(form):
        pytest.skip(why)
    out = tmp_path / f"made{formats.FORMATS[form].suffix}"
    assert export(["--run", str(smoke_runs(name)), "--format", form, "--out", str(out)]) == 0
    record = exported.check(out)
    assert [check["batch"] for check in record["checks"]] in ([1, 64], [1, 8])
    assert record["recipe_hash"] and all(said["unit"] for said in record["inputs"].values())
    assert export(["--check", str(out)]) == 0
