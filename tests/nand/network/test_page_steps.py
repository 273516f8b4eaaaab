"""Page steps against a plain loop."""

import keras
import numpy as np
import pytest
from keras import ops

from kmodels.nand.network.classifier import NandClassifier
from kmodels.nand.network.page_steps import PageSteps


def stepped_plainly(pages, blocks, farthest):
    last, steps = {}, []
    for page, block in zip(pages, blocks, strict=True):
        near = max(-farthest, min(farthest, page - last.get(block, page)))
        steps.append(near + farthest + 1 if block in last else 0)
        last[block] = page
    return steps


def test_steps_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    pages, blocks = rng.integers(0, 40, (30, 25)), rng.integers(0, 4, (30, 25))
    steps = ops.convert_to_numpy(PageSteps(6)(pages.astype("int32"), blocks.astype("int32")))
    np.testing.assert_array_equal(steps, [stepped_plainly(p, b, 6) for p, b in zip(pages, blocks, strict=True)])
    assert steps.min() == 0 and steps.max() == 13


def test_steps_do_not_depend_on_where_in_a_block_they_are():
    rng = np.random.default_rng(1)
    pages, blocks = rng.integers(0, 9, (3, 12)).astype("int32"), rng.integers(0, 2, (3, 12)).astype("int32")
    here, there = (ops.convert_to_numpy(PageSteps()(pages + far, blocks)) for far in (0, 2000))
    np.testing.assert_array_equal(here, there)


def test_it_is_made_again_from_its_configuration():
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PageSteps(5)))
    assert layer.farthest == 5


def test_the_network_asks_for_pages_and_blocks():
    with pytest.raises(ValueError, match='page_steps = 4 needs columns "slot" and "page"; columns: op, slot, first'):
        NandClassifier(columns={"op": 4, "slot": 3, "first": 2}, page_steps=4)
