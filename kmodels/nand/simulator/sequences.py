"""Pairs of command sequences: a legal one, and its counterpart with exactly one proven violation.

A legal sequence erases each of its blocks, then samples random legal operations. Its counterpart keeps the operations
before a random place, breaks one rule there, and goes on with random legal operations from the state that the device is
then in (an illegal operation changes nothing). The rules confirm each pair; one that they do not confirm is sampled
again. Recordings that begin in mid-life are the ends of longer sequences.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kmodels.core.io import parallel
from kmodels.core.spec.errors import UserError
from kmodels.nand.data.records import (
    CODES,
    ERASE,
    NONE,
    OVERWRITE,
    PAGE_HOP,
    PROGRAM,
    READ,
    READ_UNWRITTEN,
    STALE_READ,
    Trace,
)
from kmodels.nand.data.rules import Device, RecordedDevice, RuleChecker, first_violations, violation_codes

SIMULATION = 2  # raise it when the same recipe gives other data: cached data is then made again
CHUNK = 4096  # pairs sampled together; each chunk has a random stream of its own, so workers change nothing
MOST_ROUNDS = 200  # of sampling again; the default device needs about 5
LONGEST_HOP = 3  # pages
SKIPS = 0.2  # share of programs that leave pages out, where the order lets them
FILLS = 0.5  # share of programs that try a page behind w, where the order lets them
FARTHEST_HOLE = 8  # pages behind w that such a program reaches back


def simulate(recipe, folder: Path, report) -> dict[str, str]:
    """Write `trace.parquet` with recipe.data.n_sequences sequences; a part's file is called after its first one.

    Parameters
    ----------
    recipe : NandRecipe or GeneratorRecipe
        Its data section and seed.
    folder : Path
        Where the file goes.
    report : callable
        report(done, total) shows the progress.

    Returns
    -------
    dict of str to str
        The number of sequences and the rates on one core.

    Raises
    ------
    UserError
        When the recipe's rules leave no room for a strategy.
    """
    n_pairs = recipe.data.n_sequences // 2
    chunks = [min(CHUNK, n_pairs - start) for start in range(0, n_pairs, CHUNK)]
    streams = parallel.streams(recipe.seed, len(chunks))
    started = time.perf_counter()
    # Worker processes cost a second to start: worth it only for long simulations.
    own = parallel.of_this_part(range(len(chunks)))
    jobs = ((np.random.default_rng(streams[k]), chunks[k], recipe.data) for k in own)
    parts = []
    for part in parallel.run(sample_pairs, jobs, len(own) > 32):
        parts.append(part)
        report(len(parts), len(own))
    trace, first = joined(parts), 2 * CHUNK * own[0]
    trace = replace(trace, name=trace.name + first, pair=trace.pair + first // 2)
    simulated = time.perf_counter()
    RuleChecker(recipe.data).check(trace)
    checked = time.perf_counter()
    whole = len(own) == len(chunks)
    trace.frame().to_parquet(folder / ("trace.parquet" if whole else f"trace-{first:09d}.parquet"), index=False)
    return {
        "sequences": f"{len(trace)}",
        "simulator": f"{len(trace) / (simulated - started):,.0f} sequences/s",
        "rule checker": f"{len(trace) / (checked - simulated):,.0f} sequences/s",
    }


def joined(parts: list[Trace]) -> Trace:
    """Concatenate traces of one length, named 0, 1, 2, ...; two in a row are a pair."""
    given = [f for f in Trace.__dataclass_fields__ if getattr(parts[0], f) is not None]
    names = [f for f in given if f not in ("name", "pair")]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    n = len(arrays["op"])
    return Trace(**arrays, name=np.arange(n), pair=np.arange(n) // 2)


def sample_pairs(rng: np.random.Generator, n: int, data) -> Trace:
    """Sample pairs of a valid sequence and its corrupted counterpart, the strategies in equal numbers.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    n : int
        Pairs.
    data : Data
        A recipe's data section. Under `corruption: legacy` the second of a pair is labelled invalid unchecked.

    Returns
    -------
    Trace
        2n sequences, valid and corrupted in turn.

    Raises
    ------
    UserError
        When the rules leave no room for a strategy.
    """
    corrupted = _legacy_corruption if data.corruption == "legacy" else _one_violation_each
    waiting = np.resize([CODES.index(name) for name in data.strategies], n)
    pairs = []
    for _ in range(MOST_ROUNDS):
        blocks = distinct_blocks(rng, len(waiting), data)
        reads = _read_rates(rng, len(waiting), data)
        valid = _roll_out(rng, reads, data)
        illegal, index, confirmed = corrupted(rng, valid, waiting, reads, data)
        recorded = (rolled.recorded(data) for rolled in (valid, illegal))
        pairs.append(_pairs(*recorded, blocks, waiting, index - unrecorded(data), confirmed, data))
        waiting = waiting[~confirmed]
        if not len(waiting):
            return joined(pairs)
    names = ", ".join(sorted({CODES[code] for code in waiting}))
    raise UserError(
        f"data: no {names} fits into seq_len = {data.seq_len} with num_blocks = {data.num_blocks} and "
        f"read_offset_limit = {data.read_offset_limit}: make sequences longer, or leave it out of strategies"
    )


@dataclass(frozen=True)
class _Rolled:
    """n sequences rolled out on devices, time first: (seq_len, n) arrays, and the state before each operation."""

    op: np.ndarray
    slot: np.ndarray
    page: np.ndarray
    frontier: np.ndarray
    written: np.ndarray

    def recorded(self, data) -> "_Rolled":
        """Cut off what happened before the recording begins."""
        return _Rolled(*(getattr(self, name)[unrecorded(data) :] for name in self.__dataclass_fields__))


def unrecorded(data) -> int:
    """Count the operations of a device's life before its recording begins: as many as are recorded, or none."""
    return data.seq_len if data.initial_state == "unknown" else 0


def _read_rates(rng, n, data) -> np.ndarray:
    """Sample the share of reads of n sequences; both of a pair have the same, or it would tell them apart."""
    low, high = data.read_rate
    return np.full(n, low) if low == high else rng.uniform(low, high, n)


def _roll_out(rng, reads, data, replay=None, until=None) -> _Rolled:
    """Step devices through random legal operations; or follow `replay` up to and including step until[i] first.

    reads: (n,) share of reads of each.
    """
    device = Device(len(reads), data.num_blocks, data)
    steps = []
    for t in range(data.seq_len + unrecorded(data)):
        operation = _sample_operation(rng, device, reads, data, t)
        if replay is not None:
            old = (replay.op[t], replay.slot[t], replay.page[t])
            operation = tuple(np.where(t <= until, o, new) for o, new in zip(old, operation, strict=True))
        steps.append((*operation, *device.step(*operation)))
    return _Rolled(*(np.stack(part) for part in zip(*steps, strict=True)))


def _one_violation_each(rng, valid, strategy, reads, data):
    """Break one rule in each: (rolled, its index (n,), whether the rules confirm that it is the only one (n,))."""
    index, possible = _choose_place(rng, valid, strategy, data)
    here = (index, np.arange(len(index)))
    page = valid.page.copy()
    page[here] = _illegal_page(rng, valid.frontier[here], strategy, data)
    illegal = _roll_out(rng, reads, data, replay=replace(valid, page=page), until=index)
    checked = first_violations(_codes(illegal.recorded(data), data).T)
    single = (checked.codes != NONE).sum(axis=1) == 1
    agrees = (checked.violation_index == index - unrecorded(data)) & (checked.violation_code == strategy)
    return illegal, index, possible & single & agrees


def _codes(rolled: _Rolled, data) -> np.ndarray:
    """Name the rule that each recorded operation breaks: (time, n)."""
    if data.initial_state != "unknown":
        return violation_codes(rolled.op, rolled.page, rolled.frontier, rolled.written, data)
    device = RecordedDevice(rolled.op.shape[1], data.num_blocks, data)
    return np.stack([device.step(*each) for each in zip(rolled.op, rolled.slot, rolled.page, strict=True)])


def _legacy_corruption(rng, valid, strategy, reads, data):
    """Corrupt as the prototype does, with its faults: the operation at a random place gets another page, unchecked.

    Some of the labels are wrong, and large pages give read_unwritten away.
    """
    n = valid.op.shape[1]
    index = rng.integers(data.num_blocks, data.seq_len, n)
    here = (index, np.arange(n))
    frontier, old = valid.frontier[here], valid.page[here]
    unwritten = frontier + _below(rng, data.geometry.pages - frontier)
    stale = frontier - 1 - data.read_offset_limit
    new = np.select([strategy == PAGE_HOP, strategy == STALE_READ], [old + 1, stale], unwritten)
    page = valid.page.copy()
    page[here] = np.where(old < 0, old, np.minimum(new, data.geometry.pages - 1))
    # The prototype has no way back below page 0: it takes another place for such a sequence.
    return replace(valid, page=page), index, (strategy != STALE_READ) | (stale >= 0)


def _sample_operation(rng, device, reads, data, t):
    """Sample a legal operation for each device, (op, slot, page); the first ones erase blocks that are not erased."""
    n = device.n
    if t < data.num_blocks and data.initial_state != "erased":
        return np.full(n, ERASE), np.full(n, t), np.full(n, -1)
    slot = rng.integers(data.num_blocks, size=n)
    frontier = device.frontier(slot)
    u = rng.random(n)
    op = np.where(u < data.erase_rate, ERASE, np.where(u < data.erase_rate + reads, READ, PROGRAM))
    op[(op == READ) & (frontier == 0)] = PROGRAM
    op[(op == PROGRAM) & (frontier == data.geometry.pages)] = READ
    page = np.where(op == PROGRAM, _programmable(rng, device, slot, data), _readable(rng, device, slot, frontier, data))
    page[op == ERASE] = -1
    return op, slot, page


def _programmable(rng, device, slot, data):
    """Choose a page that may be programmed: w; under the looser orders also one further, under `any` also a hole."""
    frontier = device.frontier(slot)
    if data.program_order == "strict":
        return frontier
    skip = np.where(rng.random(len(frontier)) < SKIPS, rng.integers(1, LONGEST_HOP + 1, len(frontier)), 0)
    ahead = np.minimum(frontier + skip, data.geometry.pages - 1)
    if data.program_order == "monotonic":
        return ahead
    behind = frontier - 1 - _below(rng, np.minimum(frontier, FARTHEST_HOLE))
    fills = (rng.random(len(frontier)) < FILLS) & (frontier > 0) & ~device.is_written(slot, behind)
    return np.where(fills, behind, ahead)


def _readable(rng, device, slot, frontier, data):
    """Choose one of the last `read_offset_limit` pages; where that one was skipped, the last page written."""
    page = frontier - 1 - _below(rng, np.minimum(frontier, data.read_offset_limit))
    if data.program_order == "strict":
        return page
    return np.where(device.is_written(slot, page), page, frontier - 1)


def _below(rng, limit):
    """Sample an integer in 0 .. limit - 1 for each limit; 0 where the limit is not positive."""
    return (rng.random(len(limit)) * np.maximum(limit, 1)).astype("int32")


def _choose_place(rng, valid, strategy, data):
    """Choose an operation of the right type at which the strategy can break its rule: (index, whether there is one)."""
    op, frontier, last = valid.op, valid.frontier, data.geometry.pages - 1
    rules = {
        PAGE_HOP: (op == PROGRAM) & (frontier < last),
        OVERWRITE: (op == PROGRAM) & (frontier > 0),
        READ_UNWRITTEN: (op == READ) & (frontier <= last),
        STALE_READ: (op == READ) & (frontier > data.read_offset_limit),
    }
    fits = np.zeros(op.shape, bool)
    for code, rule in rules.items():
        fits |= rule & (strategy == code)
    fits[: unrecorded(data)] = False
    index = np.where(fits, rng.random(op.shape), -1.0).argmax(axis=0)
    return index, fits.any(axis=0)


def _illegal_page(rng, frontier, strategy, data):
    """Choose the page that breaks the rule, given w: w+1..w+3, 0..w-1, w..w+3 or 0..w-1-L.

    Where pages may be left out, every other unwritten page lies behind w, if there is one: the rules decide.
    """
    n = len(frontier)
    hop = frontier + rng.integers(1, LONGEST_HOP + 1, n)
    unwritten = frontier + rng.integers(0, LONGEST_HOP + 1, n)
    if data.program_order != "strict":
        left_out = frontier - 1 - _below(rng, np.minimum(frontier, data.read_offset_limit))
        unwritten = np.where(rng.random(n) < 0.5, left_out, unwritten)
    below = _below(rng, frontier)
    stale = _below(rng, frontier - data.read_offset_limit)
    page = np.select(
        [strategy == code for code in (PAGE_HOP, OVERWRITE, READ_UNWRITTEN, STALE_READ)], [hop, below, unwritten, stale]
    )
    return np.minimum(page, data.geometry.pages - 1)


def distinct_blocks(rng, n, data):
    """Sample different block numbers: (n, num_blocks), each row in random order."""
    total = data.geometry.dies * data.geometry.planes * (data.geometry.blocks - data.geometry.first_block)
    blocks = rng.integers(total, size=(n, data.num_blocks))
    while True:
        in_order = np.sort(blocks, axis=1)
        again = (in_order[:, 1:] == in_order[:, :-1]).any(axis=1)
        if not again.any():
            return blocks
        if data.num_blocks * data.num_blocks > total:  # collisions are the rule: shuffle instead
            return rng.permuted(np.broadcast_to(np.arange(total), (n, total)), axis=1)[:, : data.num_blocks]
        blocks[again] = rng.integers(total, size=(int(again.sum()), data.num_blocks))


def _pairs(valid, illegal, blocks, strategy, index, rows, data) -> Trace:
    """Make a labelled trace of the confirmed `rows`, valid and corrupted in turn."""
    nothing = np.full(len(index), NONE)
    parts = []
    for rolled, invalid, code, at in ((valid, False, nothing, nothing - 1), (illegal, True, strategy, index)):
        part = on_blocks(rolled.op, rolled.slot, rolled.page, blocks, data)
        labels = {
            "invalid": np.full(len(index), invalid),
            "violation_code": code,
            "strategy": code,
            "violation_index": at,
        }
        parts.append(replace(part, **labels).take(rows))
    order = np.arange(2 * len(parts[0])).reshape(2, -1).T.ravel()
    return joined(parts).take(order)


def on_blocks(op, slot, page, blocks, data) -> Trace:
    """Place sequences of slots, time first, (time, n) each, on blocks of these numbers, (n, num_blocks)."""
    slot = slot.T
    first = data.geometry.first_block
    parts = np.unravel_index(blocks, (data.geometry.dies, data.geometry.planes, data.geometry.blocks - first))
    die, plane, block = (np.take_along_axis(part.astype("int32"), slot, axis=1) for part in parts)
    block += first
    number = np.arange(len(slot))
    addresses = {"die": die, "plane": plane, "block": block, "page": page.T.astype("int32")}
    return Trace(op=op.T.astype("int8"), **addresses, name=number, pair=number)
