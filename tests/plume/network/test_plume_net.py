"""PlumeNet as a Keras user takes it: on arrays, without a recipe."""

import keras
import numpy as np
import pytest

import kmodels.plume as plume
from kmodels.plume.network import legacy
from kmodels.plume.network.model import PlumeNet
from kmodels.plume.recipe import PlumeRecipe

GRID, PAST, N = (4, 6, 5), 3, 6
SMALL = {"grid": GRID, "past": PAST, "filters": 2}


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    ground = np.zeros((N, *GRID, 1))
    ground[:, 0, :2] = 1
    x = {
        "past": rng.random((N, PAST, *GRID)),
        "static": np.concatenate([ground, rng.random((N, *GRID, 2))], -1),
        "wind": rng.normal(size=(N, PAST, GRID[0], 2)),
        "wind_before": np.tile([[1.0, 0.0]], (N, 1)),
    }
    for k, name in enumerate(("flow_z", "flow_y", "flow_x")):
        x[name] = rng.normal(size=(N, *(n + (axis == k) for axis, n in enumerate(GRID)), 2))
    return {name: value.astype("float32") for name, value in x.items()}, {"future": x["past"][:, -1].astype("float32")}


@pytest.fixture(scope="module")
def trained(arrays):
    x, y = arrays
    network = PlumeNet(**SMALL)
    network.compile("adam")
    weight = np.ones(N, "float32")
    history = network.fit(x, y, batch_size=2, epochs=1, sample_weight=weight, validation_data=(x, y), verbose=0).history
    assert {"loss", "log", "mass", "peak", "val_loss"} <= history.keys() and np.isfinite(history["loss"]).all()
    return network


def assert_same_outputs(one, other, x):
    one, other = one.predict(x, verbose=0), other.predict(x, verbose=0)
    assert (
        one.keys()
        == other.keys()
        == {"future", "carried", "missed", "horizontal", "vertical", "emitted", "wind_correction"}
    )
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=1e-6, atol=1e-7)


def test_copied_by_config(trained, arrays):
    copy = PlumeNet.from_config(trained.get_config())
    copy.set_weights(trained.get_weights())
    assert copy.get_config() == trained.get_config()
    assert_same_outputs(trained, copy, arrays[0])


def test_cloned_by_keras(arrays):
    network = PlumeNet(**SMALL)
    clone = keras.models.clone_model(network)
    assert type(clone) is PlumeNet and clone.get_config() == network.get_config()
    clone.set_weights(network.get_weights())
    assert_same_outputs(network, clone, arrays[0])


def test_saved_and_loaded_by_keras(trained, arrays, tmp_path):
    trained.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert type(loaded) is PlumeNet and loaded.get_config() == trained.get_config()
    assert_same_outputs(trained, loaded, arrays[0])


def test_summary(trained):
    lines = []
    trained.summary(print_fn=lambda text, **options: lines.append(text))
    assert "Total params" in "\n".join(lines)


def test_the_defaults_are_those_of_the_default_recipe():
    assert PlumeNet().get_config() | {"name": None} == PlumeNet.from_recipe(PlumeRecipe()).get_config() | {"name": None}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"base": "persistance"}, ValueError, "did you mean 'persistence'"),
        ({"architecture": "v2_convlst"}, ValueError, "did you mean 'v2_convlstm'"),
        ({"architecture": "v1_ensemble"}, ValueError, "base = 'solver' needs"),
        ({"filters": 0}, ValueError, "filters = 0; expected an integer, 1 or more"),
        ({"architecture": "v2"}, ValueError, "did you mean 'v2_convlstm'"),
        ({"grid": (20, 20)}, ValueError, r"grid = \(20, 20\); expected 3 integers, each 2 or more"),
        ({"grid": 8}, ValueError, "grid = 8; expected 3 integers"),
        ({"memory": 2}, ValueError, "memory = 2; expected a number, from 0 to 1"),
        ({"filtres": 4}, TypeError, "filtres"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        PlumeNet(**arguments)


def test_wrong_targets_are_named(arrays):
    x, y = arrays
    network = PlumeNet(**SMALL)
    for targets, message in (
        ({"next": y["future"]}, "target 'future' is missing"),
        ({"future": y["future"][:, :2]}, "target 'future' has the shape"),
        (y["future"], "targets must be a dictionary"),
    ):
        network.compile("adam")  # tensorflow would generalise the shapes of a step that it has traced before
        with pytest.raises(ValueError, match=message):
            network.evaluate(x, targets, verbose=0)


def test_inputs_without_names_are_refused(arrays):
    x, y = arrays
    network = PlumeNet(**SMALL)
    network.compile("adam")
    with pytest.raises(
        ValueError,
        match="inputs must be a dictionary with past, static, wind, wind_before, flow_x, flow_y, flow_z; got list",
    ):
        network.fit(list(x.values()), y, verbose=0)


def test_the_package_exports_its_network():
    assert plume.PlumeNet is PlumeNet and {"PlumeNet", "PlumePreprocessor"} <= set(plume.__all__)


def test_arguments_of_earlier_versions_are_translated():
    old = {"shape": [PAST, *GRID], "depth": 1, "kernel": 3, "policy": "float32", "filters": 2, "name": "plume"}
    config = PlumeNet.from_config(legacy.upgrade_config(old)).get_config()
    assert config == PlumeNet(**SMALL, scales=1, dtype="float32", name="plume").get_config()


def test_a_training_step_computes_what_is_trained_alone(arrays, monkeypatch):
    """The same as if it computed all; what is told outside of a training is whole."""
    seen = []
    terms = PlumeNet.terms

    def noted(self, x, y, y_pred):
        seen.append(set(y_pred))
        return terms(self, x, y, y_pred)

    monkeypatch.setattr(PlumeNet, "terms", noted)
    (x, y), whole = arrays, {"future", "carried", "missed", "horizontal", "vertical", "emitted", "wind_correction"}
    network, same = PlumeNet(**SMALL), PlumeNet(**SMALL)
    same.set_weights(network.get_weights())
    network.compile("adam")
    network.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    assert seen and all(names == {"carried"} for names in seen)
    seen.clear()
    same.compile("adam")
    same.trained.value = keras.Model(same.input, same.output)
    same.fit(x, y, batch_size=3, shuffle=False, verbose=0)
    assert all(names == whole for names in seen)
    for one, other in zip(network.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    seen.clear()
    network.evaluate(x, y, verbose=0)
    assert all(names == whole for names in seen)
    assert set(network(x, training=True)) == set(network.predict(x, verbose=0)) == whole


@pytest.mark.parametrize("base", ["solver", "persistence"])
def test_metrics_are_of_the_forecast(base, arrays):
    x, y = arrays
    x = x if base == "solver" else {name: x[name] for name in ("past", "static", "wind")} | {"base": x["past"][:, -1]}
    network = PlumeNet(**SMALL, base=base, substeps=2)
    metrics = {"future": [keras.metrics.MeanAbsoluteError(name="mae")]}
    network.compile("adam", metrics=metrics, weighted_metrics={"future": "mse"})
    weight = np.arange(N, dtype="float32")
    options = {"sample_weight": weight, "validation_data": (x, y, weight), "batch_size": N, "verbose": 0}
    history = network.fit(x, y, **options).history
    error = keras.ops.convert_to_numpy(network(x)["future"]) - y["future"]
    prefix = "future_" if base == "solver" else ""  # Keras names the output where there are several
    assert f"{prefix}mae" in history
    assert history[f"val_{prefix}mae"] == [pytest.approx(np.abs(error).mean(), rel=1e-4)]
    by_weight = (np.square(error).mean((1, 2, 3)) * weight).sum() / weight.sum()
    assert [values for name, values in history.items() if name.startswith("val_") and name.endswith("mse")] == [
        [pytest.approx(by_weight, rel=1e-3)]  # squares of what a compiled solver rounds in another order
    ]
