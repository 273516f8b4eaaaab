"""The simulator: pairs share their prefix, the counterpart holds exactly one violation of its strategy."""

import joblib
import numpy as np
import pytest
from helpers.plain_nand import first_violation, first_violation_in_mid_life, operations_of

from kmodels.core.spec.errors import UserError
from kmodels.nand.data.records import CODES, ERASE, OVERWRITE, PAGE_HOP, PROGRAM, READ, READ_UNWRITTEN, STALE_READ
from kmodels.nand.data.rules import RuleChecker
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator import sequences


def simulated(n=300, seed=0, **data):
    recipe = NandRecipe().with_changes({"data": data})
    return sequences.sample_pairs(np.random.default_rng(seed), n, recipe.data), recipe.data


def test_labels_are_what_a_plain_loop_finds():
    trace, data = simulated()
    for row in range(len(trace)):
        found = first_violation(operations_of(trace, row), data.read_offset_limit)
        expected = (int(trace.violation_index[row]), CODES[trace.violation_code[row]]) if trace.invalid[row] else None
        assert found == expected


def test_exactly_one_violation_and_a_shared_prefix():
    trace, data = simulated()
    codes = RuleChecker(data).check(trace).codes
    assert ((codes != 0).sum(axis=1) == trace.invalid).all()
    valid, illegal = trace.take(slice(0, None, 2)), trace.take(slice(1, None, 2))
    assert (valid.pair == illegal.pair).all() and not valid.invalid.any() and illegal.invalid.all()
    for row, at in enumerate(illegal.violation_index):
        for name in ("op", "die", "plane", "block", "page"):
            one, other = getattr(valid, name)[row], getattr(illegal, name)[row]
            assert (one[:at] == other[:at]).all()
        # The operation keeps its type and its block; only the page is another one.
        assert valid.op[row, at] == illegal.op[row, at] and valid.page[row, at] != illegal.page[row, at]


def test_strategies_are_equal_in_number_and_do_what_they_say():
    trace, data = simulated(n=300, strategies=["page_hop", "overwrite", "read_unwritten", "stale_read"])
    assert np.bincount(trace.strategy[trace.invalid]).tolist() == [0, 0, 75, 75, 75, 75]
    illegal = trace.take(trace.invalid)
    rows = np.arange(len(illegal))
    op, page = illegal.op[rows, illegal.violation_index], illegal.page[rows, illegal.violation_index]
    slots = illegal.slots()
    frontier = np.zeros(len(illegal), int)
    for row in rows:  # w, counted by hand
        for t in range(illegal.violation_index[row]):
            if slots[row, t] == slots[row, illegal.violation_index[row]]:
                if illegal.op[row, t] == ERASE:
                    frontier[row] = 0
                elif illegal.op[row, t] == PROGRAM:
                    frontier[row] += 1
    ahead = page - frontier
    assert (op[np.isin(illegal.strategy, (PAGE_HOP, OVERWRITE))] == PROGRAM).all()
    assert (op[np.isin(illegal.strategy, (READ_UNWRITTEN, STALE_READ))] == READ).all()
    assert set(ahead[illegal.strategy == PAGE_HOP]) == {1, 2, 3}
    assert set(ahead[illegal.strategy == READ_UNWRITTEN]) == {0, 1, 2, 3}
    assert ahead[illegal.strategy == STALE_READ].max() == -1 - data.read_offset_limit
    assert ahead[illegal.strategy == OVERWRITE].max() < 0


def test_sequences_begin_with_the_erases_of_different_blocks():
    trace, data = simulated(num_blocks=4, geometry={"dies": 1, "planes": 1, "blocks": 5, "pages": 100})
    assert (trace.op[:, :4] == ERASE).all()
    assert all(len(set(row)) == 4 for row in trace.block[:, :4].tolist())
    assert trace.block.max() == 4 and trace.op.shape[1] == data.seq_len


def test_addresses_cover_the_geometry():
    trace, _ = simulated(n=2000)
    assert (trace.die.max(), trace.plane.max()) == (1, 3)
    assert trace.block.min() < 5 and trace.block.max() > 994


def test_same_seed_same_data_and_workers_change_nothing(tmp_path, monkeypatch):
    recipe = NandRecipe().with_changes({"data": {"n_sequences": 400}})
    monkeypatch.setattr(sequences, "CHUNK", 50)
    contents = []
    for name, parallel in (("one", 1), ("two", 2)):
        folder = tmp_path / name
        folder.mkdir()
        real = joblib.Parallel
        monkeypatch.setattr(joblib, "Parallel", lambda n_jobs, real=real, p=parallel, **k: real(p, **k))
        sequences.simulate(recipe, folder, lambda done, total: None)
        monkeypatch.setattr(joblib, "Parallel", real)
        contents.append((folder / "trace.parquet").read_bytes())
    assert contents[0] == contents[1]
    other, _ = simulated(seed=1)
    assert not np.array_equal(simulated()[0].op, other.op)


def test_legacy_data_has_the_faults_of_the_prototype():
    """Label noise, most of it in page_hop, and a shortcut: a page of 50 or more gives read_unwritten away."""
    trace, data = simulated(n=3000, corruption="legacy", erase_rate=0.0)
    verdict = RuleChecker(data).check(trace)
    noise = ~verdict.invalid[trace.invalid]
    strategy = trace.strategy[trace.invalid]
    assert 0.05 < noise.mean() < 0.20
    assert 0.18 < noise[strategy == PAGE_HOP].mean() < 0.40
    far = (trace.page[trace.invalid] >= 50).any(axis=1)
    assert far[strategy == READ_UNWRITTEN].mean() > 0.95
    exact, _ = simulated(n=1000)
    assert (exact.page >= 50).mean() == 0


def test_rules_that_leave_no_room_are_refused():
    with pytest.raises(UserError, match="no stale_read fits into seq_len = 8"):
        simulated(seq_len=8, strategies=["stale_read"])


@pytest.mark.parametrize("order", ["strict", "monotonic", "any"])
def test_recordings_from_mid_life_are_the_ends_of_longer_sequences(order):
    kinds = ["overwrite", "read_unwritten", "stale_read"]
    small = {"geometry": {"pages": 8}, "seq_len": 20, "read_offset_limit": 2, "num_blocks": 2}
    trace, data = simulated(n=60, initial_state="unknown", program_order=order, strategies=kinds, **small)
    assert trace.op.shape == (120, 20) and (trace.op[:, 0] != ERASE).any()
    for row in range(len(trace)):
        found = first_violation_in_mid_life(operations_of(trace, row), 2, order, 8)
        assert (trace.violation_index[row] if trace.invalid[row] else None) == found
    codes = RuleChecker(data).check(trace).codes
    assert ((codes != 0).sum(axis=1) == trace.invalid).all()
    from_the_start = RuleChecker(data.model_copy(update={"initial_state": "not_erased"})).check(trace)
    assert from_the_start.invalid.mean() > 0.9, "the same recordings, had nothing happened before"


def test_sequences_on_erased_blocks_need_no_erase():
    trace, data = simulated(n=60, initial_state="erased")
    legal = trace.take(~trace.invalid)
    assert (legal.op[:, 0] == PROGRAM).mean() > 0.8 and not RuleChecker(data).check(legal).invalid.any()
