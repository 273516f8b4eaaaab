"""NandGenerator as a Keras user takes it: arrays in, no recipe."""

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays

from kmodels.nand.generator import GeneratorPreprocessor, GeneratorRecipe, NandGenerator
from kmodels.nand.generator.evaluation.sampling import generate
from kmodels.nand.generator.network import legacy
from kmodels.nand.simulator.sequences import sample_pairs

SMALL = {"embedding": 4, "hidden": 4, "seq_len": 12}


@pytest.fixture(scope="module")
def arrays():
    """(x, y) of 12 sequences."""
    recipe = GeneratorRecipe().with_changes({"data": {"seq_len": 12, "strategies": ["read_unwritten"]}})
    trace = sample_pairs(np.random.default_rng(0), 12, recipe.data)
    return GeneratorPreprocessor(recipe)(trace.take(~trace.invalid))


def made(**arguments):
    keras.utils.set_random_seed(0)
    return NandGenerator(**(SMALL | arguments))


def test_the_default_arguments_are_those_of_the_default_recipe():
    network, of_recipe = NandGenerator(name="n"), NandGenerator.from_recipe(GeneratorRecipe())
    assert network.get_config() == of_recipe.get_config() | {"name": "n"}


@pytest.mark.parametrize("arguments", [{}, {"state": "joint", "num_layers": 2}])
def test_trained_cloned_copied_saved_and_loaded(arguments, arrays, tmp_path):
    x, y = arrays
    network = made(**arguments)
    network.compile("adam")
    history = network.fit(x, y, validation_data=(x, y), batch_size=6, sample_weight=np.ones(12), epochs=1, verbose=0)
    assert {"loss", "token", "val_loss"} <= history.history.keys()
    before = {"token": network.predict(x, verbose=0)["token"]}
    for copy in (keras.models.clone_model(network), NandGenerator.from_config(network.get_config())):
        assert type(copy) is NandGenerator and copy.get_config() == network.get_config()
        copy.set_weights(network.get_weights())
        equal_arrays(before, copy.predict(x, verbose=0))
    network.save(tmp_path / "g.keras")
    again = keras.saving.load_model(tmp_path / "g.keras", compile=False)
    assert again.get_config() == network.get_config() and again.rules == network.rules
    equal_arrays(before, again.predict(x, verbose=0))
    network.summary(print_fn=lambda text: None)
    assert not generate(network, 3, 0).invalid.any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"program_order": "strickt"}, "program_order = 'strickt'.*did you mean 'strict'"),
        ({"memory": "page"}, "memory = 'page'.*did you mean 'pages'"),
        ({"max_hop": 3}, "max_hop = a number needs memory = 'none'"),
        ({"state": "block"}, "state = 'block'.*did you mean 'blocks'"),
        ({"num_blocks": 300}, "num_blocks"),
        ({"hidden": 0}, "hidden = 0; expected an integer, 1 or more"),
        ({"dropout": 1.5}, "dropout = 1.5; expected a number, 0 or more, below 1"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        NandGenerator(**(SMALL | arguments))


def test_wrong_targets_are_refused_by_name(arrays):
    x, y = arrays
    network = made()
    network.compile("adam")
    with pytest.raises(ValueError, match="the target 'token' is missing"):
        network.fit(x, {"tokens": y["token"]}, verbose=0)
    with pytest.raises(ValueError, match="the target 'token' has the shape"):
        network.fit(x, {"token": y["token"][:, 0]}, verbose=0)
    with pytest.raises(ValueError, match=r"the target 'token' has the shape \(12, \d+\); expected token \(batch, \d+"):
        network.fit(x, {"token": y["token"][:, :-1]}, verbose=0)


def test_arguments_of_earlier_versions_are_upgraded():
    """A configuration as the version of 2026-11-21 saved it."""
    recipe = GeneratorRecipe().with_changes(
        {"data": {"seq_len": 12}, "model": {"max_hop": 3, "embedding": 32, "hidden": 48}}
    )
    old = {
        "name": "g",
        "data": recipe.data.model_dump(mode="json"),
        "max_hop": 3,
        "samples": 2000,
        "state": "blocks",
        "embedding": 32,
        "hidden": 48,
        "depth": 1,
        "dropout": 0.0,
        "policy": "float32",
    }
    new = legacy.upgrade_config(old)
    made = NandGenerator.from_config(new).get_config()
    assert made == new | {name: made[name] for name in ("max_offset", "initial_state")}
    assert made == NandGenerator.from_recipe(recipe).get_config() | {"name": "g"}
    assert legacy.upgrade_config(new) == new
