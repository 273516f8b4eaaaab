"""MetasurfaceNet as a Keras user takes it: arrays, no recipe."""

import inspect

import keras
import numpy as np
import pytest
from helpers.checks import forward

import kmodels.metasurface
from kmodels.core.training import backend
from kmodels.metasurface import MetasurfaceNet, MetasurfacePreprocessor, MetasurfaceRecipe
from kmodels.metasurface.data.records import Structures, pack
from kmodels.metasurface.network.legacy import upgrade_config

RNG = np.random.default_rng(0)
SIZES = {
    "pixels": 32,
    "n_wavelengths": 5,
    "stem": 8,
    "channels": (8, 8, 8, 8),
    "blocks": 1,
    "d_model": 16,
    "heads": 2,
    "decoder_blocks": 1,
    "propagation_slices": 2,
    "propagation_nodes": 4,
    "propagation_features": 8,
    "few_orders": 0,
}
X = {
    "pattern": RNG.integers(0, 2, (8, 32, 32, 1)).astype("float32"),
    "wavelength": np.tile(np.linspace(400, 700, 5, dtype="float32"), (8, 1)),
}
Y = {"spectra": RNG.uniform(0.05, 0.3, (8, 2, 2, 5)).astype("float32")}


def small(**changes):
    return MetasurfaceNet(**{**SIZES, **changes})


def compiled(**changes):
    net = small(**changes)
    net.compile("adam")
    return net


def spectra(net):
    return forward(net, X)["spectra"]


@pytest.fixture(scope="module")
def fitted():
    keras.utils.set_random_seed(0)
    net = compiled(augment=True)
    weights = np.linspace(0.5, 1.5, 8, dtype="float32")
    history = net.fit(X, Y, sample_weight=weights, validation_data=(X, Y), batch_size=4, epochs=2, verbose=0).history
    return net, history


def test_it_is_fitted_on_arrays(fitted):
    _, history = fitted
    assert all(np.isfinite(history[name]).all() for name in ("loss", "val_loss", "mse", "val_curvature"))


def test_clone_and_copy_by_config_give_the_same(fitted):
    net, _ = fitted
    clone, copy = keras.models.clone_model(net), MetasurfaceNet.from_config(net.get_config())
    for other in (clone, copy):
        assert type(other) is MetasurfaceNet and other.get_config() == net.get_config()
        other.set_weights(net.get_weights())
        np.testing.assert_allclose(spectra(other), spectra(net), atol=1e-6)


def test_saved_and_loaded_by_keras_it_predicts_the_same(fitted, tmp_path):
    net, _ = fitted
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert type(loaded) is MetasurfaceNet and loaded.get_config() == net.get_config()
    np.testing.assert_allclose(spectra(loaded), spectra(net), atol=1e-6)


def test_config_names_every_argument_of_the_constructor():
    config = small(head="conserving", invariant=True, dtype="mixed_bfloat16", name="one").get_config()
    assert set(config) == set(inspect.signature(MetasurfaceNet).parameters)
    assert config["dtype"] == "mixed_bfloat16" and config["name"] == "one" and config["head"] == "conserving"


def test_defaults_are_those_of_the_default_recipe():
    own, recipes = (net.get_config() for net in (MetasurfaceNet(), MetasurfaceNet.from_recipe(MetasurfaceRecipe())))
    different = {name for name in own if own[name] != recipes[name]}
    assert different == {"name", "augment"}


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"film": "scale_shfit"}, "film = 'scale_shfit'; allowed: 'shift', 'scale_shift'; did you mean 'scale_shift'"),
        ({"head": "shred"}, "did you mean 'shared'"),
        ({"tokens": 16}, "tokens = 16; allowed: 17, 65"),
        ({"cover": "slica"}, "^MetasurfaceNet: cover = 'slica'.* did you mean 'silica'"),
        ({"spacer": "silca"}, "spacer = 'silca'.* did you mean 'silica'"),
        ({"term_weights": {"gard": 1.0}}, "term_weights = 'gard'.* did you mean 'grad'"),
        ({"pixels": 48}, "pixels = 48; expected a multiple of 32"),
        ({"d_model": 18}, "d_model = 18; expected an even multiple of heads"),
        ({"period": 2000.0}, "grid = 16; needs a multiple of 4 above 6 period / band"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        small(**arguments)


def test_an_unknown_argument_is_an_error():
    with pytest.raises(TypeError, match="MetasurfaceNet: no such argument: d_modle; did you mean d_model"):
        small(d_modle=16)


@pytest.mark.parametrize(
    "targets, said",
    [
        ({"spectrum": Y["spectra"]}, "spectra"),
        ({"spectra": Y["spectra"][:, 0]}, "spectra"),
    ],
)
def test_wrong_targets_are_refused_by_name(targets, said):
    with pytest.raises(ValueError, match=said):
        compiled().fit(X, targets, verbose=0)


def test_the_preprocessor_makes_arrays_of_structures():
    recipe = MetasurfaceRecipe().with_changes({"data": {"pixels": 32, "n_wavelengths": 5}, "model": {"few_orders": 0}})
    patterns = X["pattern"][..., 0].astype("uint8")
    names, wavelength = np.arange(8).astype(str), recipe.data.wavelengths()
    known = Structures(pack(patterns), Y["spectra"], wavelength, "RGGB", names, np.arange(8))
    x, y = MetasurfacePreprocessor(recipe)(known)
    for name in X:
        np.testing.assert_array_equal(x[name], X[name])
    np.testing.assert_array_equal(y["spectra"], Y["spectra"])
    unknown = Structures(pack(patterns), None, wavelength, "RGGB", names, np.arange(8))
    assert MetasurfacePreprocessor(recipe)(unknown)[1] == {}


def test_configurations_of_earlier_versions_are_upgraded():
    net = small()
    config = net.get_config()
    optics = {n: config[n] for n in ("period", "height", "distance", "cover", "gap", "spacer", "grid")}
    outer = ("pixels", "band", "n_wavelengths", "term_weights", "pixel_order", "blue_weight", "augment", "name")
    network = {n: v for n, v in config.items() if n not in (*outer, *optics, "dtype")}
    network["waves"], network["wave_nodes"] = network.pop("propagation_slices"), network.pop("propagation_nodes")
    old = {n: config[n] for n in outer} | {"network": network, "policy": "float32"}
    old["optics"] = optics | {"wavelength": config["band"]}
    assert MetasurfaceNet.from_config(upgrade_config(old)).get_config() == config
    assert upgrade_config(config) == config


@pytest.mark.skipif(backend.current() != "tensorflow", reason="see the class's docstring")
def test_the_exported_model_predicts_the_same(fitted, tmp_path):
    import tensorflow as tf

    net, _ = fitted
    net.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    exported = tf.saved_model.load(tmp_path / "saved")  # held, or its variables are deleted
    served = exported.serve(X)
    np.testing.assert_allclose(served["spectra"].numpy(), spectra(net), atol=1e-5)


def test_the_package_names_what_it_exports():
    assert set(kmodels.metasurface.__all__) == {
        "MetasurfaceNet",
        "MetasurfacePreprocessor",
        "MetasurfaceRecipe",
        "Structures",
        "load",
    }
