"""What a TermModel refuses, and that it is as it was afterwards."""

import keras
import numpy as np
import pytest
from helpers.checks import equal_arrays
from keras import ops

from kmodels.core.training.term_model import TermModel

N, STEPS = 6, 5


class Running(TermModel):
    """A running mean and a last value of a sequence of any length: two outputs, and a target for each."""

    def __init__(self):
        x = keras.Input((None, 2), name="x")
        every = keras.layers.Dense(1)(x)
        outputs = {"every": ops.squeeze(every, -1), "last": ops.squeeze(every[:, -1], -1)}
        super().__init__({"every": 1.0, "last": 1.0}, inputs={"x": x}, outputs=outputs)

    def target_shapes(self):
        return {"every": (None,), "last": ()}

    def terms(self, x, y, y_pred):
        every = ops.mean(ops.square(y["every"] - y_pred["every"]), -1)
        return {"every": every, "last": ops.square(y["last"] - y_pred["last"])}


def arrays():
    rng = np.random.default_rng(0)
    x = {"x": rng.normal(size=(N, STEPS, 2)).astype("float32")}
    return x, {"every": x["x"].sum(-1), "last": x["x"][:, -1].sum(-1)}


@pytest.fixture(scope="module")
def fitted():
    """A model that was trained once: what comes then is refused all the same."""
    model = Running()
    model.compile("adam")
    model.fit(*arrays(), verbose=0)
    return model


EXPECTED = r"expected every \(batch, 5\), last \(batch\)"
WRONG = [
    (lambda x, y: (x, y | {"every": y["every"][:, 1:]}), rf"target 'every' has the shape \(6, 4\); {EXPECTED}"),
    (lambda x, y: (x, y | {"last": y["every"]}), rf"target 'last' has the shape \(6, 5\); {EXPECTED}"),
    (lambda x, y: ({"x": x["x"][:, 1:]}, y), r"target 'every' has .*\(batch, 4\).*, for the inputs x \(6, 4, 2\)$"),
    (lambda x, y: (x, {"last": y["last"]}), f"target 'every' is missing; {EXPECTED}; got last"),
    (lambda x, y: (x, y | {"lst": y["last"]}), f"there is no target 'lst'; did you mean 'last'[?]; {EXPECTED}"),
    (lambda x, y: (x, y["last"]), f"targets must be a dictionary with {EXPECTED[9:]}; got ndarray"),
    (lambda x, y: ({"x": x["x"][..., :1]}, y), r"input 'x' has the shape \(6, 5, 1\); expected x \(batch, any, 2\)"),
    (lambda x, y: ({"xx": x["x"]}, y), r"input 'x' is missing; expected x \(batch, any, 2\); got xx"),
    (lambda x, y: (x | {"z": x["x"]}, y), r"there is no input 'z'; expected x \(batch, any, 2\)"),
    (lambda x, y: (x, y | {"last": y["last"][1:]}), "target 'last' has 5 rows; expected 6, as the input 'x' has"),
]


@pytest.mark.parametrize("change, message", WRONG)
def test_wrong_arrays_are_refused_in_a_line_by_fit_evaluate_and_as_validation_data(change, message, fitted):
    x, y = arrays()
    wrong = change(x, y)
    for call in (
        lambda: fitted.fit(*wrong, verbose=0),
        lambda: fitted.evaluate(*wrong, verbose=0),
        lambda: fitted.fit(x, y, validation_data=wrong, verbose=0),
    ):
        with pytest.raises(ValueError, match=f"^Running: (the )?{message}") as error:
            call()
        assert "\n" not in str(error.value)


def test_wrong_inputs_are_refused_by_predict(fitted):
    with pytest.raises(ValueError, match="Running: the input 'x' is missing"):
        fitted.predict({"y": arrays()[0]["x"]}, verbose=0)


def test_another_length_is_none_of_the_wrong_shapes(fitted):
    x, y = arrays()
    fitted.fit({"x": x["x"][:, :3]}, {"every": y["every"][:, :3], "last": y["every"][:, 2]}, verbose=0)
    fitted.evaluate(x["x"], y, verbose=0)


@pytest.mark.parametrize("source", ["arrays", "generator"])
def test_a_model_whose_first_training_was_refused_is_as_it_was_and_trains(source):
    """What a generator gives is looked at while the first step is traced."""
    x, y = arrays()
    model = Running()
    model.compile("adam")
    before = [ops.convert_to_numpy(variable) for variable in model.variables]
    wrong = {"last": y["last"]}
    given = (x, wrong) if source == "arrays" else ((pair for pair in [(x, wrong)]),)
    with pytest.raises(ValueError, match="target 'every' is missing"):
        model.fit(*given, verbose=0)
    after = [ops.convert_to_numpy(variable) for variable in model.variables]
    equal_arrays(dict(enumerate(before)), dict(enumerate(after)))
    model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == 1


def test_what_must_be_compiled_first_says_so():
    with pytest.raises(ValueError, match=r"You must call `compile\(\)` before"):
        Running().fit(*arrays(), verbose=0)


def test_metrics_say_of_which_output_they_are():
    model = Running()
    with pytest.raises(ValueError, match=r"the outputs are every, last: pass metrics=\{'every': \['mae'\]\}$"):
        model.compile("adam", metrics=["mae"])
    with pytest.raises(ValueError, match=r"weighted_metrics = 'lasst'; .*did you mean 'last'"):
        model.compile("adam", weighted_metrics={"lasst": "mae"})
    model.compile("adam", metrics={"last": "mae"})
    assert "last_mae" in model.fit(*arrays(), verbose=0).history


class Further(Running):
    """One of whose outputs has no target."""

    def target_shapes(self):
        return {"last": ()}

    def terms(self, x, y, y_pred):
        return {"last": ops.square(y["last"] - y_pred["last"])}


def test_an_output_without_a_target_needs_none_for_metrics():
    x, y = arrays()
    model = Further()
    model.compile("adam", metrics={"last": "mae"})
    assert "last_mae" in model.fit(x, {"last": y["last"]}, sample_weight=np.ones(N), verbose=0).history
    error = model.predict(x, verbose=0)["last"] - y["last"]
    found = model.evaluate(x, {"last": y["last"]}, verbose=0, return_dict=True)
    assert found["last_mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    with pytest.raises(ValueError, match=r"metrics = 'every'; .*'last'"):
        model.compile("adam", metrics={"every": "mae"})


def test_metrics_of_outputs_none_of_which_has_a_target_are_refused():
    class Other(Running):
        def target_shapes(self):
            return {"mean": ()}

    message = "no output has a target of its name: the outputs are every, last, the targets mean"
    with pytest.raises(ValueError, match=message):
        Other().compile("adam", metrics={"last": "mae"})
