"""Tokens there and back, what they cannot say, and masks that agree with the plain rules."""

import numpy as np
import pytest
from helpers.plain_nand import first_violation, trace_of

from kmodels.core.spec.errors import UserError
from kmodels.nand.data.records import OPERATIONS
from kmodels.nand.data.rules import Device
from kmodels.nand.generator.data import encode
from kmodels.nand.generator.data.encode import END, ILLEGAL
from kmodels.nand.generator.data.history import BlockHistory
from kmodels.nand.generator.evaluation import sampling
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.simulator import sequences

ORDERS = ("strict", "monotonic", "any")
LEGAL_ONLY = {"max_hop": 3}


def recipe_of(order="strict", model=None, **data):
    changes = {"program_order": order, "strategies": ["stale_read", "read_unwritten"], **data}
    return GeneratorRecipe().with_changes({"data": changes, "model": model or {}})


def known_of(recipe):
    return encode.make_vocabulary(recipe.data, recipe.model.max_offset, recipe.model.max_hop)


def valid_sequences(recipe, n=50):
    trace = sequences.sample_pairs(np.random.default_rng(0), n, recipe.data)
    return trace.take(~trace.invalid)


def test_vocabularies_by_hand():
    known = encode.Vocabulary(slots=2, program=(0, 1), read=(-2, -1))
    assert known.names == ["erase", "program +0", "program +1", "read -1", "read -2"]
    assert (known.size, known.start) == (10, 10)
    assert known.columns[[0, 6, 9, 10]].tolist() == [[2, 1, 1], [3, 2, 2], [4, 2, 5], [1, 0, 0]]
    assert (known.columns < known.column_sizes).all()
    wide = encode.Vocabulary(slots=2, program=(-1, 1), read=(-1, 1), open=True)
    programs, reads = (["program -1", "program +0", "program +1"], ["read +1", "read +0", "read -1"])
    assert wide.names == ["erase", *programs, *reads, "program ?", "read ?"]
    assert wide.has_offset.tolist() == [False, *[True] * 6, False, False] * 2
    assert (wide.columns < wide.column_sizes).all()


def test_tokens_of_legal_operations_by_hand():
    recipe = recipe_of(model=LEGAL_ONLY)
    trace = trace_of("e0 p0.0 p0.1 r0.0 e1 p1.0", "e0 p0.0 p0.2 r0.0")
    k = known_of(recipe).words
    token = encode.tokens(trace, recipe.data, known_of(recipe))
    assert token.tolist() == [[0, 1, 1, 3, k, k + 1], [0, 1, ILLEGAL, 2, END, END]]
    assert encode.encode(trace, recipe).targets["token"].tolist() == [[0, 1, 1, 3, k, k + 1], [0, 1, -1, 2, -1, -1]]
    assert encode.encode(trace, recipe).inputs.keys() == {"tokens"}


@pytest.mark.parametrize(
    "text, said",
    [
        ("e0 p0.0 p0.0 r0.0 p0.5", ["erase", "program +0", "program -1", "read -1", "program +2"]),
        ("p0.7 p0.8 r0.3 e0 r0.0", ["program ?", "program +0", "read -2", "erase", "read +0"]),
        ("r0.7 r0.9 p0.9 r0.8", ["read ?", "read +1", "program -1", "read -2"]),
        ("e0 e1 p1.0 p0.0", ["erase", "erase", "program +0", "program +0"]),
    ],
)
def test_every_operation_has_a_token_that_no_rule_changes(text, said):
    """Farther offsets count as the last, +-2 here."""
    for order in ORDERS:
        recipe = recipe_of(order, model={"max_offset": 2}, read_offset_limit=1)
        known = known_of(recipe)
        token = encode.tokens(trace_of(text), recipe.data, known)[0]
        assert [known.names[word] for word in token % known.words] == said


def state_of(n, known, recipe):
    """What a page offset is relative to, as the sampler keeps it."""
    device = Device(n, known.slots, recipe.data)
    return device, (BlockHistory(n, known.slots, 4) if known.open else device)


@pytest.mark.parametrize("model", [{}, LEGAL_ONLY])
@pytest.mark.parametrize("order", ORDERS)
def test_tokens_there_and_back(order, model):
    recipe = recipe_of(order, model=model if order != "any" else {})
    trace, known = valid_sequences(recipe), known_of(recipe)
    token = encode.tokens(trace, recipe.data, known)
    _, state = state_of(len(trace), known, recipe)
    for t in range(recipe.data.seq_len):
        op, slot, page = encode.operations(state, token[:, t], known, recipe.data.geometry.pages)
        state.step(op, slot, page)
        for found, expected in ((op, trace.op), (slot, trace.slots()), (page, trace.page)):
            np.testing.assert_array_equal(found, expected[:, t])


@pytest.mark.parametrize("model", [{"max_offset": 3}, LEGAL_ONLY])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pages", [2, 4, 64])
def test_masks_agree_with_the_plain_rules_on_every_token(order, pages, model):
    """Also in blocks that are full, or not erased; and an operation that leaves the geometry is never mended."""
    recipe = recipe_of(order, model=model, num_blocks=2, seq_len=24, geometry={"pages": pages})
    known, data = known_of(recipe), recipe.data
    device, state = state_of(1, known, recipe)
    rng = np.random.default_rng(pages)
    done = []
    for _ in range(60):
        legal = encode.legal_tokens(device, state, known)[0]
        for token in range(known.size):
            op, slot, page = (int(part[0]) for part in encode.operations(state, np.array([token]), known, pages))
            assert page < pages and (page >= 0 or OPERATIONS[op] == "erase")
            broken = first_violation([*done, (OPERATIONS[op], slot, page)], data.read_offset_limit, order)
            assert legal[token] == (broken is None), (done, known.names[token % known.words], slot)
        likely = np.where(known.op == 0, 0.1, 1.0) * (legal if len(done) > 3 else known.op == 0)
        token = np.array([rng.choice(known.size, p=likely / likely.sum())])
        step = encode.operations(state, token, known, pages)
        for each in {device, state}:
            each.step(*step)
        done.append((OPERATIONS[step[0][0]], int(step[1][0]), int(step[2][0])))


@pytest.mark.parametrize(
    "order, text, said",
    [
        ("strict", "e0 e1 e2 e3", ["sequence 0, step 3: its block number 4", "--data.num_blocks 4"]),
        ("monotonic", "e0 p0.0 p0.9", ["step 2: program of page 9 skips 8 pages", "--model.max_hop 8"]),
        ("any", "e0 p0.3 p0.1", ["step 2: program of page 1 behind page 3", "leave this sequence out"]),
    ],
)
def test_a_legal_sequence_without_words_is_refused_by_name(order, text, said):
    recipe = recipe_of(order, model=LEGAL_ONLY)
    with pytest.raises(UserError) as caught:
        encode.encode(trace_of(text), recipe)
    for part in said:
        assert part in str(caught.value)


def test_a_block_too_many_is_refused_by_name():
    with pytest.raises(UserError, match=r"sequence 0, step 3: its block number 4.*--data.num_blocks 4"):
        encode.encode(trace_of("e0 e1 e2 e3 p0.7"), recipe_of())


def test_inputs_are_what_stood_before():
    recipe = recipe_of()
    known = known_of(recipe)
    examples = encode.encode(trace_of("e0 p0.0 r0.0", "e0 p0.0"), recipe)
    columns, program = known.columns, known.names.index("program +0")
    expected = [[columns[known.start], columns[0], columns[program]], [columns[known.start], columns[0], [0, 0, 0]]]
    np.testing.assert_array_equal(examples.inputs["tokens"], expected)
    pages = examples.inputs["pages"][0, :, 0]  # occurred, erased, then the pages behind w
    assert pages[:, :4].tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]] and not pages[:, 4:].any()


def test_prefixes_hold_every_target_once():
    recipe = recipe_of().with_changes({"train": {"scheme": "prefix"}})
    trace = trace_of("e0 p0.0 r0.0", "e0 p0.0")
    whole, prefixes = encode.encode(trace, recipe), encode.training_examples(trace, recipe)
    assert len(prefixes) == 5
    inputs, targets = prefixes.take(np.array([4, 2]))
    assert inputs.keys() == whole.inputs.keys()
    np.testing.assert_array_equal(inputs["tokens"], whole.inputs["tokens"][[1, 0]])
    program, read = (known_of(recipe).names.index(name) for name in ("program +0", "read -1"))
    assert targets["token"].tolist() == [[-1, program, -1], [-1, -1, read]]
    inputs, targets = prefixes.take(np.array([0]))
    assert inputs["tokens"][0, 1:].sum() == 0 and targets["token"].tolist() == [[0, -1, -1]]
    assert encode.training_examples(trace, recipe_of()).targets["token"].shape == (2, 3)


def test_a_token_is_drawn_as_often_as_its_probability_says():
    p = np.array([0.5, 0.3, 0.2, 0.0])
    with np.errstate(divide="ignore"):
        logits = np.broadcast_to(np.log(p), (20_000, 4))
    for temperature, expected in ((1.0, p), (0.5, p**2 / (p**2).sum())):
        drawn = np.bincount(sampling.sample_tokens(np.random.default_rng(0), logits, temperature), minlength=4) / 20_000
        np.testing.assert_allclose(drawn, expected, atol=0.015)
        assert drawn[3] == 0
