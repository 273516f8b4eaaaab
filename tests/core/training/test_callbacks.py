"""What a training notes of its steps."""

import numpy as np
import pytest
from helpers.killing import scalars_of
from helpers.small_training import BATCH, N, points, run, trained

from kmodels.core.training import batching, callbacks, inference
from kmodels.core.training.optimizer import Adam


@pytest.mark.parametrize(("most", "noted"), [(200, range(1, 15)), (3, (3, 6, 7, 10, 13, 14))])
def test_losses_of_steps_are_each_steps_own(tmp_path, monkeypatch, most, noted):
    """Also of the last step of an epoch, whose batch is filled up."""
    monkeypatch.setattr(callbacks, "POINTS", most)
    one = run(tmp_path, learning_rate=1e-12)
    model = trained(one)
    slope, offset = (inference.as_numpy(v) for v in model.trainable_variables)
    curves = scalars_of(one.tensorboard / "steps")
    assert set(curves) == {"step/loss", "step/square", "step/distance"}
    x, y = (part[name] for part, name in zip(points().take(np.arange(N)), "xy", strict=True))
    for tag, scored in (("step/square", np.square), ("step/distance", np.abs)):
        assert [event.step for event in curves[tag]] == list(noted)
        for event in curves[tag]:
            rows = batching.batch_rows(N, BATCH, one.recipe.seed, event.step - 1)
            expected = scored(y[rows] - slope * x[rows] - offset).mean()
            assert event.value == pytest.approx(expected, rel=1e-4), event.step
    for loss, square, distance in zip(
        *(curves[f"step/{name}"] for name in ("loss", "square", "distance")), strict=True
    ):
        assert loss.value == pytest.approx(square.value + 0.5 * distance.value, rel=1e-4)


def test_clipped_steps_are_a_share_of_the_epochs_own(tmp_path):
    """Steps that a task's callback takes behind an epoch, as hard-negative mining does, are not counted."""

    def steps_more(model, row):
        rows.append(row)
        model.optimizer.clipped.assign_add(5.0)

    rows = []
    trained(run(tmp_path), after_epoch=steps_more, optimizer=lambda rate: Adam(rate, global_clipnorm=1e-6))
    assert [row["clipped_steps"] for row in rows] == [1.0, 1.0]
