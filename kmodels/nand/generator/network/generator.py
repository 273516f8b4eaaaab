"""The generator: embedded tokens -> GRU layers -> probability of every next token."""

from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.spec.arguments import check_choice, check_integers, check_rate
from kmodels.core.training import backend
from kmodels.core.training.devices.layers import Dropout
from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed, policy_name
from kmodels.layers.token_embedding import TokenEmbedding
from kmodels.nand.generator.data.encode import Vocabulary, make_vocabulary
from kmodels.nand.generator.data.history import FLAGS
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.network import losses
from kmodels.nand.network.series_gru import SeriesGRU
from kmodels.nand.recipe import Data, Geometry

UNSEEN = 0.01  # what the count of every word begins with


def build(recipe: GeneratorRecipe, steps: int) -> "NandGenerator":
    """Make the compiled generator of a recipe, for a training of so many steps."""
    generator = NandGenerator.from_recipe(recipe)
    generator.compile(optimizer=adam(recipe.train, steps), jit_compile="auto")
    return generator


@keras.saving.register_keras_serializable("kmodels.nand.generator")
class NandGenerator(TermModel):
    """Autoregressive GRU over the tokens of command sequences.

    Inputs: tokens (batch, time, 3) int32, the token before each operation, start before the first; with memory "pages"
    also pages (batch, time, slots, 2 + max_offset) uint8, what the trace has shown of every block before it.
    `GeneratorPreprocessor` makes them. Outputs: token (batch, time, size), logits of each operation's token given all
    before it. Targets: token (batch, time) int32, -1 where an operation does not count.

    The attributes `vocabulary` and `rules` say what a token means; `rules` has the fields of a recipe's data section.
    `threshold` is a variable: the surprise -ln p [nats] above which an operation counts as illegal, infinite at first.

    `export` writes a SavedModel on tensorflow and jax; on torch Keras exports no outputs in a dictionary: save the
    model, load it on one of those and export it there.

    Parameters
    ----------
    num_blocks : int
        Blocks of a sequence.
    seq_len : int
        Operations of a generated sequence.
    read_offset_limit : int
        L: a legal read reaches back fewer pages than this.
    program_order : {"strict", "monotonic", "any"}
        The device's rule for the pages of a block.
    initial_state : {"not_erased", "erased", "unknown"}
        Of the blocks when a sequence begins.
    dies, planes, blocks, first_block, pages : int
        The device's addresses: dies, planes a die, blocks a plane and the first of them that is used, pages a block.
    max_offset : int
        Page offsets told apart, either sign; farther ones count as the last.
    max_hop : int, optional
        None: a token for every operation, formed from the trace alone. A number: for legal operations alone, with
        programs that skip so many pages at most, where `program_order` lets them skip.
    samples : int
        Sequences of each kind that are generated for an evaluation.
    memory : {"pages", "none"}
        pages: the network sees which of the last `max_offset` pages of each block are written; none: it has to remember
        them, the only way where `max_hop` is a number.
    state : {"blocks", "joint"}
        blocks: the sequence is read once for every slot, as that slot sees it, by one GRU that gives the logits of the
        slot's own words; joint: read once, by a GRU that gives the logits of all.
    embedding : int
        Width of an operation's embedding.
    hidden : int
        Units of each GRU.
    num_layers : int
        GRU layers.
    dropout : float
        Dropout rate after each GRU layer.
    dtype : str or keras.DTypePolicy, optional
        Dtype policy of the layers, Keras' global policy for None; logits are float32 in any case.
    name : str, optional
        Of the model.

    References
    ----------
    Williams and Zipser 1989, doi:10.1162/neco.1989.1.2.270 (teacher forcing). Cho et al. 2014, arXiv:1406.1078 (GRU).
    """

    def __init__(
        self,
        num_blocks: int = 3,
        seq_len: int = 50,
        read_offset_limit: int = 5,
        *,
        program_order: Literal["strict", "monotonic", "any"] = "strict",
        initial_state: Literal["not_erased", "erased", "unknown"] = "not_erased",
        dies: int = 2,
        planes: int = 4,
        blocks: int = 1000,
        first_block: int = 0,
        pages: int = 2564,
        max_offset: int = 16,
        max_hop: int | None = None,
        samples: int = 2000,
        memory: Literal["pages", "none"] = "pages",
        state: Literal["blocks", "joint"] = "blocks",
        embedding: int = 16,
        hidden: int = 32,
        num_layers: int = 1,
        dropout: float = 0.0,
        dtype=None,
        name: str | None = None,
    ):
        check_choice("NandGenerator", "program_order", program_order, ("strict", "monotonic", "any"))
        check_choice("NandGenerator", "initial_state", initial_state, ("not_erased", "erased", "unknown"))
        check_choice("NandGenerator", "memory", memory, ("pages", "none"))
        check_choice("NandGenerator", "state", state, ("blocks", "joint"))
        check_integers("NandGenerator", embedding=embedding, hidden=hidden, num_layers=num_layers, samples=samples)
        check_rate("NandGenerator", dropout=dropout)
        rules = Data(  # refuses numbers that do not agree, by name
            num_blocks=num_blocks,
            seq_len=seq_len,
            read_offset_limit=read_offset_limit,
            program_order=program_order,
            initial_state=initial_state,
            strategies=("read_unwritten", "stale_read"),  # illegal under every order; not used here
            geometry=Geometry(dies=dies, planes=planes, blocks=blocks, first_block=first_block, pages=pages),
        )
        vocabulary, policy = make_vocabulary(rules, max_offset, max_hop), policy_name(dtype)
        inputs = {"tokens": keras.Input((None, 3), dtype="int32", name="tokens")}
        if memory == "pages":
            if max_hop is not None:
                raise ValueError("NandGenerator: max_hop = a number needs memory = 'none'")
            shape = (None, num_blocks, FLAGS + vocabulary.program[1])
            inputs["pages"] = keras.Input(shape, dtype="uint8", name="pages")
        logits = _network(inputs, vocabulary, state, embedding, hidden, num_layers, dropout, policy)
        super().__init__({"token": 1.0}, inputs=inputs, outputs={"token": logits}, name=name)
        self.rules, self.vocabulary, self.samples = rules, vocabulary, samples
        self.keeps_pages = memory == "pages"
        # Where tokens stand for legal operations alone, an illegal one has none: no number tells them apart.
        self.threshold = self.scalar("threshold", np.inf) if vocabulary.open else np.inf
        self._arguments = {
            "num_blocks": num_blocks,
            "seq_len": seq_len,
            "read_offset_limit": read_offset_limit,
            "program_order": program_order,
            "initial_state": initial_state,
            "dies": dies,
            "planes": planes,
            "blocks": blocks,
            "first_block": first_block,
            "pages": pages,
            "max_offset": max_offset,
            "max_hop": max_hop,
            "samples": samples,
            "memory": memory,
            "state": state,
            "embedding": embedding,
            "hidden": hidden,
            "num_layers": num_layers,
            "dropout": dropout,
            "dtype": policy,
        }

    @classmethod
    def from_recipe(cls, recipe: GeneratorRecipe) -> "NandGenerator":
        """Make the network of a recipe, not compiled."""
        data, geometry, model = recipe.data, recipe.data.geometry, recipe.model
        return cls(
            num_blocks=data.num_blocks,
            seq_len=data.seq_len,
            read_offset_limit=data.read_offset_limit,
            program_order=data.program_order,
            initial_state=data.initial_state,
            dies=geometry.dies,
            planes=geometry.planes,
            blocks=geometry.blocks,
            first_block=geometry.first_block,
            pages=geometry.pages,
            max_offset=model.max_offset,
            max_hop=model.max_hop,
            samples=model.samples,
            memory="pages" if model.keeps_pages else "none",
            state=model.state,
            embedding=model.embedding,
            hidden=model.hidden,
            num_layers=model.num_layers,
            dropout=model.dropout,
            dtype=recipe.train.dtype,
        )

    def adapt(self, token: np.ndarray) -> None:
        """Start the logit of each word at the logarithm of its share, far below all others where it never occurs.

        Parameters
        ----------
        token : ndarray of int
            Of the training sequences, negative where there is none.
        """
        bias = self.get_layer("words").bias
        counts = np.bincount(token[token >= 0] % bias.shape[0], minlength=bias.shape[0]) + UNSEEN
        bias.assign(np.log(counts / counts.sum()))

    def target_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Name the targets, with their shapes behind the batch."""
        return {"token": (None,)}

    def terms(self, x, y, y_pred) -> dict:
        """Compute token, the cross-entropy of the operations that count, nats an operation: (batch,)."""
        return {"token": losses.operation_cross_entropy(y["token"], y_pred["token"])}

    def step_model(self) -> "GeneratorStep":
        """Make the same network of one operation, with the same weights."""
        return GeneratorStep(self, self.vocabulary, self._arguments["state"], self._arguments["num_layers"])

    def initial_states(self, n: int) -> dict[str, np.ndarray]:
        """Make the states of n sequences before their first token."""
        shape = (n, count_series(self._arguments["state"], self.vocabulary), self._arguments["hidden"])
        return {f"state_{k}": np.zeros(shape, "float32") for k in range(self._arguments["num_layers"])}

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {"name": self.name, **self._arguments}


class GeneratorStep(keras.Model):
    """A generator one operation further: the same weights and the same numbers as in the whole pass.

    Inputs: tokens (batch, 3), the last operation's; with memory "pages" also pages (batch, slots, 2 + max_offset);
    state_k (batch, series, hidden) of GRU layer k before it.
    Outputs: token (batch, size), logits of the next operation; state_k after it.

    Parameters
    ----------
    generator : NandGenerator
        Whose layers it shares.
    vocabulary, state, num_layers
        Of the generator.
    """

    def __init__(self, generator: NandGenerator, vocabulary: Vocabulary, state: str, num_layers: int):
        super().__init__()
        self.vocabulary, self.state = vocabulary, state
        self.embedded, self.words = generator.get_layer("tokens_embedded"), generator.get_layer("words")
        self.grus = [generator.get_layer(f"gru_{k}") for k in range(num_layers)]
        self.mixed = generator.get_layer("mixed") if generator.keeps_pages else None
        self.jit_compile = backend.compiles()

    def call(self, inputs):
        """Step every GRU's own cell."""
        seen = make_views(ops.expand_dims(inputs["tokens"], 1), self.vocabulary, self.state)
        x = self.embedded(ops.reshape(seen, (-1, seen.shape[-1])))
        outputs = {}
        for k, gru in enumerate(self.grus):
            x, _ = gru.cell(x, [ops.reshape(inputs[f"state_{k}"], (-1, gru.units))])
            outputs[f"state_{k}"] = ops.reshape(x, ops.shape(inputs[f"state_{k}"]))
        if self.mixed is not None:
            pages = make_page_views(ops.expand_dims(inputs["pages"], 1), self.state)
            pages = ops.cast(ops.reshape(pages, (-1, pages.shape[-1])), x.dtype)
            x = ops.concatenate([self.mixed(ops.concatenate([x, pages], axis=-1)), pages], axis=-1)
        return outputs | {"token": ops.reshape(self.words(x), (-1, self.vocabulary.size))}


def count_series(state: str, vocabulary: Vocabulary) -> int:
    """Count how many times a sequence is read."""
    return vocabulary.slots if state == "blocks" else 1


def _column_sizes(state: str, vocabulary: Vocabulary) -> list[int]:
    """Count the values that each column of `make_views` takes."""
    if state == "joint":
        return vocabulary.column_sizes
    return [vocabulary.words + 1, vocabulary.words + 1, 2 * vocabulary.slots, vocabulary.slots]


def make_views(tokens, vocabulary: Vocabulary, state: str):
    """Make a sequence as each slot sees it: (batch, time, 3) -> (batch, series, time, columns) int32.

    Columns of slot s: the word, where the operation is on s, else 0; the word, where it is on another slot; how far
    that slot is from s, counted from 1; s. Under state "joint" the one series is the tokens as they are.
    """
    tokens = ops.expand_dims(tokens, 1)
    if state == "joint":
        return tokens
    slot, word = tokens[..., 1], tokens[..., 2]
    number = np.arange(vocabulary.slots, dtype="int32")[:, None]
    own = ops.equal(slot, number + 1)
    columns = [
        ops.where(own, word, 0),
        ops.where(own, 0, word),
        ops.where(ops.equal(slot, 0), 0, slot - 1 - number + vocabulary.slots),
        ops.zeros_like(slot) + number,
    ]
    return ops.stack([ops.cast(column, "int32") for column in columns], axis=-1)


def make_page_views(pages, state: str):
    """Give each slot the pages of its block: (batch, time, slots, k) -> (batch, series, time, k or slots * k)."""
    pages = ops.cast(pages, "float32")
    if state == "joint":
        return ops.expand_dims(ops.concatenate(ops.unstack(pages, axis=2), axis=-1), 1)
    return ops.transpose(pages, (0, 2, 1, 3))


def _network(inputs, vocabulary: Vocabulary, state, embedding, hidden, num_layers, dropout, policy):
    """Connect tokens and pages to logits, which are float32 whatever the policy.

    No mask: read forwards, what stands behind the end changes nothing before it, and the loss does not count it.
    """
    sizes, views = _column_sizes(state, vocabulary), make_views(inputs["tokens"], vocabulary, state)
    x = TokenEmbedding(sizes, embedding, dtype=policy, name="tokens_embedded")(views)
    for k in range(num_layers):
        x = SeriesGRU(hidden, dtype=policy, name=f"gru_{k}")(x)
        # A seed of its own, drawn from the run's: without one, Keras on torch draws masks that no saved state restores.
        x = Dropout(dropout, seed=dropout_seed(), dtype=policy, name=f"dropout_{k}")(x)
    if "pages" in inputs:
        # Whether a page is written decides on each word by itself (the pages), and on the words' shares (the mixture).
        pages = make_page_views(inputs["pages"], state)
        x = layers.Concatenate(dtype=policy, name="with_pages")([x, pages])
        x = layers.Dense(hidden, activation="relu", dtype=policy, name="mixed")(x)
        x = layers.Concatenate(dtype=policy, name="mixed_with_pages")([x, pages])
    x = layers.Dense(vocabulary.size // count_series(state, vocabulary), dtype="float32", name="words")(x)
    return layers.Reshape((-1, vocabulary.size), dtype="float32", name="token")(ops.transpose(x, (0, 2, 1, 3)))
