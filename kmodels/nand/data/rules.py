"""The rules of the device, vectorised: n independent devices step through their sequences side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kmodels.core.io.rows import Appended
from kmodels.nand.data.records import (
    ERASE,
    NONE,
    NOT_ERASED,
    OVERWRITE,
    PAGE_HOP,
    PROGRAM,
    READ,
    READ_UNWRITTEN,
    STALE_READ,
    Trace,
)

BATCH = 4096  # sequences checked together: their state stays in the processor's cache
LARGEST_BITMAP = 1 << 28  # bytes that a batch's maps of written pages may take


class Device:
    """The state of n devices, each with `slots` blocks.

    The frontier w of a block is one past the highest page written since its erase, -1 while it is not erased. Under
    `strict` order the pages 0 .. w-1 are written; for the other orders a map of the written pages is kept.

    Parameters
    ----------
    n : int
        Devices.
    slots : int
        Blocks of each device.
    rules
        Anything with `geometry`, `read_offset_limit`, `program_order` and `initial_state`, such as a recipe's data
        section. Blocks are erased at the start where that is its initial state, else they are not.
    """

    def __init__(self, n: int, slots: int, rules):
        self.n, self.rules = n, rules
        self._base = np.arange(n) * slots
        self._frontier = np.full(n * slots, 0 if rules.initial_state == "erased" else -1, "int32")
        self._written = None
        if rules.program_order != "strict":
            self._written = np.zeros((n * slots, rules.geometry.pages), bool)

    def frontier(self, slot: np.ndarray) -> np.ndarray:
        """Return w of one block of each device, slot (n,) -> (n,); of k blocks of each, (k, 1) or (k, n) -> (k, n)."""
        return self._frontier[self._base + slot]

    def is_written(self, slot: np.ndarray, page: np.ndarray) -> np.ndarray:
        """Say whether a page of one block of each device is written, (n,) bool; of k blocks of each, (k, n).

        Page -1, of an erase, means nothing here.
        """
        if self._written is None:
            return page < self.frontier(slot)
        return self._written[self._base + slot, np.maximum(page, 0)]

    def codes(self, op: np.ndarray, slot: np.ndarray, page: np.ndarray) -> np.ndarray:
        """Name the rule that operations would break, one a device or k a device: (n,) or (k, n) each."""
        return violation_codes(op, page, self.frontier(slot), self.is_written(slot, page), self.rules)

    def step(self, op: np.ndarray, slot: np.ndarray, page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply one operation to each device; an illegal one leaves the state unchanged.

        Parameters
        ----------
        op, slot, page : ndarray of int, shape (n,)
            The operation, the number of its block and its page.

        Returns
        -------
        frontier : ndarray of int, shape (n,)
            w of the block before the operation.
        written : ndarray of bool, shape (n,)
            Whether the page was written before the operation.
        """
        at = self._base + slot
        before = self._frontier[at]
        written = self.is_written(slot, page)
        programs = op == PROGRAM
        # A program is legal at w alone (strict), from w on (monotonic), or wherever nothing is written (any).
        if self._written is None:
            programs &= page == before
        else:
            programs &= (before >= 0) & (~written if self.rules.program_order == "any" else page >= before)
            self._remember(at, op, page, programs)
        after = np.where(programs, np.maximum(before, page + 1), before)
        self._frontier[at] = np.where(op == ERASE, 0, after)
        return before, written

    def _remember(self, at, op, page, programs):
        """Keep the map of written pages."""
        self._written[at[op == ERASE]] = False
        self._written[at[programs], page[programs]] = True


class RecordedDevice:
    """What is known of n devices whose recording begins in mid-life: every state that they may be in.

    Before its first erase in the trace a block may hold any pages. An operation is legal if it is in one of these
    states, and leaves those in which it is. Of a block the possible w are an interval, lowest to highest; the pages
    below `unknown` may be written or not, the others are where the trace shows it.

    Parameters
    ----------
    n, slots, rules
        As of a Device.
    """

    def __init__(self, n: int, slots: int, rules):
        self.n, self.rules = n, rules
        self._base, pages = np.arange(n) * slots, rules.geometry.pages
        self._lowest, self._highest, self._unknown = np.zeros(n * slots, int), *np.full((2, n * slots), pages)
        self._written = None if rules.program_order == "strict" else np.zeros((n * slots, pages), bool)

    def frontier(self, slot: np.ndarray) -> np.ndarray:
        """Return the lowest possible w of one block of each device, slot (n,) -> (n,)."""
        return self._lowest[self._base + slot]

    def codes(self, op: np.ndarray, slot: np.ndarray, page: np.ndarray) -> np.ndarray:
        """Name the rule that operations would break in every possible state: (n,) or (k, n) each."""
        at, order = self._base + slot, self.rules.program_order
        low, high = self._lowest[at], self._highest[at]
        is_written = page < high  # in one of the states
        if order == "strict":
            program = np.where(page < low, OVERWRITE, np.where(page > high, PAGE_HOP, NONE))
        else:
            shown = self._written[at, np.maximum(page, 0)]
            is_written &= shown | (page < self._unknown[at])
            program = np.where(shown if order == "any" else page < low, OVERWRITE, NONE)
        stale = low - 1 - page >= self.rules.read_offset_limit
        read = np.where(is_written, np.where(stale, STALE_READ, NONE), READ_UNWRITTEN)
        return np.where(op == PROGRAM, program, np.where(op == READ, read, NONE)).astype("int8")

    def step(self, op: np.ndarray, slot: np.ndarray, page: np.ndarray) -> np.ndarray:
        """Take in one operation of each device, (n,) each; return the codes, (n,). An illegal one tells nothing."""
        codes, at = self.codes(op, slot, page), self._base + slot
        low, high = self._lowest[at], self._highest[at]
        legal = codes == NONE
        erases, programs, reads = (legal & (op == kind) for kind in (ERASE, PROGRAM, READ))
        keeps_order = self.rules.program_order != "any"
        unknown = np.minimum(self._unknown[at], high)
        self._unknown[at] = np.where(erases, 0, np.where(programs & keeps_order, np.minimum(unknown, page), unknown))
        low = np.where(programs | reads, np.maximum(low, page + 1), low)
        reach = np.minimum(high, page + self.rules.read_offset_limit)
        after = page + 1 if keeps_order else np.maximum(high, page + 1)
        self._highest[at] = np.select([erases, programs, reads], [0, after, reach], high)
        self._lowest[at] = np.where(erases, 0, low)
        if self._written is not None:
            self._written[at[erases]] = False
            shows = programs | reads
            self._written[at[shows], page[shows]] = True
        return codes


def make_device(n: int, slots: int, rules) -> Device | RecordedDevice:
    """Make n devices in the initial state of the rules."""
    return (RecordedDevice if rules.initial_state == "unknown" else Device)(n, slots, rules)


def violation_codes(op, page, frontier, written, rules) -> np.ndarray:
    """Name the rule that each operation breaks, given the state before it.

    program p is legal when the block is erased and p == w (strict), p >= w (monotonic) or p is not written (any).
    read p is legal when p is written and w - 1 - p < read_offset_limit.

    Parameters
    ----------
    op, page : ndarray of int
        The operations, in any shape.
    frontier, written : ndarray
        w of the operation's block and whether its page is written, before the operation; of the same shape.
    rules
        Anything with `read_offset_limit` and `program_order`.

    Returns
    -------
    ndarray of int8
        Codes of the same shape; NONE for legal operations, for erases and for PAD.
    """
    if rules.program_order == "strict":
        program = np.where(page > frontier, PAGE_HOP, np.where(written, OVERWRITE, NONE))
    else:
        behind = written if rules.program_order == "any" else page < frontier
        program = np.where(behind, OVERWRITE, NONE)
    program = np.where(frontier < 0, NOT_ERASED, program)
    stale = frontier - 1 - page >= rules.read_offset_limit
    read = np.where(written, np.where(stale, STALE_READ, NONE), READ_UNWRITTEN)
    return np.where(op == PROGRAM, program, np.where(op == READ, read, NONE)).astype("int8")


@dataclass(frozen=True)
class Violations:
    """The violations of n sequences.

    Parameters
    ----------
    codes : ndarray of int, shape (n, time)
        The rule that each operation breaks, an index of CODES; NONE where it is legal.
    violation_index : ndarray of int, shape (n,)
        The step of the first violation; -1 where there is none.
    violation_code : ndarray of int, shape (n,)
        The code of the first violation; NONE where there is none.
    """

    codes: np.ndarray
    violation_index: np.ndarray
    violation_code: np.ndarray

    @property
    def invalid(self) -> np.ndarray:
        """(n,) bool: whether any operation breaks a rule."""
        return self.violation_index >= 0


@dataclass(frozen=True)
class RuleChecker:
    """Check sequences against the rules of the device, exactly.

    Parameters
    ----------
    rules
        Anything with `geometry`, `read_offset_limit` and `program_order`, such as a recipe's data section.
    """

    rules: Any

    def check(self, trace: Trace) -> Violations:
        """Find the violations of every sequence."""
        codes, index, code = Appended(), Appended(), Appended()
        for some in trace.blocks():
            found = first_violations(replay(trace.read(some), self.rules)[0])
            codes.append(found.codes)
            index.append(found.violation_index)
            code.append(found.violation_code)
        return Violations(codes.array(), np.asarray(index.array()), np.asarray(code.array()))


def replay(trace: Trace, rules) -> tuple[np.ndarray, np.ndarray]:
    """Step through every sequence.

    Returns
    -------
    codes : ndarray of int, shape (n, time)
        The rule that each operation breaks.
    frontier : ndarray of int, shape (n, time)
        The next page w of its block before the operation, the lowest possible one where the recording begins in
        mid-life; -1 where the block is not erased.
    """
    parts = [_replayed(trace.take(slice(start, start + BATCH)), rules) for start in range(0, len(trace), BATCH)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _replayed(trace: Trace, rules) -> tuple[np.ndarray, np.ndarray]:
    """Replay a batch; halve it when its maps of written pages would take too much memory."""
    slot = trace.slots()
    n, n_slots = len(trace), int(slot.max(initial=0)) + 1
    if rules.program_order != "strict" and n > 1 and n * n_slots * rules.geometry.pages > LARGEST_BITMAP:
        halves = [_replayed(trace.take(half), rules) for half in (slice(0, n // 2), slice(n // 2, n))]
        return tuple(np.concatenate(part) for part in zip(*halves, strict=True))
    # Time first: each step then reads and writes memory in a row.
    op, slot, page = (np.ascontiguousarray(part.T) for part in (trace.op, slot, trace.page))
    if rules.initial_state == "unknown":
        return _recorded(op, slot, page, RecordedDevice(n, n_slots, rules))
    device = Device(n, n_slots, rules)
    states = [device.step(op[t], slot[t], page[t]) for t in range(len(op))]
    frontier, written = (np.stack(part) for part in zip(*states, strict=True))
    return violation_codes(op, page, frontier, written, rules).T, frontier.T


def _recorded(op, slot, page, device: RecordedDevice) -> tuple[np.ndarray, np.ndarray]:
    """Replay a batch, time first, on devices of which nothing is known at first."""
    steps = [(device.frontier(slot[t]), device.step(op[t], slot[t], page[t])) for t in range(len(op))]
    frontier, codes = (np.stack(part) for part in zip(*steps, strict=True))
    return codes.T, frontier.T


def first_violations(codes: np.ndarray) -> Violations:
    """Find the first violations from the codes of all operations, (n, time)."""
    broken = codes != NONE
    invalid = broken.any(axis=1)
    index = np.where(invalid, broken.argmax(axis=1), -1)
    code = np.where(invalid, np.take_along_axis(codes, np.maximum(index, 0)[:, None], 1)[:, 0], NONE)
    return Violations(codes, index, code)
