"""A Trace as tokens (op, slot, page offset), tokens as pages again, and the network's inputs and targets.

Vocabulary, for every slot: erase; program at offsets 0 .. H; read at offsets -1 .. -L. The offset is page - w, with w
the block's next page. H is 0 under strict program order, else `model.max_hop`.
"""

from dataclasses import dataclass

import numpy as np

from kmodels.core.spec.errors import UserError
from kmodels.core.training.batching import ArrayExamples
from kmodels.nand.data.records import ERASE, NONE, OPERATIONS, PAD, PROGRAM, READ, Trace
from kmodels.nand.data.rules import Device, replay, violation_codes
from kmodels.nand.generator.recipe import GeneratorRecipe

END = -1  # behind the end of a sequence
ILLEGAL = -2  # an operation that breaks a rule: no token stands for it

START_OP = 1  # input column 0: nothing behind the end, then start, then the operations
FIRST_OP = 2


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a generator.

    Token = slot * words + word; word 0 erases, 1 + k programs at offset k, 1 + hop + k reads at offset -k.

    Parameters
    ----------
    slots : int
        Blocks of a sequence.
    hop : int
        Largest number of pages that a program skips.
    reach : int
        Largest number of pages that a read reaches back.
    """

    slots: int
    hop: int
    reach: int

    @property
    def words(self) -> int:
        """Tokens of one slot."""
        return 2 + self.hop + self.reach

    @property
    def size(self) -> int:
        """All tokens."""
        return self.slots * self.words

    @property
    def start(self) -> int:
        """The token before the first one; never generated."""
        return self.size

    @property
    def slot(self) -> np.ndarray:
        """Slot of every token: (size,)."""
        return np.repeat(np.arange(self.slots), self.words)

    @property
    def op(self) -> np.ndarray:
        """Operation of every token: (size,)."""
        return np.tile(np.repeat([ERASE, PROGRAM, READ], [1, 1 + self.hop, self.reach]), self.slots)

    @property
    def offset(self) -> np.ndarray:
        """Page - w of every token: (size,); 0 for an erase."""
        return np.tile(np.concatenate([[0], np.arange(self.hop + 1), -1 - np.arange(self.reach)]), self.slots)

    @property
    def names(self) -> list[str]:
        """Name of each word of a slot: `program +1`."""
        pairs = zip(self.op[: self.words], self.offset[: self.words], strict=True)
        return [OPERATIONS[op] + (f" {offset:+d}" if op != ERASE else "") for op, offset in pairs]

    @property
    def column_sizes(self) -> list[int]:
        """How many values each input column takes."""
        return [FIRST_OP + len(OPERATIONS), self.slots + 1, 1 + self.words]

    @property
    def columns(self) -> np.ndarray:
        """Input columns of every token and of start: (size + 1, 3), (op + 2, slot + 1, offset counted from 1)."""
        rows = np.stack([self.op + FIRST_OP, self.slot + 1, np.tile(np.arange(self.words), self.slots) + 1], axis=1)
        return np.append(rows, [[START_OP, 0, 0]], axis=0).astype("int32")


def make_vocabulary(data, max_hop: int) -> Vocabulary:
    """Make the vocabulary of a device.

    No offset reaches farther than a block is long: an operation that leaves the geometry then always has another
    illegal page to stand for it (see `pages`).

    Parameters
    ----------
    data : Data
        A recipe's data section: num_blocks, read_offset_limit, program_order, geometry.
    max_hop : int
        Largest number of pages that a program skips, where program_order lets it skip.
    """
    last = data.geometry.pages - 1
    hop = 0 if data.program_order == "strict" else min(max_hop, last)
    return Vocabulary(data.num_blocks, hop, min(data.read_offset_limit, data.geometry.pages))


def tokens(trace: Trace, data, vocabulary: Vocabulary) -> np.ndarray:
    """Turn operations into tokens.

    Parameters
    ----------
    trace : Trace
        n sequences.
    data : Data
        The rules: a recipe's data section.
    vocabulary : Vocabulary
        The tokens there are.

    Returns
    -------
    ndarray of int, shape (n, time)
        ILLEGAL where a rule is broken, END behind the end.

    Raises
    ------
    UserError
        For a legal sequence that holds an operation without a token.
    """
    codes, frontier = replay(trace, data)
    slot = trace.slots()
    legal = (codes == NONE) & (trace.op != PAD)
    offset = trace.page - frontier
    unknown = legal & (slot >= vocabulary.slots)
    unknown |= legal & (trace.op == PROGRAM) & ((offset < 0) | (offset > vocabulary.hop))
    whole = (codes == NONE).all(axis=1)
    if (unknown & whole[:, None]).any():
        row, step = np.argwhere(unknown & whole[:, None])[0]
        raise _no_token(trace, row, step, slot, frontier, vocabulary)
    word = np.select([trace.op == PROGRAM, trace.op == READ], [1 + offset, 1 + vocabulary.hop - offset], 0)
    found = np.where(legal & ~unknown, slot * vocabulary.words + word, ILLEGAL)
    return np.where(trace.op == PAD, END, found)


def _no_token(trace, row, step, slot, frontier, vocabulary) -> UserError:
    """Name the sequence, the operation that has no token, and the setting to change."""
    where, n_blocks = f"sequence {trace.name[row]}, step {step}", int(slot[row].max()) + 1
    if slot[row, step] >= vocabulary.slots:
        return UserError(
            f"{where}: its block number {slot[row, step] + 1}, and the generator knows {vocabulary.slots} blocks a "
            f"sequence; train with --data.num_blocks {n_blocks}"
        )
    page, w = int(trace.page[row, step]), int(frontier[row, step])
    if page > w:
        return UserError(
            f"{where}: program of page {page} skips {page - w} pages, and the generator knows skips of up to "
            f"{vocabulary.hop}; train with --model.max_hop {page - w}"
        )
    return UserError(
        f"{where}: program of page {page} behind page {w - 1}, and the generator programs forwards only, whatever "
        f"data.program_order is; leave this sequence out"
    )


def pages(device: Device, token: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Compute the page of one token on each device, w + offset, -1 for an erase: (n,).

    A page outside the geometry, or in a block that is not erased, has no number; the operation is illegal, and stays
    so by another page at which it is illegal, too.
    """
    op, w = vocabulary.op[token], device.frontier(vocabulary.slot[token])
    last = device.rules.geometry.pages - 1
    page = w + vocabulary.offset[token]
    outside = (page < 0) | (page > last) | (w < 0)
    # A program behind w meets a written page under every order; a read at w meets an unwritten one.
    instead = np.where(op == PROGRAM, np.maximum(w - 1, 0), np.clip(w, 0, last))
    return np.where(op == ERASE, -1, np.where(outside, instead, page))


def legal_tokens(device: Device, vocabulary: Vocabulary) -> np.ndarray:
    """Mark the tokens that are legal on each device in its present state: (n, size) bool."""
    op, slot, offset = (part[:, None] for part in (vocabulary.op, vocabulary.slot, vocabulary.offset))
    w = device.frontier(slot)
    last = device.rules.geometry.pages - 1
    page = w + offset
    inside = (page >= 0) & (page <= last) & (w >= 0)
    page = np.clip(page, 0, last)
    codes = violation_codes(op, page, w, device.is_written(slot, page), device.rules)
    return ((op == ERASE) | (inside & (codes == NONE))).T


def encode(trace: Trace, recipe) -> ArrayExamples:
    """Make inputs and targets, a sequence an example.

    Parameters
    ----------
    trace : Trace
        n sequences.
    recipe : GeneratorRecipe
        Its data section and `model.max_hop` give the vocabulary.

    Returns
    -------
    ArrayExamples
        Inputs: tokens (n, time, 3), the token before each operation, 0 behind the end. Targets: token (n, time), END
        where nothing counts: behind the end, and at illegal operations.
    """
    vocabulary = make_vocabulary(recipe.data, recipe.model.max_hop)
    token = tokens(trace, recipe.data, vocabulary)
    before = np.concatenate([np.full((len(token), 1), vocabulary.start), token[:, :-1]], axis=1)
    columns = np.where((token != END)[..., None], vocabulary.columns[np.where(before < 0, vocabulary.start, before)], 0)
    return ArrayExamples({"tokens": columns}, {"token": np.maximum(token, END).astype("int32")})


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
        """Encode n sequences as {"tokens": (n, time, 3)} and {"token": (n, time)}."""
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
        tokens = np.where((time <= step)[..., None], self.whole.inputs["tokens"][sequence], 0)
        token = np.where(time == step, self.whole.targets["token"][sequence], END)
        return {"tokens": tokens}, {"token": token}
