"""RangeAzimuthNet: walls are upright, the nearest is seen, and the base can be frozen while the rest learns."""

import inspect

import keras
import numpy as np
import pytest
from helpers.checks import forward

from kmodels.core.training import backend, batching, inference
from kmodels.echo.data.range_azimuth import BANDS, DIRECTIONS, PROFILES
from kmodels.echo.network import curriculum, losses, sizes
from kmodels.echo.network.build import build
from kmodels.echo.network.range_azimuth_net import RangeAzimuthNet
from kmodels.echo.recipe import EchoRecipe

SIZE, RANGES = 16, 16
TINY = {"image_size": SIZE, "ranges": RANGES, "width": 2, "hidden": 16, "max_depth": 8.0}
RECIPE = EchoRecipe().with_changes(
    {
        "data": {"image_size": SIZE, "max_depth": 1.0},
        "model": {"width": 2},
        "train": {"curriculum": "adaptive", "lambda_base": 2.0, "warmup_epochs": 10},
    }
)


def arrays(n=8, most=7.0):
    """Random sounds and depths, some of them unknown."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.2 * most, most, (n, SIZE, SIZE)).astype("float32")
    depth[:, :3] = 0
    x = {
        "profile": rng.normal(0, 1, (n, RANGES, PROFILES)).astype("float32"),
        "correlation": rng.uniform(-1, 1, (n, RANGES, DIRECTIONS, len(BANDS))).astype("float32"),
    }
    return x, {"depth": depth, "coarse_depth": depth}


def assert_same(found: dict, expected: dict):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_base_is_the_nearest_of_walls_floor_and_ceiling():
    """With a floor 1 m below the eyes, a wall 4 m ahead and a ceiling out of sight, by closed form."""
    net = RangeAzimuthNet(**TINY)
    for name, factors in (("base_walls", [3.0 / 4]), ("base_floor_and_ceiling", [1.15, 2.2 / 50])):
        layer = net.get_layer(name)
        layer.kernel.assign(0 * inference.as_numpy(layer.kernel))
        layer.bias.assign(np.log(factors))
    base = forward(net, arrays(2)[0])["base"]
    down = np.tan(np.radians(57 / 2)) * ((2 * np.arange(SIZE) + 1) / SIZE - 1)
    parts = np.stack([np.full(SIZE, 1 / 4), down, -down / 50, np.full(SIZE, 1 / 8)])
    inverse = np.log(np.exp(20 * parts).sum(0)) / 20
    np.testing.assert_allclose(1 / base[0], np.broadcast_to(inverse[:, None], (SIZE, SIZE)), rtol=1e-4)
    assert (np.abs(base[0, 12:] * down[12:, None] - 1) < 0.1).all(), "the floor"


def test_walls_stand_upright():
    """Whatever is heard, at the height of the ears rows differ by floor and ceiling alone, which are far away."""
    net = RangeAzimuthNet(**TINY)
    layer = net.get_layer("base_floor_and_ceiling")
    layer.bias.assign([-4.0, -4.0])
    layer = net.get_layer("base_walls")
    layer.kernel.assign(400 * inference.as_numpy(layer.kernel))
    base = forward(net, arrays()[0])["base"]
    assert np.ptp(base, axis=2).max() > 0.3 and np.ptp(base, axis=1).max() < 0.1


def test_microphones_may_be_louder():
    """A gain of either ear is a number more in the logarithm of its power; the depth is the same."""
    net = RangeAzimuthNet(**TINY)
    layer = net.get_layer("base_walls")
    layer.kernel.assign(400 * inference.as_numpy(layer.kernel))
    x = arrays()[0]
    expected = forward(net, x)
    gains = np.tile(np.float32([1.5, -0.5]), PROFILES // 2)
    assert_same(forward(net, x | {"profile": x["profile"] + gains}), expected)
    other = forward(net, x | {"profile": np.abs(x["profile"])})["depth"]
    assert np.abs(other - expected["depth"]).max() > 1e-3, "the rest of the profile counts"


def test_the_parts_add_up_and_stay_in_their_range():
    net = RangeAzimuthNet(**TINY, residual_range=0.5)
    (kernel,) = (v for v in net.trainable_variables if v.path.endswith("residual_out/kernel"))
    kernel.assign(5000 * inference.as_numpy(kernel))
    found = forward(net, arrays()[0])
    np.testing.assert_allclose(found["depth"], np.clip(found["base"] + found["residual"], 0, 8), atol=1e-5)
    assert 3.5 < np.abs(found["residual"]).max() <= 4.0 + 1e-5
    assert found["base"].min() >= 0.1 - 1e-6 and found["base"].max() <= 8 + 1e-5


@pytest.mark.parametrize("front_end", ["range_azimuth", "range"])
def test_the_network_has_the_weights_that_are_counted(front_end):
    recipe = RECIPE.with_changes({"model": {"front_end": front_end, "width": 3}})
    counted = sizes.weights(recipe)
    found = dict.fromkeys(counted, 0)
    for variable in build(recipe, 1).trainable_variables:
        part = variable.path.split("_")[0]
        found[part if part in found else "shared"] += int(np.prod(variable.shape))
        found["total"] += int(np.prod(variable.shape))
    assert found == counted


def test_compiled_with_adam_it_fits_arrays():
    x, y = arrays()
    net = RangeAzimuthNet(**TINY)
    net.compile("adam")
    options = {"sample_weight": np.ones(8), "validation_data": (x, y), "verbose": 0, "shuffle": False}
    history = net.fit(x, y, batch_size=4, epochs=2, **options).history
    assert history["loss"][-1] < history["loss"][0] and np.isfinite(history["val_loss"]).all()
    assert {"recon", "base", "sparse"} <= history.keys()


@pytest.mark.parametrize("phase", [True, False])
def test_config_and_file_give_the_same_network(phase, tmp_path):
    x, _ = arrays(2)
    x = x if phase else {"profile": x["profile"]}
    options = TINY | {"phase": phase, "residual_range": 0.5, "lambda_recon": 0.7, "view": (90.0, 60.0)}
    net = RangeAzimuthNet(**options, dtype="float32", name="mine")
    assert options.items() <= net.get_config().items()
    expected = forward(net, x)
    clone = keras.models.clone_model(net)
    assert type(clone) is RangeAzimuthNet and clone.get_config() == net.get_config()
    clone.set_weights(net.get_weights())
    assert_same(forward(clone, x), expected)
    net.compile("adam")
    net.save(tmp_path / "net.keras")
    read = keras.saving.load_model(tmp_path / "net.keras")
    assert type(read) is RangeAzimuthNet and read.name == "mine"
    assert_same(forward(read, x), expected)


def test_a_frozen_base_is_bitwise_constant_without_recompiling(monkeypatch):
    """Of the base's layers not one weight moves, though Adam has momentum; the rest does."""
    traced = []
    real = losses.sparsity
    monkeypatch.setattr(losses, "sparsity", lambda *fields: traced.append(1) or real(*fields))
    model = build(RECIPE, 10)
    stream = batching.batches(batching.ArrayExamples(*arrays(8, 0.9)), 4, 0)
    first = None
    for epoch, moves in ((0, True), (10, False), (3, True)):
        curriculum.schedule(model, RECIPE, epoch)
        before = {v.path: inference.as_numpy(v) for v in model.trainable_variables}
        model.fit(stream, steps_per_epoch=2, verbose=0, shuffle=False)
        moved = {v.path for v in model.trainable_variables if not np.array_equal(before[v.path], inference.as_numpy(v))}
        base = {path for path in before if path.startswith("base_")}
        assert len(base) == 12 and moved == (set(before) if moves else set(before) - base)
        first = first or len(traced)
    if backend.current() != "torch":  # which traces nothing
        assert len(traced) == first, "compiled again"


def test_dtype_is_that_of_the_layers_and_outputs_are_float32():
    net = RangeAzimuthNet(**TINY, dtype="mixed_bfloat16")
    assert net.get_layer("map_1_conv").compute_dtype == "bfloat16"
    assert {keras.backend.standardize_dtype(t.dtype) for t in net.outputs} == {"float32"}
    assert np.isfinite(forward(net, arrays(2)[0])["depth"]).all()


@pytest.mark.parametrize(
    "options, said",
    [
        ({"image_size": 20}, "image_size = 20; expected a multiple of 16"),
        ({"ranges": 20}, "ranges = 20; expected a multiple of 16"),
        ({"view": (86.0, 180.0)}, r"view = \(86.0, 180.0\); expected"),
        ({"base_quantile": 1.0}, "base_quantile = 1.0; expected a number, between 0 and 1"),
        ({"residual_range": 1.5}, "residual_range = 1.5; expected a number, above 0, at most 1"),
        ({"lambda_log": "a"}, "lambda_log = 'a'; expected a number, 0 or more"),
        ({"width": 0}, "width = 0; expected an integer, 1 or more"),
    ],
)
def test_a_wrong_argument_is_named(options, said):
    with pytest.raises(ValueError, match=said):
        RangeAzimuthNet(**TINY | options)


def test_more_than_three_arguments_go_by_name():
    names = inspect.signature(RangeAzimuthNet).parameters
    assert [name for name in names if names[name].kind is not inspect.Parameter.KEYWORD_ONLY] == [*names][:3]


def test_a_plain_pytorch_reference_agrees():
    """The same weights and noise: depth, base, residual and the loss to 1e-4."""
    torch = pytest.importorskip("torch")
    from kmodels.benchmarks.torch_reference import echo

    recipe = RECIPE.with_changes({"data": {"max_depth": 4.0}, "train": {"curriculum": "none"}})
    model = build(recipe, 1)
    rng = np.random.default_rng(1)
    x, y = arrays(8, 3.5)
    x = {"profile": rng.normal(size=(8, 64, PROFILES)).astype("float32"), "correlation": x["correlation"].repeat(4, 1)}
    for variable in model.variables:
        if variable.path.split("/")[-1] in ("gamma", "beta", "moving_mean", "moving_variance", "offset", "bias"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    reference = echo.net(recipe, model).eval()
    reference.load({v.path: inference.as_numpy(v) for v in model.variables})
    found, terms = inference.predict_and_score(model, batching.ArrayExamples(x, y), 8)
    with torch.no_grad():
        given = echo.given({name: torch.tensor(value) for name, value in x.items()})
        outputs = reference(*given)
        targets = {name: torch.tensor(value) for name, value in y.items()}
        loss = echo.loss(reference, given, targets, recipe, {"recon": 1.0, "base": 2.0, "sparse": 0.05})
    for name, array in zip(("depth", "base", "residual"), outputs, strict=True):
        np.testing.assert_allclose(found[name], array.numpy(), atol=1e-4, err_msg=name)
    assert np.ptp(found["base"]) > 0.1 and np.abs(found["residual"]).max() > 1e-3
    assert terms["loss"] == pytest.approx(float(loss), rel=1e-4)
