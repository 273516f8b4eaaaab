"""EchoNet as a Keras user takes it: on arrays, without a recipe or the command line."""

import inspect

import keras
import numpy as np
import pytest
from helpers.checks import forward

from kmodels.core.training import backend, inference
from kmodels.echo.data.encode import lowpass_depth
from kmodels.echo.network.legacy import upgrade_config
from kmodels.echo.network.model import EchoNet

SIZE = 16
TINY = {"image_size": SIZE, "moments": 2, "width": 2, "base_width": 1}


def arrays(n=8):
    """Random spectrograms and depths, some of them unknown."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 8.0, (n, SIZE, SIZE)).astype("float32")
    depth[:, :3] = 0
    x = {"spectrogram": rng.uniform(0, 6, (n, SIZE, 2 * SIZE, 2)).astype("float32")}
    return x, {"depth": depth, "coarse_depth": lowpass_depth(depth, 4)}


def predict(net, x) -> dict:
    return {name: np.asarray(value) for name, value in net.predict(x, verbose=0).items()}


def assert_same(found: dict, expected: dict):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_compiled_with_adam_it_fits_arrays():
    x, y = arrays()
    net = EchoNet(**TINY)
    net.compile("adam")
    history = net.fit(
        x, y, batch_size=4, epochs=2, sample_weight=np.ones(8), validation_data=(x, y), verbose=0, shuffle=False
    ).history
    assert history["loss"][-1] < history["loss"][0] and np.isfinite(history["val_loss"]).all()
    assert {"recon", "base", "sparse"} <= history.keys()


def test_a_single_decoder_needs_the_depth_alone():
    x, y = inference.as_tensors(arrays(2))
    net = EchoNet(**TINY, architecture="single")
    loss = net.compute_loss(x, {"depth": y["depth"]}, net(x))
    assert np.isfinite(inference.as_numpy(loss)) and net.term_weights.keys() == {"recon"}


def test_defaults_work():
    net = EchoNet()
    assert 1e6 < net.count_params() < 2e6
    assert net.inputs[0].shape == (None, 64, 192, 2)
    net.summary(print_fn=lambda *_, **__: None)


@pytest.mark.parametrize("architecture", ["base_residual", "single"])
def test_config_and_file_give_the_same_network(architecture, tmp_path):
    x, _ = arrays(2)
    options = TINY | {"architecture": architecture, "residual_range": 0.5, "max_depth": 6.0, "lambda_recon": 0.7}
    net = EchoNet(**options, dtype="float32", name="mine")
    net.initialize_base(np.full((SIZE, SIZE), 3.0, "float32"))
    assert options.items() <= net.get_config().items()
    expected = forward(net, x)
    copy = EchoNet.from_config(net.get_config())
    assert copy.get_config() == net.get_config()
    copy.set_weights(net.get_weights())
    assert_same(forward(copy, x), expected)
    clone = keras.models.clone_model(net)
    assert type(clone) is EchoNet and clone.get_config() == net.get_config()
    clone.set_weights(net.get_weights())
    assert_same(forward(clone, x), expected)
    net.compile("adam")
    net.save(tmp_path / "net.keras")
    read = keras.saving.load_model(tmp_path / "net.keras")
    assert type(read) is EchoNet and read.name == "mine" and isinstance(read.optimizer, keras.optimizers.Adam)
    assert_same(forward(read, x), expected)


def test_the_residuals_range_is_a_share_of_max_depth():
    net = EchoNet(**TINY, max_depth=6.0, residual_range=0.5)
    (kernel,) = (v for v in net.trainable_variables if v.path.endswith("residual_out/kernel"))
    kernel.assign(5000 * inference.as_numpy(kernel))
    largest = np.abs(forward(net, arrays()[0])["residual"]).max()
    assert 2.9 < largest <= 3.0 + 1e-5


def test_dtype_is_that_of_the_layers_and_outputs_are_float32():
    net = EchoNet(**TINY, dtype="mixed_bfloat16")
    assert net.get_layer("bottom_conv").compute_dtype == "bfloat16" and net.get_config()["dtype"] == "mixed_bfloat16"
    assert {keras.backend.standardize_dtype(t.dtype) for t in net.outputs} == {"float32"}


@pytest.mark.parametrize(
    "options, said",
    [
        ({"architecture": "singel"}, "architecture = 'singel'.*did you mean 'single'"),
        ({"image_size": 20}, "image_size = 20; expected a multiple of 16"),
        ({"residual_range": 1.5}, "residual_range = 1.5; expected a number, above 0, at most 1"),
        ({"max_depth": 0.0}, "max_depth = 0.0; expected a number, above 0"),
        ({"image_size": "32"}, "image_size = '32'; expected an integer"),
        ({"moments": 2.5}, "moments = 2.5; expected an integer"),
        ({"lambda_recon": "a"}, "lambda_recon = 'a'; expected a number, 0 or more"),
        ({"moments": 0}, "moments = 0; expected an integer, 1 or more"),
        ({"width": 0}, "width = 0; expected an integer, 1 or more"),
    ],
)
def test_a_wrong_argument_is_named(options, said):
    with pytest.raises(ValueError, match=said):
        EchoNet(**TINY | options)


def test_more_than_three_arguments_go_by_name():
    with pytest.raises(TypeError, match=r"EchoNet\.__init__.* 4 positional arguments but 5 were given"):
        EchoNet(64, 3, True, "single")
    names = inspect.signature(EchoNet).parameters
    assert [name for name in names if names[name].kind is not inspect.Parameter.KEYWORD_ONLY] == [*names][:3]


def test_a_wrong_target_is_named():
    x, y = arrays(4)
    net = EchoNet(**TINY)
    net.compile("adam")
    with pytest.raises(ValueError, match="the target 'coarse_depth' is missing"):
        net.fit(x, {"depth": y["depth"]}, verbose=0)
    with pytest.raises(ValueError, match=r"the target 'depth' has the shape \(4, 16, 8\)"):
        net.fit(x, y | {"depth": y["depth"][..., :8]}, verbose=0)
    with pytest.raises(ValueError, match="takes no loss"):
        net.compile("adam", loss="mse")
    with pytest.raises(ValueError, match=r"compile\(FreezingAdam\(freezes='base_'\)\)"):
        net.freeze_base("all")


def test_it_is_exported_as_a_saved_model(tmp_path):
    if backend.current() == "torch":
        pytest.skip("Keras cannot export a model with a dictionary of outputs on torch")
    tensorflow = pytest.importorskip("tensorflow")
    x, _ = arrays(3)
    net = EchoNet(**TINY)
    net.export(tmp_path / "net", format="tf_saved_model", verbose=False)
    exported = tensorflow.saved_model.load(str(tmp_path / "net"))  # held, or its variables are deleted
    found = exported.serve(x)
    assert_same({name: np.asarray(value) for name, value in found.items()}, predict(net, x))


def test_arguments_of_earlier_versions_are_read():
    before = {"name": "echo", "size": 32, "moments": 1, "coordinates": False, "width": 4, "max_depth": 8.0}
    before |= {"residual_range": 0.2, "policy": "float32"}
    two = before | {"widths": {"base": 2, "residual": 4}, "term_weights": {"recon": 1.0, "base": 0.8, "sparse": 0.2}}
    net = EchoNet.from_config(upgrade_config(two))
    assert (net.image_size, net.base_width, net.lambda_base, net.lambda_sparse) == (32, 2, 0.8, 0.2)
    one = before | {"widths": {"depth": 4.5}, "term_weights": {"recon": 1.0}}
    net = EchoNet.from_config(upgrade_config(one))
    assert (net.architecture, net.single_width) == ("single", 4.5)
    assert upgrade_config(net.get_config()) == net.get_config()
