"""Predictions that are played back on torch: the same bits, of the weights of now, or the usual way."""

import copy
import pickle

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays, examples
from keras import ops

from kmodels.core.spec import registry
from kmodels.core.training import backend
from kmodels.core.training.devices import distribution
from kmodels.core.training.replay import predictions
from kmodels.core.training.term_model import TermModel

pytestmark = pytest.mark.skipif(backend.current() != "torch", reason="elsewhere Keras compiles predictions")


@keras.saving.register_keras_serializable("kmodels.tests")
class Normalized(TermModel):
    """A batch-normalised line; `extra` is a layer behind it."""

    def __init__(self, extra: str = "linear"):
        self.extra = extra
        layer = {"linear": keras.layers.Identity, "noisy": Noisy, "choosy": Choosy, "counting": Counting}[extra]()
        x = keras.Input((3,), name="x")
        y = layer(keras.layers.BatchNormalization()(keras.layers.Dense(4)(x)))
        super().__init__({"mse": 1.0}, inputs={"x": x}, outputs={"y": y})

    def target_shapes(self):
        return {"y": (4,)}

    def terms(self, x, y, y_pred):
        return {"mse": ops.mean(ops.square(y["y"] - y_pred["y"]), -1)}

    def get_config(self):
        return {"extra": self.extra}


class Noisy(keras.layers.Layer):
    """Adds noise, in predictions, too."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seed)


class Choosy(keras.layers.Layer):
    """Looks at the values."""

    def call(self, x):
        return -x if ops.convert_to_numpy(x).sum() > 0 else x


class Counting(keras.layers.Layer):
    """Changes a variable."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign_add(1.0)
        return x + self.count


USUAL = 2


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(predictions, "USUAL", USUAL)


def inputs(rows=5, seed=0):
    return {"x": np.random.default_rng(seed).normal(size=(rows, 3)).astype("float32")}


def usual(model, x):
    """What Keras predicts without this; without gradients, as it does, for nand's GRU has other last bits with them."""
    tensors = keras.tree.map_structure(ops.convert_to_tensor, x)
    with backend.without_gradients():
        return keras.tree.map_structure(ops.convert_to_numpy, model.predict_step((tensors,)))


def recorded(model, x):
    """A model that has a recording for inputs like x."""
    for _ in range(USUAL + 1):
        model.predict_on_batch(x)
    return model


def test_it_is_recorded_when_the_same_shapes_have_come_a_few_times():
    model, x = Normalized(), inputs()
    for count in range(USUAL):
        model.predict_on_batch(x)
        model.predict_on_batch(inputs(rows=2 + count))
    assert not model.predict_function.recordings
    first = model.predict_on_batch(x)
    assert len(model.predict_function.recordings) == 1
    for seed in range(3):
        equal_arrays(model.predict_on_batch(inputs(seed=seed)), usual(model, inputs(seed=seed)))
    equal_arrays(first, usual(model, x))


def test_no_layer_is_called_once_it_is_recorded(monkeypatch):
    model = recorded(Normalized(), inputs())
    monkeypatch.setattr(keras.layers.Dense, "call", None)
    model.predict_on_batch(inputs(seed=1))
    with pytest.raises(TypeError):
        model.predict_on_batch(inputs(rows=4))


def test_predict_plays_back_too_and_its_last_batch_goes_the_usual_way():
    model, x = Normalized(), inputs(rows=4 * 6 + 1)
    found = model.predict(x, batch_size=4, verbose=0)
    assert len(model.predict_function.recordings) == 1
    parts = [usual(model, {"x": x["x"][k : k + 4]})["y"] for k in range(0, 25, 4)]
    np.testing.assert_array_equal(found["y"], np.concatenate(parts))


def test_weights_are_those_of_now(tmp_path):
    model, x = Normalized(), inputs()
    model.compile(keras.optimizers.SGD(0.1))
    model.save_weights(tmp_path / "before.weights.h5")
    before = recorded(model, x).predict_on_batch(x)
    target = {"y": np.ones((5, 4), "float32")}
    model.fit(x, target, epochs=2, verbose=0)
    model.train_on_batch(*keras.tree.map_structure(ops.convert_to_tensor, (x, target)))
    assert model.predict_function.recordings, "no training drops a recording"
    after = model.predict_on_batch(x)
    assert not np.allclose(before["y"], after["y"])
    equal_arrays(after, usual(model, x))
    model.load_weights(tmp_path / "before.weights.h5")
    equal_arrays(model.predict_on_batch(x), before)
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert model.predict_function.recordings
    equal_arrays(model.predict_on_batch(x), usual(model, x))


def test_a_variable_with_another_tensor_drops_what_was_recorded():
    model, x = recorded(Normalized(), inputs()), inputs()
    kernel = model.trainable_variables[0]
    kernel._value = type(kernel.value)(3 * kernel.value.detach())
    equal_arrays(model.predict_on_batch(x), usual(model, x))
    assert not model.predict_function.recordings


@pytest.mark.parametrize("extra", ["noisy", "choosy", "counting"])
def test_what_cannot_be_played_back_goes_the_usual_way_and_is_not_tried_again(extra):
    model, other, x = Normalized(extra), Normalized(extra), inputs()
    other.set_weights(model.get_weights())
    recorded(model, x)
    reason = model.predict_function.refused
    assert "RefusedError" in reason
    recorded(model, inputs(rows=2))
    assert model.predict_function.refused is reason and not model.predict_function.recordings
    if extra == "choosy":
        for sign in (1, -1):
            given = {"x": sign * x["x"]}
            equal_arrays(model.predict_on_batch(given), usual(other, given))
    else:
        assert not np.allclose(model.predict_on_batch(x)["y"], model.predict_on_batch(x)["y"])


def test_a_refused_input_does_not_end_it():
    model = Normalized()
    for _ in range(USUAL + 2):
        with pytest.raises(Exception, match="shape"):
            model.predict_on_batch({"x": np.zeros((2, 7), "float32")})
    assert model.predict_function.refused is None
    assert recorded(model, inputs()).predict_function.recordings


def test_arrays_of_other_dtypes_and_layouts_are_recorded_apart():
    model = recorded(Normalized(), inputs())
    for x in (inputs()["x"].astype("float64"), np.asfortranarray(inputs()["x"]), np.ones((5, 3), "int64")):
        recorded(model, {"x": x})
        equal_arrays(model.predict_on_batch({"x": x}), usual(model, {"x": x}))
    assert len(model.predict_function.recordings) == 4


def test_within_inference_mode_it_is_recorded_too():
    import torch

    model = Normalized()
    with torch.inference_mode():
        recorded(model, inputs())
    assert model.predict_function.refused is None and model.predict_function.recordings
    equal_arrays(model.predict_on_batch(inputs(seed=1)), usual(model, inputs(seed=1)))


def test_as_many_are_kept_as_said():
    model = Normalized()
    for rows in range(1, predictions.KEPT + 3):
        recorded(model, inputs(rows))
    assert len(model.predict_function.recordings) == predictions.KEPT


def test_compiling_copying_and_saving_drop_it(tmp_path):
    model, x = recorded(Normalized(), inputs()), inputs()
    model.save(tmp_path / "model.keras")
    copies = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        keras.models.load_model(tmp_path / "model.keras"),
    ]
    for one in copies:
        assert one.predict_function is None
        equal_arrays(recorded(one, x).predict_on_batch(x), model.predict_on_batch(x))
    model.compile("adam")
    model.predict_on_batch(x)
    assert not model.predict_function.recordings


def test_several_devices_compiled_and_eager_models_are_left_alone(monkeypatch):
    model = Normalized()
    model.jit_compile = True
    model.make_predict_function()
    assert not hasattr(model.predict_function, "recordings")
    model.compile("adam", run_eagerly=True)
    recorded(model, inputs())
    assert not hasattr(model.predict_function, "recordings")
    model.compile("adam")
    monkeypatch.setattr(distribution.Alone, "apart", True)
    recorded(model, inputs())
    assert not hasattr(model.predict_function, "recordings")


@pytest.mark.parametrize("name", registry.NAMES)
def test_all_networks_give_the_same_bits(name):
    task = registry.task(name)
    recipe = task.recipe().with_changes(task.recipe.SMOKE)
    model = task.build(recipe, 10)
    known = examples(task, recipe)
    for rows in (1, 6):
        first, last = (known.take(np.resize(np.arange(len(known))[::step], rows))[0] for step in (1, -1))
        recorded(model, first)
        for x in (first, last):
            equal_arrays(model.predict_on_batch(x), usual(model, x))
    assert model.predict_function.refused is None and len(model.predict_function.recordings) == 2
