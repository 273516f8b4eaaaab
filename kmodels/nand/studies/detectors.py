"""What a generator network is compared with: detectors that learn from legal traces alone, without a network.

Each is given the words of `BlockWords`, in which the history of a block is told as its operations and their page
offsets, and gives the surprise -ln p of every operation.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from kmodels.nand.data.records import PAD, Trace
from kmodels.nand.generator.data.encode import Vocabulary, tokens
from kmodels.nand.generator.data.history import BlockHistory

UNSEEN = 0.01  # what every count begins with
RARE = 1e-3  # weight of the words' own shares in the automaton's probabilities: it has not seen every transition
ORDERS = (1, 2, 3, 4, 5)  # of the n-gram; the best on legal validation traces is taken
STRANDS = 3000  # blocks' histories that the automaton is learned from: its time grows faster than their number


@dataclass(frozen=True)
class BlockWords:
    """n sequences as words of their blocks.

    Parameters
    ----------
    word : ndarray of int, shape (n, time)
        Operation and page offset, -1 behind the end.
    slot : ndarray of int, shape (n, time)
        The block.
    held : ndarray of bool, shape (n, time)
        Whether the trace has shown that the operation's page is written.
    """

    word: np.ndarray
    slot: np.ndarray
    held: np.ndarray

    @classmethod
    def of(cls, trace: Trace, data, vocabulary: Vocabulary) -> "BlockWords":
        """Make them from a trace and the tokens of an open vocabulary."""
        token, slot = tokens(trace, data, vocabulary), trace.slots()
        history = BlockHistory(len(trace), vocabulary.slots, vocabulary.program[1])
        held = np.zeros(token.shape, bool)
        for t in range(token.shape[1]):
            held[:, t] = history.holds(slot[:, t], trace.page[:, t])
            history.step(trace.op[:, t], slot[:, t], trace.page[:, t])
        return cls(np.where(trace.op == PAD, -1, token % vocabulary.words), slot, held)

    def strands(self) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """List each block's words in order, and where in (n, time) they stand."""
        found = {}
        for row, step in zip(*np.nonzero(self.word >= 0), strict=True):
            words, places = found.setdefault((row, self.slot[row, step]), ([], []))
            words.append(int(self.word[row, step]))
            places.append((row, step))
        return list(found.values())


class SeenPairs:
    """How often each (operation, page offset) occurs; with `pages` apart by whether that page is written.

    A never seen one stands out: the interval of seen offsets, the strongest simple rule learner there is.

    Parameters
    ----------
    pages : bool
        Whether to tell written pages from unwritten ones.
    """

    def __init__(self, pages: bool):
        self.pages = pages

    def fit(self, train: BlockWords, validation: BlockWords, size: int) -> "SeenPairs":
        """Count."""
        self.counts = np.full(2 * size, UNSEEN)
        np.add.at(self.counts, self._key(train)[train.word >= 0], 1)
        return self

    def _key(self, words):
        return 2 * words.word + (words.held & self.pages)

    def surprise(self, words: BlockWords) -> np.ndarray:
        """Compute -ln of the share of each operation, 0 behind the end: (n, time)."""
        return np.where(words.word >= 0, -np.log(self.counts / self.counts.sum())[self._key(words)], 0.0)


class NGram:
    """An n-gram over the words of a block: each order falls back on the one below where it has seen little."""

    def fit(self, train: BlockWords, validation: BlockWords, size: int) -> "NGram":
        """Count all orders, and take the one that legal validation traces surprise least."""
        self.size, self.counts, self.totals = size, Counter(), Counter()
        for words, _ in train.strands():
            padded = (-1,) * max(ORDERS) + tuple(words)
            for end in range(max(ORDERS), len(padded)):
                for k in range(max(ORDERS)):
                    context = padded[end - k : end]
                    self.counts[context, padded[end]] += 1
                    self.totals[context] += 1
        nats = {}
        for self.order in ORDERS:
            nats[self.order] = self.surprise(validation).sum()
        self.order = min(nats, key=nats.get)
        return self

    def surprise(self, words: BlockWords) -> np.ndarray:
        """Compute -ln p(word | the words of its block before it), 0 behind the end: (n, time)."""
        found = np.zeros(words.word.shape)
        for strand, places in words.strands():
            padded = (-1,) * self.order + tuple(strand)
            for step, place in enumerate(places):
                end, p = step + self.order, 1 / self.size
                for k in range(self.order):
                    context = padded[end - k : end]
                    p = (self.counts[context, padded[end]] + p) / (self.totals[context] + 1)
                found[place] = -np.log(p)
        return found


class Automaton:
    """A probabilistic automaton over the words of a block, learned by ALERGIA as AALpy implements it.

    References
    ----------
    Carrasco and Oncina 1994, doi:10.1007/3-540-58473-0_144 (ALERGIA). Muskardin et al. 2022,
    doi:10.1007/s11334-022-00449-3 (AALpy).
    """

    def fit(self, train: BlockWords, validation: BlockWords, size: int) -> "Automaton":
        """Learn from the first STRANDS blocks."""
        from aalpy.learning_algs import run_Alergia

        strands = [["start", *words] for words, _ in train.strands()[:STRANDS]]
        learned = run_Alergia(strands, "mc", eps=0.05, print_info=False)
        self.start, self.single = learned.initial_state, SeenPairs(pages=False).fit(train, validation, size)
        self.steps = {id(state): {to.output: (to, p) for to, p in state.transitions} for state in learned.states}
        self.by_output = {state.output: state for state in learned.states}
        self.states = len(learned.states)
        return self

    def surprise(self, words: BlockWords) -> np.ndarray:
        """Compute -ln p(word | state), 0 behind the end: (n, time); a little of the words' own shares is mixed in."""
        found = RARE * np.exp(-self.single.surprise(words))
        for strand, places in words.strands():
            state = self.start
            for word, place in zip(strand, places, strict=True):
                to, p = self.steps[id(state)].get(word, (self.by_output.get(word, state), 0.0))
                found[place] += (1 - RARE) * p
                state = to
        return np.where(words.word >= 0, -np.log(found), 0.0)


def make_all() -> dict:
    """Make the detectors, by name; the automaton only where AALpy is installed."""
    import importlib.util

    made = {"n-gram": NGram(), "seen offsets": SeenPairs(pages=False), "seen offsets and pages": SeenPairs(pages=True)}
    return made | ({"automaton": Automaton()} if importlib.util.find_spec("aalpy") else {})
