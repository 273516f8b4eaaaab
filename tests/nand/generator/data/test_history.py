"""The history of a trace's blocks, against a plain loop and by hand."""

import numpy as np
import pytest
from helpers.plain_nand import operations_of, trace_of

from kmodels.nand.data.rules import replay
from kmodels.nand.generator.data.history import FLAGS, BlockHistory, replay_history
from kmodels.nand.recipe import Data
from kmodels.nand.simulator import sequences

REACH = 5


def plain(operations):
    """w and {page: held} of the operation's block before each operation, by sets."""
    held, erased, programmed, seen = {}, set(), set(), set()
    found = []
    for op, block, page in operations:
        pages = held.setdefault(block, set())
        w = max(pages, default=-1) + 1 if block in seen else -1
        found.append((w, block in erased, set(pages)))
        seen.add(block)
        if op == "erase":
            erased.add(block)
            pages.clear()
        elif op == "program":
            programmed.add(block)
            pages.add(page)
        elif block not in erased | programmed:
            pages.add(page)
    return found


@pytest.mark.parametrize("order", ["strict", "monotonic", "any"])
def test_agrees_with_a_plain_loop_on_legal_and_illegal_sequences(order):
    data = Data(program_order=order, strategies=("overwrite", "read_unwritten", "stale_read"))
    trace = sequences.sample_pairs(np.random.default_rng(0), 20, data)
    late = sequences.sample_pairs(np.random.default_rng(1), 10, data)
    cut = type(late)(**{k: v[:, 9:] if getattr(v, "ndim", 1) == 2 else v for k, v in vars(late).items()})
    for each in (trace, cut):
        (frontier, pages), slot = replay_history(each, 3, REACH), each.slots()
        for row in range(len(each)):
            for t, (w, erased, held) in enumerate(plain(operations_of(each, row))):
                now = pages[row, t, slot[row, t]]
                assert frontier[row, t] == w and now[:FLAGS].tolist() == [w >= 0, erased]
                assert now[FLAGS:].tolist() == [w - 1 - k in held for k in range(REACH)]


def test_the_pointer_of_a_legal_trace_is_the_devices():
    data = Data(program_order="any", strategies=("overwrite",))
    trace = sequences.sample_pairs(np.random.default_rng(0), 50, data)
    legal = trace.take(~trace.invalid)
    np.testing.assert_array_equal(replay_history(legal, 3, REACH)[0], replay(legal, data)[1])


def test_held_pages_by_hand():
    trace = trace_of("e0 p0.0 p0.2 p0.9")
    history, slot = BlockHistory(1, 1, 3), np.array([0])
    for t in range(3):
        history.step(trace.op[:, t], slot, trace.page[:, t])
    assert [bool(history.holds(slot, np.array([page]))[0]) for page in range(5)] == [True, False, True, False, False]
    history.step(trace.op[:, 3], slot, trace.page[:, 3])
    assert history.pages()[0, 0].tolist() == [1, 1, 1, 0, 0] and not history.holds(slot, np.array([2]))[0]
