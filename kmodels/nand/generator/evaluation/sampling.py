"""New sequences from a language model: a function that gives the logits of each next token."""

from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax

from kmodels.nand.data.load import labelled
from kmodels.nand.data.records import Trace
from kmodels.nand.data.rules import make_device
from kmodels.nand.generator.data.encode import Vocabulary, legal_tokens, operations
from kmodels.nand.generator.data.history import BlockHistory
from kmodels.nand.simulator.sequences import distinct_blocks, joined, on_blocks

BATCH = 1024  # sequences generated side by side


def generate(
    model, n: int, seed: int, constrained: bool = True, temperature: float = 1.0, truncated: bool = True
) -> Trace:
    """Generate sequences, labelled by the rules.

    Parameters
    ----------
    model : NandGenerator
        The network; its `seq_len` is the length of each sequence.
    n : int
        How many.
    seed : int
        Equal seeds give equal sequences on one backend.
    constrained : bool
        Mask every step with the rules, so that all sequences are legal.
    temperature : float
        Logits are divided by it; below 1 the likely becomes likelier.
    truncated : bool
        Without the rules' mask, leave out what surprises more than `model.threshold` lets a legal operation: the many
        tokens that are all but impossible add up. No rule is asked.

    Returns
    -------
    Trace
        n sequences.

    References
    ----------
    Hewitt, Manning and Liang 2022, arXiv:2210.15191 (epsilon sampling).
    """
    from kmodels.core.training.inference import as_numpy  # Keras is not loaded to read data

    step_model = model.step_model()

    def language_model(size):
        return IncrementalDecoder(step_model, model, size)

    threshold = float(as_numpy(model.threshold)) if truncated and not constrained else np.inf
    return sample_sequences(language_model, n, seed, model.rules, model.vocabulary, constrained, temperature, threshold)


def sample_sequences(
    language_model: Callable,
    n: int,
    seed: int,
    data,
    vocabulary: Vocabulary,
    constrained: bool = True,
    temperature: float = 1.0,
    threshold: float = np.inf,
) -> Trace:
    """Sample sequences from a language model, labelled by the rules.

    Parameters
    ----------
    language_model : callable
        language_model(size)(token (size,), history) gives logits (size, tokens) of the next token; history is the
        BlockHistory of the operations before it.
    data : Data
        The rules, and the length and number of blocks of a sequence: a recipe's data section.
    vocabulary : Vocabulary
        The tokens.
    n, seed, constrained, temperature
        See `generate`.
    threshold : float
        Surprise [nats] above which a token is not sampled.
    """
    rng = np.random.default_rng([seed, 0x6E4])
    sizes = [min(BATCH, n - start) for start in range(0, n, BATCH)]
    parts = [
        _sample_batch(language_model(size), size, rng, data, vocabulary, constrained, temperature, threshold)
        for size in sizes
    ]
    trace = joined(parts)
    return labelled(Trace(**{**vars(trace), "pair": trace.name}), data)


def _sample_batch(next_logits, n, rng, data, vocabulary, constrained, temperature, threshold) -> Trace:
    """Sample n sequences side by side, each on a device of its own."""
    blocks = distinct_blocks(rng, n, data)
    device = make_device(n, data.num_blocks, data)
    history = BlockHistory(n, data.num_blocks, max(1, vocabulary.program[1]))
    state = history if vocabulary.open else device
    token = np.full(n, vocabulary.start)
    steps = []
    for _ in range(data.seq_len):
        logits = next_logits(token, history)
        if threshold < np.inf:
            logits = np.where(log_softmax(logits, axis=-1) < -threshold, -np.inf, logits)
        if constrained:
            logits = np.where(legal_tokens(device, state, vocabulary), logits, -np.inf)
        token = sample_tokens(rng, logits, temperature)
        operation = operations(state, token, vocabulary, data.geometry.pages)
        device.step(*operation)
        history.step(*operation)
        steps.append(operation)
    return on_blocks(*(np.stack(part) for part in zip(*steps, strict=True)), blocks, data)


def sample_tokens(rng: np.random.Generator, logits: np.ndarray, temperature: float) -> np.ndarray:
    """Sample a token of each row with probability softmax(logits / temperature): (n, size) -> (n,).

    The largest of logits + Gumbel noise: a token of logit -inf is never sampled, not even by rounding.
    """
    below = (logits - logits.max(axis=1, keepdims=True)) / temperature
    return (below + rng.gumbel(size=logits.shape)).argmax(axis=1)


class IncrementalDecoder:
    """A generator network one token at a time, with the states of n sequences carried along.

    Parameters
    ----------
    step_model : GeneratorStep
        The network of one step.
    model : NandGenerator
        Whose step it is.
    n : int
        Sequences.
    """

    def __init__(self, step_model, model, n: int):
        self.step_model, self.columns = step_model, model.vocabulary.columns
        self.states, self.keeps_pages = model.initial_states(n), model.keeps_pages

    def __call__(self, token: np.ndarray, history: BlockHistory) -> np.ndarray:
        """Give the logits (n, size) of the next token, from the last one, (n,), and all before it."""
        from kmodels.core.training.devices import distribution

        pages = {"pages": history.pages()} if self.keeps_pages else {}
        given = {"tokens": self.columns[token], **pages, **self.states}
        outputs = distribution.current().predicted(self.step_model, given)
        logits = np.asarray(outputs.pop("token"), "float64")
        self.states = outputs
        return logits
