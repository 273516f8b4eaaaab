"""New sequences from a language: a function that gives the logits of each next token."""

from collections.abc import Callable

import numpy as np

from kmodels.nand.data.load import labelled
from kmodels.nand.data.records import Trace
from kmodels.nand.data.rules import Device
from kmodels.nand.generator.data.encode import Vocabulary, legal_tokens, pages
from kmodels.nand.simulator.sequences import distinct_blocks, joined, on_blocks

BATCH = 1024  # sequences written side by side


def generate(model, n: int, seed: int, constrained: bool = True, temperature: float = 1.0) -> Trace:
    """n sequences of `data.seq_len` operations, labelled by the rules.

    constrained: mask every step with the rules, so that all are legal. temperature: logits are divided by it; below 1
    the likely becomes likelier. Equal seeds give equal sequences on one backend.
    """
    steps = model.steps()

    def language(size):
        return Stepper(steps, model, size)

    return write(language, n, seed, model.rules, model.known, constrained, temperature)


def write(
    language: Callable, n: int, seed: int, data, known: Vocabulary, constrained: bool = True, temperature: float = 1.0
) -> Trace:
    """n sequences in a language, labelled by the rules. language(size)(token (size,)) -> logits (size, tokens)."""
    rng = np.random.default_rng([seed, 0x6E4])
    sizes = [min(BATCH, n - start) for start in range(0, n, BATCH)]
    parts = [_batch(language(size), size, rng, data, known, constrained, temperature) for size in sizes]
    trace = joined(parts)
    return labelled(Trace(**{**vars(trace), "pair": trace.name}), data)


def _batch(next_logits, n, rng, data, known, constrained, temperature) -> Trace:
    """n sequences side by side, each on a device of its own."""
    blocks = distinct_blocks(rng, n, data)
    device = Device(n, data.num_blocks, data)
    op, slot = known.op, known.slot
    token = np.full(n, known.start)
    steps = []
    for _ in range(data.seq_len):
        logits = next_logits(token)
        if constrained:
            logits = np.where(legal_tokens(device, known), logits, -np.inf)
        token = draw(rng, logits, temperature)
        said = op[token], slot[token], pages(device, token, known)
        device.step(*said)
        steps.append(said)
    return on_blocks(*(np.stack(part) for part in zip(*steps, strict=True)), blocks, data)


def draw(rng: np.random.Generator, logits: np.ndarray, temperature: float) -> np.ndarray:
    """A token of each row with probability softmax(logits / temperature): (n, size) -> (n,).

    The largest of logits + Gumbel noise: a token of logit -inf is never drawn, not even by rounding.
    """
    below = (logits - logits.max(axis=1, keepdims=True)) / temperature
    return (below + rng.gumbel(size=logits.shape)).argmax(axis=1)


class Stepper:
    """The network one token at a time, with the states of n sequences carried along."""

    def __init__(self, steps, model, n: int):
        self.steps, self.columns = steps, model.known.columns
        self.states = model.first_states(n)

    def __call__(self, token: np.ndarray) -> np.ndarray:
        """Logits (n, size) of the next token, given the last one, (n,), and all before it."""
        outputs = self.steps.predict_on_batch({"tokens": self.columns[token], **self.states})
        logits = np.asarray(outputs.pop("token"), "float64")
        self.states = outputs
        return logits
