"""A Trace as tokens (op, slot, page offset), tokens as pages again, and the network's inputs and targets.

The offset is page - w. By default w comes from the trace alone: one past the highest page that the block was seen to
hold since its last erase, so no rule and no limit of the device is used, and an illegal operation has a token like any
other. Under `model.max_hop` the tokens are the legal operations of the recipe's rules, as in earlier versions.
"""

import functools
from dataclasses import dataclass

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.core.training.batching import ArrayExamples
from kmodels.nand.data.records import ERASE, NONE, OPERATIONS, PAD, PROGRAM, READ, Trace
from kmodels.nand.data.rules import replay
from kmodels.nand.generator.data.history import replay_history
from kmodels.nand.generator.recipe import GeneratorRecipe

END = -1  # behind the end of a sequence
ILLEGAL = -2  # an operation that no token stands for: it breaks a rule

START_OP = 1  # input column 0: nothing behind the end, then start, then the operations
FIRST_OP = 2


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a generator.

    Token = slot * words + word. Word 0 erases; then come programs from the lowest offset to the highest, then reads
    from the highest to the lowest. An open vocabulary counts a farther offset as the last one on its side, and ends in
    a program and a read of a block of which the trace has shown nothing yet: these have no offset.

    Parameters
    ----------
    slots : int
        Blocks of a sequence.
    program, read : tuple of int
        Lowest and highest page offset, page - w, of a program and of a read.
    open : bool
        Whether every operation has a token.
    """

    slots: int
    program: tuple[int, int]
    read: tuple[int, int]
    open: bool = False

    @property
    def words(self) -> int:
        """Tokens of one slot."""
        return len(self._offsets)

    @property
    def size(self) -> int:
        """All tokens."""
        return self.slots * self.words

    @property
    def start(self) -> int:
        """The token before the first one; never generated."""
        return self.size

    @functools.cached_property
    def slot(self) -> np.ndarray:
        """Slot of every token: (size,)."""
        return np.repeat(np.arange(self.slots), self.words)

    @functools.cached_property
    def op(self) -> np.ndarray:
        """Operation of every token: (size,)."""
        counts = [1, self.program[1] - self.program[0] + 1, self.read[1] - self.read[0] + 1]
        last = [PROGRAM, READ] if self.open else []
        return np.tile(np.concatenate([np.repeat([ERASE, PROGRAM, READ], counts), last]).astype(int), self.slots)

    @functools.cached_property
    def offset(self) -> np.ndarray:
        """Page - w of every token: (size,); 0 for an erase, and where there is none."""
        return np.tile(self._offsets, self.slots)

    @property
    def _offsets(self) -> np.ndarray:
        program, read = (np.arange(low, high + 1) for low, high in (self.program, self.read))
        return np.concatenate([[0], program, read[::-1], [0, 0] if self.open else []]).astype(int)

    @functools.cached_property
    def has_offset(self) -> np.ndarray:
        """Whether a token names a page offset: (size,) bool."""
        known = np.arange(self.words) < self.words - 2 * self.open
        return np.tile(known, self.slots) & (self.op != ERASE)

    @property
    def names(self) -> list[str]:
        """Name of each word of a slot: `program +1`."""
        parts = zip(self.op[: self.words], self.offset[: self.words], self.has_offset[: self.words], strict=True)
        return [OPERATIONS[op] + (f" {offset:+d}" if known else " ?" * int(op != ERASE)) for op, offset, known in parts]

    @property
    def column_sizes(self) -> list[int]:
        """How many values each input column takes."""
        return [FIRST_OP + len(OPERATIONS), self.slots + 1, 1 + self.words]

    @functools.cached_property
    def columns(self) -> np.ndarray:
        """Input columns of every token and of start: (size + 1, 3), (op + 2, slot + 1, word + 1)."""
        rows = np.stack([self.op + FIRST_OP, self.slot + 1, np.tile(np.arange(self.words), self.slots) + 1], axis=1)
        return np.append(rows, [[START_OP, 0, 0]], axis=0).astype("int32")

    def word(self, op: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Give the word of operations at offsets of this vocabulary: arrays of one shape."""
        program, read = 1 + offset - self.program[0], 2 + self.program[1] - self.program[0] + self.read[1] - offset
        return np.select([op == PROGRAM, op == READ], [program, read], 0)


def make_vocabulary(data, max_offset: int, max_hop: int | None = None) -> Vocabulary:
    """Make the vocabulary of a recipe.

    Parameters
    ----------
    data : Data
        A recipe's data section. Of the rules, `read_offset_limit` and `program_order` count under `max_hop` alone.
    max_offset : int
        Page offsets told apart, either sign.
    max_hop : int, optional
        None: an open vocabulary; a number: legal operations alone, with programs that skip so many pages at most.
    """
    # No offset reaches farther than a block is long: an operation that leaves the geometry then always has another
    # illegal page to stand for it (see `pages`).
    last = data.geometry.pages - 1
    if max_hop is None:
        farthest = min(max_offset, last)
        return Vocabulary(data.num_blocks, (-farthest, farthest), (-farthest, farthest), open=True)
    hop = 0 if data.program_order == "strict" else min(max_hop, last)
    return Vocabulary(data.num_blocks, (0, hop), (-min(data.read_offset_limit, data.geometry.pages), -1))


def tokens(trace: Trace, data, vocabulary: Vocabulary) -> np.ndarray:
    """Turn operations into tokens.

    Parameters
    ----------
    trace : Trace
        n sequences.
    data : Data
        The rules: a recipe's data section. An open vocabulary asks none of them.
    vocabulary : Vocabulary
        The tokens there are.

    Returns
    -------
    ndarray of int, shape (n, time)
        END behind the end; ILLEGAL where a rule is broken, unless the vocabulary is open.

    Raises
    ------
    UserError
        For an operation on a block that the vocabulary does not have, and for a legal operation that it does not have.
    """
    return (_open_tokens if vocabulary.open else _legal_only)(trace, data, vocabulary)


def _open_tokens(trace, data, vocabulary) -> np.ndarray:
    slot = trace.slots()
    if slot.max(initial=0) >= vocabulary.slots:
        row, step = np.argwhere(slot >= vocabulary.slots)[0]
        raise _no_block(trace, row, step, slot, vocabulary)
    w, _ = replay_history(trace, vocabulary.slots, 1)
    word = vocabulary.word(trace.op, np.clip(trace.page - w, *vocabulary.program))
    word = np.where((w < 0) & (trace.op != ERASE), vocabulary.words - 2 + (trace.op == READ), word)
    return np.where(trace.op == PAD, END, slot * vocabulary.words + word)


def _legal_only(trace, data, vocabulary) -> np.ndarray:
    codes, frontier = replay(trace, data)
    slot = trace.slots()
    legal = (codes == NONE) & (trace.op != PAD)
    offset = trace.page - frontier
    unknown = legal & (slot >= vocabulary.slots)
    unknown |= legal & (trace.op == PROGRAM) & ((offset < 0) | (offset > vocabulary.program[1]))
    whole = (codes == NONE).all(axis=1)
    if (unknown & whole[:, None]).any():
        row, step = np.argwhere(unknown & whole[:, None])[0]
        raise _no_token(trace, row, step, slot, frontier, vocabulary)
    found = np.where(legal & ~unknown, slot * vocabulary.words + vocabulary.word(trace.op, offset), ILLEGAL)
    return np.where(trace.op == PAD, END, found)


def _no_block(trace, row, step, slot, vocabulary) -> UserError:
    """Name the sequence, the operation on a block too many, and the setting to change."""
    return UserError(
        f"sequence {trace.name[row]}, step {step}: its block number {slot[row, step] + 1}, and the generator knows "
        f"{vocabulary.slots} blocks a sequence; train with --data.num_blocks {int(slot[row].max()) + 1}"
    )


def _no_token(trace, row, step, slot, frontier, vocabulary) -> UserError:
    """Name the sequence, the operation that has no token, and the setting to change."""
    if slot[row, step] >= vocabulary.slots:
        return _no_block(trace, row, step, slot, vocabulary)
    where = f"sequence {trace.name[row]}, step {step}"
    page, w = int(trace.page[row, step]), int(frontier[row, step])
    if page > w:
        return UserError(
            f"{where}: program of page {page} skips {page - w} pages, and the generator knows skips of up to "
            f"{vocabulary.program[1]}; train with --model.max_hop {page - w}"
        )
    return UserError(
        f"{where}: program of page {page} behind page {w - 1}, and the generator programs forwards only, whatever "
        f"data.program_order is; leave this sequence out"
    )


def operations(state, token: np.ndarray, vocabulary: Vocabulary, pages: int) -> tuple[np.ndarray, ...]:
    """Turn one token of each sequence into an operation.

    A token without a page (outside the geometry, or of a block in another state) is illegal, and stays so by another
    operation that is.

    Parameters
    ----------
    state : BlockHistory or Device
        Of the sequences so far: where `frontier` comes from.
    token : ndarray of int, shape (n,)
        One for each sequence.
    vocabulary : Vocabulary
        What they mean.
    pages : int
        Of a block.

    Returns
    -------
    op, slot, page : ndarray of int, shape (n,)
        page is -1 for an erase.
    """
    op, slot = vocabulary.op[token], vocabulary.slot[token]
    w = state.frontier(slot)
    page, exists = _pages(w, token, vocabulary, pages)
    # A program of page w - 1 meets a written page under every order; a read at w meets an unwritten one.
    reads = np.where(op == PROGRAM, w == 0, w < pages)
    instead = np.where(reads, np.clip(w, 0, pages - 1), np.maximum(w - 1, 0))
    return np.where(exists, op, np.where(reads, READ, PROGRAM)), slot, np.where(exists, page, instead)


def _pages(w, token, vocabulary, pages):
    """Give the page of tokens in blocks of this w, -1 for an erase, and whether there is one: arrays of one shape.

    Of a block that has not occurred there is one only where its token says so; it is page 0.
    """
    op, known = vocabulary.op[token], vocabulary.has_offset[token]
    page = np.where(known, w + vocabulary.offset[token], 0)
    exists = np.where(known, (w >= 0) & (page >= 0) & (page < pages), w < 0) & (vocabulary.open | known)
    return np.where(op == ERASE, -1, page), exists | (op == ERASE)


def legal_tokens(device, state, vocabulary: Vocabulary) -> np.ndarray:
    """Mark the tokens that are legal on each device in its present state: (n, size) bool.

    Parameters
    ----------
    device : Device or RecordedDevice
        Its rules.
    state : BlockHistory or Device
        As of `operations`.
    vocabulary : Vocabulary
        The tokens.
    """
    token = np.arange(vocabulary.size)[:, None]
    op, slot = vocabulary.op[token], vocabulary.slot[token]
    page, exists = _pages(state.frontier(slot), token, vocabulary, device.rules.geometry.pages)
    codes = device.codes(op, slot, np.where(exists, page, 0))
    return ((op == ERASE) | (exists & (codes == NONE))).T


def encode(trace: Trace, recipe) -> ArrayExamples:
    """Make inputs and targets, a sequence an example.

    Parameters
    ----------
    trace : Trace
        n sequences.
    recipe : GeneratorRecipe
        Its data section, `model.max_offset` and `model.max_hop` give the vocabulary.

    Returns
    -------
    ArrayExamples
        Inputs: tokens (n, time, 3), the token before each operation, 0 behind the end; with `model.memory: pages` also
        pages (n, time, slots, flags and pages), see `BlockHistory.pages`. Targets: token (n, time), END where nothing
        counts: behind the end, and at operations without a token.
    """
    model = recipe.model
    vocabulary = make_vocabulary(recipe.data, model.max_offset, model.max_hop)
    token = tokens(trace, recipe.data, vocabulary)
    before = np.concatenate([np.full((len(token), 1), vocabulary.start), token[:, :-1]], axis=1)
    columns = np.where((token != END)[..., None], vocabulary.columns[np.where(before < 0, vocabulary.start, before)], 0)
    inputs = {"tokens": columns}
    if model.keeps_pages:
        inputs["pages"] = replay_history(trace, vocabulary.slots, vocabulary.program[1])[1]
    return ArrayExamples(inputs, {"token": np.maximum(token, END).astype("int32")})


class GeneratorPreprocessor:
    """Turn sequences into the arrays that `NandGenerator` is trained on.

    Parameters
    ----------
    recipe : GeneratorRecipe, optional
        The device and its vocabulary; the default recipe's for None.

    Examples
    --------
    >>> x, y = GeneratorPreprocessor()(trace)  # doctest: +SKIP
    """

    def __init__(self, recipe: GeneratorRecipe | None = None):
        self.recipe = GeneratorRecipe() if recipe is None else recipe

    def __call__(self, trace: Trace) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Encode n sequences as {"tokens": (n, time, 3), "pages": ...} and {"token": (n, time)}."""
        examples = encode(trace, self.recipe)
        return examples.inputs, examples.targets


def training_examples(trace: Trace, recipe):
    """Make the examples of `train.scheme`: whole sequences, or every prefix."""
    whole = encode(trace, recipe)
    return whole if recipe.train.scheme == "sequence" else PrefixExamples(whole)


class PrefixExamples:
    """The prototype's scheme: an example for every prefix of every sequence, its next operation the one target.

    Prefixes are padded to the whole length: all batches have one shape. Each is made when it is taken: written out
    they would take `time` times the memory of the sequences.

    Parameters
    ----------
    whole : ArrayExamples
        The sequences, as `encode` gives them.
    """

    def __init__(self, whole: ArrayExamples):
        self.whole = whole
        self.sequence, self.step = np.nonzero(whole.targets["token"] != END)

    def __len__(self) -> int:
        return len(self.sequence)

    def take(self, rows) -> tuple[dict, dict]:
        """Make (inputs, targets) of these prefixes."""
        sequence, step = self.sequence[rows], self.step[rows, None]
        time = np.arange(self.whole.targets["token"].shape[1])
        inputs = {name: values[sequence] for name, values in self.whole.inputs.items()}
        inputs["tokens"] = np.where((time <= step)[..., None], inputs["tokens"], 0)
        return inputs, {"token": np.where(time == step, self.whole.targets["token"][sequence], END)}
