"""Order, batches and splits are pure functions of their arguments."""

import itertools
import threading
import time

import numpy as np
import pytest

from kmodels.core.training import batching, inference


@pytest.fixture
def examples():
    return batching.ArrayExamples({"x": np.arange(10.0)[:, None]}, {"y": np.arange(10.0)})


def rows_of(batch):
    _, targets, weight = batch
    return targets["y"][weight > 0].astype(int).tolist()


def test_every_epoch_holds_every_row_once_in_a_new_order(examples):
    per_epoch = batching.steps_per_epoch(10, 4)
    drawn = list(itertools.islice(batching.batches(examples, 4, seed=3), 2 * per_epoch))
    epochs = [[row for b in drawn[k : k + per_epoch] for row in rows_of(b)] for k in (0, per_epoch)]
    assert [sorted(rows) for rows in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]
    assert {b[0]["x"].shape for b in drawn} == {(4, 1)}, "all batches have one shape"


def test_a_batch_is_a_pure_function_of_seed_and_step(examples):
    all_at_once = list(itertools.islice(batching.batches(examples, 4, seed=3), 9))
    for step in range(9):
        assert rows_of(next(batching.batches(examples, 4, seed=3, first_step=step))) == rows_of(all_at_once[step])
    assert rows_of(next(batching.batches(examples, 4, seed=4))) != rows_of(all_at_once[0])


def test_fit_sees_every_row_once_on_this_backend():
    """Through Keras' own data adapter: no row is lost to its peeking and reading ahead."""
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable("tests")
    class Counter(keras.Model):
        def __init__(self):
            super().__init__()
            self.seen = self.add_weight(shape=(10,), trainable=False, initializer="zeros", name="seen")
            self.slope = self.add_weight(shape=(1,), name="slope")

        def call(self, x):
            return x["x"] * self.slope

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            hits = ops.one_hot(ops.cast(y["y"], "int32"), 10) * sample_weight[:, None]
            self.seen.assign(self.seen + ops.sum(hits, axis=0))
            return ops.sum(y_pred * 0.0)

    examples = batching.ArrayExamples({"x": np.ones((10, 1), "float32")}, {"y": np.arange(10.0)})
    model = Counter()
    model.compile("sgd")
    model(examples.inputs)
    model.fit(batching.batches(examples, 4, 0), steps_per_epoch=3, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_array_equal(inference.as_numpy(model.seen), 2.0)


def test_split_by_group_shares_no_group():
    groups = np.repeat(np.arange(100), 2)
    parts = batching.split_groups(groups, (0.70, 0.15, 0.15), seed=0)
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 140, "validation": 30, "test": 30}
    seen = [set(groups[rows]) for rows in parts.values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert sorted(np.concatenate(list(parts.values()))) == list(range(200))
    other = batching.split_groups(groups, (0.70, 0.15, 0.15), seed=1)
    assert not np.array_equal(parts["train"], other["train"])


def test_reading_ahead_keeps_the_order_and_counts_the_waiting():
    def slow():
        for k in range(5):
            time.sleep(0.05)
            yield k

    ahead = batching.ReadAhead(slow())
    assert list(ahead) == [0, 1, 2, 3, 4]
    assert 0.15 < ahead.waited < 5.0
    ahead.close()
    quick = batching.ReadAhead(range(5))
    found = []
    for item in quick:
        time.sleep(0.02)
        found.append(item)
    assert found == [0, 1, 2, 3, 4] and quick.waited < 0.02


def test_reading_ahead_ends_when_closed_and_hands_errors_on():
    before = threading.active_count()
    ahead = batching.ReadAhead(itertools.count())
    assert next(iter(ahead)) == 0
    ahead.close()
    assert threading.active_count() == before and list(ahead) == []

    def broken():
        yield 0
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(batching.ReadAhead(broken()))
