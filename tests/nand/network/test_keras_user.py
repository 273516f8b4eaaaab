"""NandClassifier as a Keras user takes it: arrays in, no recipe."""

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays, forward

import kmodels.nand
from kmodels.core.training import backend
from kmodels.nand import NandClassifier, NandPreprocessor
from kmodels.nand.network import legacy
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator.sequences import sample_pairs

SMALL = {"embedding": 4, "hidden": 4, "num_layers": 1}
KINDS = [{}, {"ensemble_size": 2}, {"operation_head": False, "pooling": "attention", "loss": "focal"}]


@pytest.fixture(scope="module")
def arrays():
    """(x, y) of 12 sequences."""
    recipe = NandRecipe().with_changes({"data": {"seq_len": 12, "strategies": ["read_unwritten"]}})
    return NandPreprocessor(recipe)(sample_pairs(np.random.default_rng(0), 6, recipe.data))


def made(**arguments):
    keras.utils.set_random_seed(0)
    return NandClassifier(**(SMALL | arguments))


def test_the_default_arguments_are_those_of_the_default_recipe():
    network, of_recipe = NandClassifier(name="n"), NandClassifier.from_recipe(NandRecipe())
    assert network.get_config() == of_recipe.get_config() | {"name": "n"}


@pytest.mark.parametrize("arguments", KINDS)
def test_trained_cloned_copied_saved_and_loaded(arguments, arrays, tmp_path):
    x, y = arrays
    network = made(**arguments)
    network.compile("adam", run_eagerly=bool(arguments) and backend.current() == "tensorflow")  # one of them traced
    y = {name: y[name] for name in network.target_shapes()}
    history = network.fit(x, y, validation_data=(x, y), batch_size=6, sample_weight=np.ones(12), epochs=1, verbose=0)
    assert {"loss", "verdict", "val_loss"} <= history.history.keys()
    before = forward(network, x)
    for copy in (keras.models.clone_model(network), NandClassifier.from_config(network.get_config())):
        assert type(copy) is NandClassifier and copy.get_config() == network.get_config()
        copy.set_weights(network.get_weights())
        equal_arrays(before, forward(copy, x))
    network.save(tmp_path / "n.keras")
    again = keras.saving.load_model(tmp_path / "n.keras", compile=False)
    assert again.get_config() == network.get_config()
    equal_arrays(before, forward(again, x))
    network.summary(print_fn=lambda text: None)


def test_examples_of_weight_zero_count_nothing(arrays):
    x, y = arrays
    weight = np.repeat([1.0, 0.0], 6)
    network = made(dropout=0.0)
    network.compile("adam")
    part = network.evaluate({"tokens": x["tokens"][:6]}, {k: v[:6] for k, v in y.items()}, verbose=0, return_dict=True)
    whole = network.evaluate(x, y, sample_weight=weight, batch_size=12, verbose=0, return_dict=True)
    assert whole["verdict"] == pytest.approx(part["verdict"], rel=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sequence_order": "blok"}, "sequence_order = 'blok'.*did you mean 'block'"),
        ({"pooling": "worst"}, "pooling = 'worst'; allowed: 'attention_max', 'attention'"),
        ({"loss": "mse"}, "loss = 'mse'"),
        ({"columns": {"op": 4}}, 'needs a column "slot"'),
        ({"columns": {"slot": 4, "op": 4}}, 'the first must be "op"'),
        ({"columns": ["op", "page"]}, r"columns = \['op', 'page'\]; expected a dictionary"),
        ({"num_layers": 0}, "num_layers = 0; expected an integer, 1 or more"),
        ({"dropout": 1.5}, "dropout = 1.5; expected a number, 0 or more, below 1"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        NandClassifier(**(SMALL | arguments))


def test_a_prediction_of_one_output_too_many_is_compared_with_the_useful_one():
    with pytest.raises(ValueError, match=r"pass metrics=\{'invalid': \['mae'\]\}"):
        made().compile("adam", metrics=["mae"])


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="NandClassifier: no such argument: hiden; did you mean hidden"):
        NandClassifier(hiden=4)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda y: {"invalid": y["invalid"]}, "the target 'operation' is missing"),
        (lambda y: y | {"operation": y["operation"][:, :, None]}, "the target 'operation' has the shape"),
        (lambda y: y["invalid"], "targets must be a dictionary"),
    ],
)
def test_wrong_targets_are_refused_by_name(change, message, arrays):
    x, y = arrays
    network = made()
    network.compile("adam")
    with pytest.raises(ValueError, match=message):
        network.fit(x, change(y), verbose=0)


def test_the_dtype_is_kerass():
    network = made(dtype="mixed_bfloat16")
    assert network.get_config()["dtype"] == "mixed_bfloat16"
    assert network.get_layer("mixed").compute_dtype == "bfloat16"
    assert network.outputs[0].dtype == "float32"


def test_the_package_exports_what_a_user_needs():
    assert set(kmodels.nand.__all__) >= {"NandClassifier", "NandPreprocessor", "NandRecipe"}


def test_arguments_of_earlier_versions_are_upgraded():
    """A configuration as the version of 2026-11-21 saved it."""
    old = {
        "name": "n",
        "sizes": [4, 2, 4, 16, 65, 2],
        "numbers": 0,
        "group_column": 3,
        "embedding": 4,
        "hidden": 4,
        "depth": 1,
        "dropout": 0.4,
        "bidirectional": True,
        "pooling": "worst",
        "operation_head": True,
        "members": 1,
        "fixed_threshold": False,
        "loss_name": "bce",
        "focal_alpha": 0.7,
        "focal_gamma": 2.0,
        "operation_weight": 10.0,
        "policy": "float32",
    }
    new = legacy.upgrade_config(old)
    network = NandClassifier.from_config(new)
    assert network.get_config() == new
    assert new["columns"] == {"op": 4, "column_1": 2, "column_2": 4, "slot": 16, "column_4": 65, "column_5": 2}
    assert legacy.upgrade_config(new) == new
    untimed = legacy.upgrade_config(old | {"group_column": None})
    assert untimed["sequence_order"] == "time" and "slot" not in untimed["columns"]
