"""What a generator believes to be legal: page offsets of programs and reads whose surprise is not above its threshold.

A read's offset is said as people say it, in pages behind the last one written, w - 1 - page: a device's limit L lets
reads reach back 0 .. L - 1. A program's is page - w, so 0 is the next page in order.
"""

from dataclasses import dataclass

import numpy as np

from kmodels.nand.data.records import ERASE, OPERATIONS, PAD, PROGRAM, READ, Trace
from kmodels.nand.generator.data.encode import Vocabulary
from kmodels.nand.generator.data.history import BlockHistory


def said_offset(op: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Turn page - w into the offset as it is said: pages behind the last one for a read, page - w for a program."""
    return np.where(op == READ, -1 - offset, offset)


def explain(vocabulary: Vocabulary, token: int, is_believed: np.ndarray) -> str:
    """Say why an operation is suspected.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of the model.
    token : int
        The operation's.
    is_believed : ndarray of bool, shape (size,)
        Which tokens the model believes to be legal in that place.

    Returns
    -------
    str
        `read at offset 7, believed legal 0..4`.
    """
    op, slot = vocabulary.op[token], vocabulary.slot[token]
    name = OPERATIONS[op]
    if op == ERASE:
        return "erase, not expected here"
    same = (vocabulary.op == op) & (vocabulary.slot == slot) & is_believed & vocabulary.has_offset
    legal = intervals(said_offset(op, vocabulary.offset[same]))
    if not vocabulary.has_offset[token]:
        return f"{name} in a block not seen before, believed legal {legal}"
    at, farthest = int(said_offset(op, vocabulary.offset[token])), vocabulary.offset[token] in vocabulary.program
    return f"{name} at offset {at}{' or farther' if farthest else ''}, believed legal {legal}"


def intervals(numbers) -> str:
    """Write integers as intervals, `-3, 0..4`; `nowhere` for none."""
    numbers = np.unique(numbers)
    if not len(numbers):
        return "nowhere"
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


@dataclass(frozen=True)
class Beliefs:
    """Where a model believes programs and reads to be legal, over the states that legal traces reached.

    Parameters
    ----------
    offset : ndarray of int, shape (offsets,)
        page - w, from the lowest to the highest that the model tells apart.
    share : dict of str to ndarray
        "read", "read unwritten", "program" and "program written": in which share of the states where the page at each
        offset exists, and is written or not, that operation's surprise is not above the threshold; NaN where there was
        no such state. The plain names are reads of written pages and programs of unwritten ones.
    """

    offset: np.ndarray
    share: dict[str, np.ndarray]

    def believed(self, name: str) -> np.ndarray:
        """Give the offsets, as they are said, that are believed to be legal in most states, in order."""
        with np.errstate(invalid="ignore"):
            offsets = self.offset[self.share[name] > 0.5]
        return np.sort(said_offset(READ if name.startswith("read") else PROGRAM, offsets))

    @property
    def read_offset_limit(self) -> int:
        """How many pages behind the last one, that one included, may be read without a gap."""
        believed = set(self.believed("read").tolist())
        return next(k for k in range(len(self.offset) + 1) if k not in believed)

    @property
    def program_order(self) -> str:
        """The order of programs that the believed offsets are those of."""
        offsets = self.believed("program")
        if (offsets < 0).any():
            return "any"
        return "monotonic" if (offsets > 0).any() else "strict"


def extract(vocabulary: Vocabulary, trace: Trace, is_believed: np.ndarray, pages: int) -> Beliefs:
    """Collect what a model believes in every state that legal traces reached.

    Parameters
    ----------
    vocabulary : Vocabulary
        Of the model, an open one.
    trace : Trace
        n legal sequences.
    is_believed : ndarray of bool, shape (n, time, size)
        Whether the surprise of a token in the place of each operation is not above the threshold.
    pages : int
        Of a block.
    """
    low, high = vocabulary.program
    offset = np.arange(low, high + 1)
    names = ("read unwritten", "read", "program", "program written")
    seen, legal = ({name: np.zeros(len(offset)) for name in names} for _ in range(2))
    history, slot = BlockHistory(len(trace), vocabulary.slots, -low), trace.slots()
    words = {op: vocabulary.word(np.full(len(offset), op), offset) for op in (PROGRAM, READ)}
    for t in range(trace.op.shape[1]):
        for block in range(vocabulary.slots):
            at = np.full(len(trace), block)
            w = history.frontier(at)[:, None]
            known = (trace.op[:, t] != PAD)[:, None] & (w >= 0) & (w + offset >= 0) & (w + offset < pages)
            held = np.stack([history.holds(at, w[:, 0] + o) for o in offset], axis=1)
            for op, word in words.items():
                believed = is_believed[:, t, block * vocabulary.words + word]
                for written in (False, True):
                    name = names[2 * (op == PROGRAM) + written]
                    counts = known & (held == written)
                    seen[name] += counts.sum(axis=0)
                    legal[name] += (believed & counts).sum(axis=0)
        history.step(trace.op[:, t], slot[:, t], trace.page[:, t])
    with np.errstate(invalid="ignore"):
        return Beliefs(offset, {name: legal[name] / seen[name] for name in names})
