"""Encodings by hand, and that they know no rules and no future."""

import numpy as np
import pytest
from helpers.plain_nand import trace_of

from kmodels.nand.data import encode
from kmodels.nand.data.records import PAD
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences


def test_differences_by_hand():
    trace = trace_of("e0 p0.0 r0.0 e1 p0.4 e0 p0.1")
    found = encode.differences(trace, trace.slots(), farthest=3)
    middle = 3 + 1
    assert found["difference"][0].tolist() == [0, middle + 1, middle, 0, middle + 3, 0, middle - 3]
    assert found["since"][0].tolist() == [0, 1, 1, 0, 2, 1, 1]
    assert found["before"][0].tolist() == [0, 1, 2, 0, 3, 2, 1]
    assert found["n_erase"][0].tolist() == [0, 1, 1, 0, 1, 1, 2]
    assert found["n_program"][0].tolist() == [0, 0, 1, 0, 1, 2, 2]
    assert found["n_read"][0].tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_normalized_is_address_by_largest_address():
    trace = trace_of("e0 p999.2563")
    np.testing.assert_allclose(encode.normalized(trace, NandRecipe().data.geometry)[0, 1], [0, 0, 1, 1])


def test_targets_mark_the_first_violation_only():
    data = NandRecipe().data
    trace = sequences.sample_pairs(np.random.default_rng(0), 50, data)
    targets = encode.encode(trace, NandRecipe()).targets
    assert (targets["operation"] > 0).sum(axis=1).tolist() == trace.invalid.astype(int).tolist()
    rows = np.flatnonzero(trace.invalid)
    np.testing.assert_array_equal(targets["operation"][rows, trace.violation_index[rows]], trace.violation_code[rows])


def test_the_first_operation_of_a_block_is_marked():
    slot = np.array([[0, 1, 0, 2, 1, 3, 0], [0, 0, 1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(encode.mark_first_operations(slot), [[1, 1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 0, 0]])


@pytest.mark.parametrize("features", ["none", "differences", "rule_flags"])
@pytest.mark.parametrize(
    "encoding, order",
    [("steps", "block"), ("steps", "time"), ("slots", "block"), ("slots", "time"), ("normalized", "time")],
)
def test_tokens_fit_their_tables_and_padding_is_zero(encoding, order, features):
    recipe = NandRecipe().with_changes(
        {
            "model": {
                "encoding": encoding,
                "sequence_order": order,
                "features": features,
                "max_slots": 2,
                "max_page": 4,
                "max_difference": 2,
            }
        }
    )
    trace = sequences.sample_pairs(np.random.default_rng(0), 50, recipe.data)
    trace.op[:, 40:] = PAD
    tokens = encode.encode(trace, recipe).inputs["tokens"]
    sizes = list(encode.columns(recipe).values())
    assert tokens.shape == (100, 50, len(sizes)) and tokens.dtype == np.int32
    assert tokens.min() >= 0 and (tokens.max(axis=(0, 1)) < sizes).all()
    assert (tokens[:, 40:] == 0).all() and (tokens[:, :40, 0] > 0).all()


def test_blocks_are_told_apart_however_many_unless_their_numbers_are_embedded():
    recipe = NandRecipe().with_changes(
        {"data": {"num_blocks": 20, "strategies": ["page_hop"]}, "model": {"max_slots": 4}}
    )
    trace = sequences.sample_pairs(np.random.default_rng(0), 5, recipe.data)
    slots = list(encode.columns(recipe)).index("slot")
    np.testing.assert_array_equal(encode.encode(trace, recipe).inputs["tokens"][..., slots], trace.slots())
    embedded = recipe.with_changes({"model": {"encoding": "slots", "sequence_order": "time"}})
    assert encode.encode(trace, embedded).inputs["tokens"][..., slots].max() == 3


@pytest.mark.parametrize("features", ["none", "differences"])
def test_no_feature_sees_the_future_or_the_rules(features):
    """Cutting the end off changes nothing before it, and neither do L, the order or the labels."""
    recipe = NandRecipe().with_changes({"model": {"features": features}})
    trace = sequences.sample_pairs(np.random.default_rng(0), 50, recipe.data)
    whole = encode.encode(trace, recipe).inputs["tokens"]
    other = recipe.with_changes(
        {"data": {"read_offset_limit": 2, "program_order": "any", "strategies": ["read_unwritten"]}}
    )
    np.testing.assert_array_equal(whole, encode.encode(trace, other).inputs["tokens"])
    trace.op[:, 30:] = PAD
    np.testing.assert_array_equal(whole[:, :30], encode.encode(trace, recipe).inputs["tokens"][:, :30])


def test_rule_flags_hand_over_the_answer():
    recipe = NandRecipe().with_changes({"model": {"features": "rule_flags"}})
    trace = sequences.sample_pairs(np.random.default_rng(0), 100, recipe.data)
    flags = encode.rule_flags(trace, trace.slots(), recipe.data)
    program, read = trace.op == 1, trace.op == 2
    illegal = (program & ~flags["is_next_page"].astype(bool)) | (
        read & ~(flags["is_written"] & flags["is_recent"]).astype(bool)
    )
    np.testing.assert_array_equal(illegal.any(axis=1), trace.invalid)
