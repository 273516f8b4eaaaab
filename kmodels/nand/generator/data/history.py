"""What a trace has shown of its blocks so far: facts, of which no rule and no limit of the device is a part."""

import numpy as np

from kmodels.nand.data.records import ERASE, PROGRAM, READ, Trace

FLAGS = 2  # beside the pages of a block: it has occurred; it has been erased


class BlockHistory:
    """The history of the blocks of n sequences, side by side.

    The write pointer w of a block is one past the highest page that it was seen to hold since its last erase: 0 behind
    an erase, -1 where the block has not occurred. It is seen to hold a page once that is programmed, or read before
    anything was erased or programmed there.

    Parameters
    ----------
    n, slots : int
        Sequences, and blocks of each.
    reach : int
        Pages behind w that are kept.
    """

    def __init__(self, n: int, slots: int, reach: int):
        self.n, self.slots, self.reach = n, slots, reach
        self._base = np.arange(n) * slots
        self._frontier = np.full(n * slots, -1)
        self._is_written = np.zeros(n * slots, bool)
        self._is_erased = np.zeros(n * slots, bool)
        self._held = np.zeros((n * slots, reach), bool)  # page w - 1 - k of each block

    def frontier(self, slot: np.ndarray) -> np.ndarray:
        """Return w of one block of each sequence, slot (n,) -> (n,)."""
        return self._frontier[self._base + slot]

    def pages(self) -> np.ndarray:
        """Return (n, slots, FLAGS + reach) 0/1: the flags of each block, and whether it holds page w - 1, w - 2, ..."""
        parts = (self._frontier[:, None] >= 0, self._is_erased[:, None], self._held)
        return np.concatenate(parts, axis=1).astype("uint8").reshape(self.n, self.slots, -1)

    def holds(self, slot: np.ndarray, page: np.ndarray) -> np.ndarray:
        """Say whether one block of each sequence is seen to hold a page, (n,) each; False beyond the reach."""
        at = self._base + slot
        back = self._frontier[at] - 1 - page
        return self._held[at, np.clip(back, 0, self.reach - 1)] & (back >= 0) & (back < self.reach)

    def step(self, op: np.ndarray, slot: np.ndarray, page: np.ndarray) -> None:
        """Take in one operation of each sequence, (n,) each."""
        at = self._base + slot
        shows = (op == PROGRAM) | ((op == READ) & ~self._is_written[at])
        erases = op == ERASE
        before = self._frontier[at]
        after = np.where(erases, 0, np.where(shows, np.maximum(before, page + 1), before))
        moved = np.where(before < 0, self.reach, after - before)[:, None]
        old = np.arange(self.reach) - moved  # where a page stood before
        held = np.take_along_axis(self._held[at], np.clip(old, 0, self.reach - 1), axis=1) & (old >= 0)
        held |= shows[:, None] & (np.arange(self.reach) == (after - 1 - page)[:, None])
        self._held[at] = held & ~erases[:, None]
        self._frontier[at] = after
        self._is_erased[at] |= erases
        self._is_written[at] |= erases | (op == PROGRAM)


def replay_history(trace: Trace, slots: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Step through n sequences of at most `slots` blocks.

    Returns
    -------
    frontier : ndarray of int, shape (n, time)
        w of its block before each operation.
    pages : ndarray of uint8, shape (n, time, slots, FLAGS + reach)
        `BlockHistory.pages` before each operation.
    """
    n, time = trace.op.shape
    history, slot = BlockHistory(n, slots, reach), trace.slots()
    frontier = np.empty((n, time), int)
    pages = np.empty((n, time, slots, FLAGS + reach), "uint8")
    for t in range(time):
        frontier[:, t], pages[:, t] = history.frontier(slot[:, t]), history.pages()
        history.step(trace.op[:, t], slot[:, t], trace.page[:, t])
    return frontier, pages
