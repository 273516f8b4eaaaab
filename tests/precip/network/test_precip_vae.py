"""PrecipVAE as a Keras user takes it: built from arguments, trained on arrays, copied, saved, without a recipe."""

import keras
import numpy as np
import pytest
from helpers.checks import ROOT, forward
from helpers.small_days import RECIPE_SMALL, written

from kmodels.core.cli import parse
from kmodels.core.runs.run import Run
from kmodels.core.training import backend
from kmodels.precip.data.encode import PrecipPreprocessor
from kmodels.precip.data.load import load
from kmodels.precip.data.statistics import statistics_of_arrays
from kmodels.precip.network import legacy
from kmodels.precip.network.model import PrecipVAE

TINY = {
    "grid": (8, 6),
    "coarse_grid": (4, 3),
    "predictors": ("pr", "psl"),
    "base_filters": 2,
    "state_filters": (4, 4),
    "state_hidden": 8,
    "d_x": 4,
    "d_y": 4,
    "d_z": 3,
    "rain_pool": 2,
    "rain_hidden": 8,
    "latent_hidden": 8,
    "decoder_hidden": 8,
    "injected_filters": 2,
    "noise": 1,
}


@pytest.fixture(scope="module")
def net():
    return PrecipVAE(**TINY)


@pytest.fixture(scope="module")
def arrays(net):
    """(x, y) of nine days."""
    rng = np.random.default_rng(0)
    rain = rng.gamma(0.5, 8.0, (9, 8, 6)).astype("float32")
    coarse_rain = rain.reshape(9, 4, 2, 3, 2).mean((2, 4))
    state = np.stack([np.log1p(coarse_rain), rng.normal(101300, 900, coarse_rain.shape)], -1).astype("float32")
    static = np.stack([np.ones((9, 8, 6)), rng.random((9, 8, 6)), rng.random((9, 8, 6))], -1).astype("float32")
    x = {"state": state, "rain": rain, "static": static} | net.noise_inputs(9)
    return x, {"rain": rain, "observed": np.ones_like(rain)}


def outputs(model, x):
    return {name: np.asarray(value) for name, value in model.predict(x, batch_size=9, verbose=0).items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_fit_on_arrays(arrays):
    net, (x, y) = PrecipVAE(**TINY, prior_members=0, posterior_members=1), arrays
    x = x | net.noise_inputs(9)
    net.adapt(statistics_of_arrays(x["rain"], x["state"], x["static"][0, ..., 0], net.loss_settings))
    net.compile("adam")
    weight = np.array([1.0] * 8 + [0.0], "float32")
    history = net.fit(x, y, batch_size=3, epochs=2, sample_weight=weight, validation_data=(x, y), verbose=0).history
    assert {"loss", "kl", "reconstruction", "val_loss"} <= set(history) and np.isfinite(history["loss"]).all()
    assert "crps" not in history, "no law has two fields to be scored"
    found = outputs(net, x)
    assert found["posterior"].shape == (9, 1, 8, 6) and "prior" not in found
    known = net.training_statistics()
    np.testing.assert_allclose(known.rain_mean, np.log1p(x["rain"]).mean(0), rtol=1e-5)
    assert known.p99 == pytest.approx(np.quantile(x["rain"], 0.99), rel=1e-6)


def test_the_loss_can_be_trained_with_all_its_terms(net, arrays):
    x, y = arrays
    other = PrecipVAE.from_config(net.get_config())
    other.compile("adam", run_eagerly=backend.current() == "tensorflow")  # quicker there for three steps
    history = other.fit(x, y, batch_size=3, verbose=0).history
    assert {"crps", "log_crps", "posterior_crps", "posterior_log_crps"} <= set(history)
    assert np.isfinite(history["loss"]).all()


def test_a_prediction_is_the_same_each_time_and_fields_keep_the_coarse_rain(net, arrays):
    x, _ = arrays
    found = outputs(net, x)
    assert_same(outputs(net, x), found)
    assert found["posterior"].shape == found["prior"].shape == (9, 2, 8, 6)
    means = found["prior"].reshape(9, 2, 4, 2, 3, 2).mean((3, 5))
    np.testing.assert_allclose(means, np.broadcast_to(np.expm1(x["state"][:, None, ..., 0]), means.shape), rtol=1e-4)


def test_copy_by_config(net, arrays):
    other = PrecipVAE.from_config(net.get_config())
    assert type(other) is PrecipVAE and other.get_config() == net.get_config()
    other.set_weights(net.get_weights())
    assert_same(forward(other, arrays[0]), forward(net, arrays[0]))


def test_clone(net, arrays):
    other = keras.models.clone_model(net)
    assert type(other) is PrecipVAE and other.get_config() == net.get_config()
    other.set_weights(net.get_weights())
    assert_same(forward(other, arrays[0]), forward(net, arrays[0]))


def test_saved_and_loaded(net, arrays, tmp_path):
    net.save(tmp_path / "net.keras")
    other = keras.saving.load_model(tmp_path / "net.keras")
    assert type(other) is PrecipVAE
    assert_same(forward(other, arrays[0]), forward(net, arrays[0]))
    net.summary(print_fn=lambda text: None)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"injection": "al"}, "injection = 'al'; allowed: .*did you mean 'all'"),
        ({"prior": "learnt"}, "prior = 'learnt'; allowed: .*did you mean 'learned'"),
        ({"beta": 0.1}, "beta = 0.1; allowed: 'fixed', 'elbo'"),
        ({"coarse_grid": (3, 3)}, r"grid = \(8, 6\) is no multiple of coarse_grid = \(3, 3\)"),
        ({"predictors": "pr"}, r"predictors = 'pr'; expected names such as \['pr', 'psl'\]"),
        ({"d_z": 0}, "d_z = 0; expected an integer, 1 or more"),
        ({"dropout": 1.0}, "dropout = 1.0; expected a number, 0 or more, below 1"),
        ({"w_min": 20.0}, "w_min = 20.0; expected a number, at most w_max = 10"),
    ],
)
def test_wrong_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        PrecipVAE(**(TINY | arguments))


def test_an_unknown_argument_is_an_error():
    with pytest.raises(TypeError, match="base_filter"):
        PrecipVAE(base_filter=2)


def test_targets_are_named(net, arrays):
    x, y = arrays
    net.compile("adam")
    with pytest.raises(ValueError, match="the target 'observed' is missing"):
        net.fit(x, {"rain": y["rain"]}, verbose=0)
    with pytest.raises(ValueError, match="the target 'rain' has the shape"):
        net.fit(x, y | {"rain": y["rain"][:, :4]}, verbose=0)
    with pytest.raises(ValueError, match="trained on its own loss terms"):
        net.compile("adam", loss="mse")


def test_grids_that_do_not_nest_and_predictors_by_number():
    """No coarse rain is kept then."""
    net = PrecipVAE(**(TINY | {"predictors": 3, "coarse_grid": (5, 5)}))
    assert "coarse" not in net.output and net.input["state"].shape == (None, 5, 5, 3)
    assert "coarse" not in PrecipVAE(**(TINY | {"coarse_grid": (5, 5), "keep_coarse": False})).output


def test_mixed_precision_by_dtype(arrays):
    net = PrecipVAE(**TINY, dtype="mixed_bfloat16")
    assert net.get_config()["dtype"] == "mixed_bfloat16"
    assert {keras.backend.standardize_dtype(v.dtype) for v in net.trainable_variables} == {"float32"}
    found = forward(net, arrays[0])
    for name in ("prior", "posterior", "mean", "log_variance"):
        assert found[name].dtype == np.float32 and np.isfinite(found[name]).all(), name


def test_records_become_arrays(tmp_path):
    """What the preprocessor makes of files fits the network of the same recipe."""
    days = load(written(tmp_path / "days"), RECIPE_SMALL)
    x, y = PrecipPreprocessor(RECIPE_SMALL)(days)
    net = PrecipVAE.from_recipe(RECIPE_SMALL)
    assert {name: value.shape[1:] for name, value in x.items()} == {n: t.shape[1:] for n, t in net.input.items()}
    assert {name: value.shape[1:] for name, value in y.items()} == net.target_shapes()
    without = load(tmp_path / "days", RECIPE_SMALL, labels=False)
    assert PrecipPreprocessor(RECIPE_SMALL)(without)[1] == {}


def test_configurations_of_earlier_versions(net):
    recipe = RECIPE_SMALL.model_dump(mode="json")
    recipe["data"]["oracle"] = recipe["data"].pop("exact_posterior")
    arguments = legacy.upgrade_config({"name": "precip", "recipe": recipe})
    assert PrecipVAE(**arguments).get_config() == PrecipVAE.from_recipe(RECIPE_SMALL).get_config()
    config = net.get_config()
    assert legacy.upgrade_config(config) == config


def test_a_network_saved_before_blocks_were_shifted_scales_them(net):
    """Its configuration says nothing of it; nor do recipes of that time."""
    config = {name: value for name, value in net.get_config().items() if name not in ("block_means", "rain_unit")}
    assert PrecipVAE.from_config(config).architecture.block_means == "scaled"
    assert PrecipVAE(**TINY).architecture.block_means == "shifted"
    stored = RECIPE_SMALL.model_dump(mode="json")
    stored["model"] = {name: value for name, value in stored["model"].items() if name != "block_means"}
    assert parse.from_stored(type(RECIPE_SMALL), stored).model.block_means == "scaled"
    run = Run.open(ROOT / "tests/fixtures/saved_runs/precip")
    assert run.recipe.model.block_means == "scaled"
