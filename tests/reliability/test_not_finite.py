"""A NaN ends a training by name, step and rows; what is saved is finite; a resumed run ends as if nothing had been."""

import numpy as np
import pytest
from helpers.checks import equal_arrays
from helpers.small_training import BATCH, PER_EPOCH, Line, N, points, run, state, trained
from keras import ops

from kmodels.core.spec.errors import UserError
from kmodels.core.training import batching, callbacks
from kmodels.core.training.optimizer import Adam


class SpoiltTerm(Line):
    """One loss term of row 20 is NaN."""

    def terms(self, x, y, y_pred):
        found = super().terms(x, y, y_pred)
        spoilt = ops.where(y["row"] == 20, float("nan"), 1.0)
        return found | {"distance": found["distance"] * spoilt}


class SpoiltGradient(Adam):
    """The gradient of the step AT is NaN, counted from 1."""

    AT = PER_EPOCH + 3

    def apply(self, grads, trainable_variables=None):
        factor = ops.where(self.iterations + 1 == self.AT, float("nan"), 1.0)
        super().apply([g * factor for g in grads], trainable_variables)


class SpoiltLastGradient(SpoiltGradient):
    """The same in the last step of the first epoch, where no later loss tells."""

    AT = PER_EPOCH


def spoilt_points():
    some = points()
    some.inputs["x"][20] = np.inf
    return some


def rows_at(step):
    return ", ".join(map(str, batching.batch_rows(N, BATCH, 0, step - 1)))


STEP_OF_20 = 1 + next(k for k in range(PER_EPOCH) if 20 in batching.batch_rows(N, BATCH, 0, k))


@pytest.mark.parametrize(
    "spoilt, what, step, more",
    [
        (lambda: {"examples": spoilt_points()}, "square", STEP_OF_20, "'x' of example 20 is not finite"),
        (lambda: {"kind": SpoiltTerm}, "distance", STEP_OF_20, ""),
        (lambda: {"optimizer": SpoiltGradient}, "the gradient, of finite losses,", SpoiltGradient.AT, ""),
        (lambda: {"optimizer": SpoiltLastGradient}, "the gradient, of finite losses,", PER_EPOCH, ""),
    ],
    ids=["data", "term", "gradient", "last gradient of an epoch"],
)
def test_a_nan_is_named_and_what_is_saved_is_finite(tmp_path, spoilt, what, step, more):
    one = run(tmp_path / "spoilt", checkpoint_seconds=1e-9)  # a state a step
    with pytest.raises(UserError) as refused:
        trained(one, **spoilt())
    said = str(refused.value)
    assert said.startswith(f"{what} is no longer a finite number at step {step}, training examples {rows_at(step)}")
    assert more in said and f"--resume {one.path}" in said and "\n" not in said
    assert one.saved_steps()[-1:] == ([step - 1] if step > 1 else [])
    if step > 1:
        assert all(np.isfinite(values).all() for values in state(one).values())
    other = run(tmp_path / "undisturbed")
    trained(one), trained(other)  # what was wrong is mended
    equal_arrays(state(one), state(other))


@pytest.mark.parametrize("kind, what", [(SpoiltTerm, "distance"), (Line, "the gradient, of finite losses,")])
def test_a_nan_keeps_its_name_when_the_loss_is_looked_at_later(tmp_path, monkeypatch, kind, what):
    """Steps after the bad one leave finite weights and finite terms, but for the one that was none."""
    monkeypatch.setattr(callbacks, "LOOK_SECONDS", 1e9)
    step = STEP_OF_20 if kind is SpoiltTerm else 3
    monkeypatch.setattr(SpoiltGradient, "AT", 3)
    with pytest.raises(UserError, match=f"^{what} is no longer a finite number at step {step}, "):
        trained(run(tmp_path), kind=kind, optimizer=Adam if kind is SpoiltTerm else SpoiltGradient)


def test_a_validation_figure_that_is_no_number_ends_the_run(tmp_path):
    one = run(tmp_path)
    with pytest.raises(UserError, match=f"^val_loss is no longer a finite number by step {2 * PER_EPOCH}"):
        trained(one, figure=lambda epoch: 1.0 if epoch == 1 else float("nan"))
    assert one.saved_steps() == [PER_EPOCH]
