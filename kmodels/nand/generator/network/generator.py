"""The generator: embedded tokens -> GRU layers -> probability of every next token."""

import json

import keras
import numpy as np
from keras import layers, ops

from kmodels.core.training import backend
from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed
from kmodels.layers.token_embedding import TokenEmbedding
from kmodels.nand.generator.data.encode import Vocabulary, vocabulary
from kmodels.nand.network import losses
from kmodels.nand.network.series_gru import SeriesGRU
from kmodels.nand.recipe import Data


def build(recipe, steps: int) -> "NandGenerator":
    """The compiled generator of a recipe, for a training of so many steps."""
    model, train = recipe.model, recipe.train
    generator = NandGenerator(
        data=recipe.data.model_dump(mode="json"),
        max_hop=model.max_hop,
        samples=model.samples,
        state=model.state,
        embedding=model.embedding,
        hidden=model.hidden,
        num_layers=model.num_layers,
        dropout=model.dropout,
        policy=train.dtype,
    )
    generator.compile(optimizer=adam(train, steps), jit_compile="auto")
    return generator


@keras.saving.register_keras_serializable("kmodels")
class NandGenerator(TermModel):
    """Autoregressive GRU over the tokens of command sequences.

    Inputs: tokens (batch, time, 3) int32, the token before each operation, start before the first. Outputs: token
    (batch, time, size), logits of each operation's token given all before it.

    data: the fields of a recipe's data section; with them the model knows the device that it writes for, and the
    length of what it writes. max_hop: see `encode.vocabulary`. samples: sequences that it writes to be judged.
    state: "blocks": the sequence is read once for every slot, as that slot sees it, by one GRU that gives the logits
    of the slot's own words; "joint": read once, by a GRU that gives the logits of all.
    """

    def __init__(
        self,
        data,
        max_hop=3,
        samples=2000,
        state="blocks",
        embedding=64,
        hidden=128,
        num_layers=1,
        dropout=0.0,
        policy="float32",
        **kwargs,
    ):
        self_config = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        rules = Data.model_validate_json(json.dumps(data))
        known = vocabulary(rules, max_hop)
        inputs = {"tokens": keras.Input((None, 3), dtype="int32", name="tokens")}
        network = _network(inputs["tokens"], known, state, embedding, hidden, num_layers, dropout, policy)
        super().__init__({"token": 1.0}, inputs=inputs, outputs={"token": network}, **kwargs)
        self._config = self_config
        self.rules, self.known, self.samples = rules, known, samples

    def terms(self, x, y, y_pred):
        """token: cross-entropy of the operations that count, nats an operation."""
        return {"token": losses.operation_cross_entropy(y["token"], y_pred["token"])}

    def steps(self) -> "Steps":
        """The same network one operation at a time."""
        return Steps(self, self.known, self._config["state"], self._config["num_layers"])

    def first_states(self, n: int) -> dict[str, np.ndarray]:
        """The states of n sequences before their first token."""
        shape = (n, series_of(self._config["state"], self.known), self._config["hidden"])
        return {f"state_{k}": np.zeros(shape, "float32") for k in range(self._config["num_layers"])}

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}


class Steps(keras.Model):
    """A generator one operation further: the same weights and the same numbers as in the whole pass.

    Inputs: tokens (batch, 3), the last operation's; state_k (batch, series, hidden) of GRU layer k before it.
    Outputs: token (batch, size), logits of the next operation; state_k after it.
    """

    def __init__(self, generator: NandGenerator, known: Vocabulary, state: str, num_layers: int):
        super().__init__()
        self.known, self.state = known, state
        self.embedded, self.words = generator.get_layer("tokens_embedded"), generator.get_layer("words")
        self.grus = [generator.get_layer(f"gru_{k}") for k in range(num_layers)]
        self.jit_compile = backend.compiles()

    def call(self, inputs):
        """One step of every GRU's own cell."""
        seen = views(ops.expand_dims(inputs["tokens"], 1), self.known, self.state)
        x = self.embedded(ops.reshape(seen, (-1, seen.shape[-1])))
        outputs = {}
        for k, gru in enumerate(self.grus):
            x, _ = gru.cell(x, [ops.reshape(inputs[f"state_{k}"], (-1, gru.units))])
            outputs[f"state_{k}"] = ops.reshape(x, ops.shape(inputs[f"state_{k}"]))
        return outputs | {"token": ops.reshape(self.words(x), (-1, self.known.size))}


def series_of(state: str, known: Vocabulary) -> int:
    """How many times a sequence is read."""
    return known.slots if state == "blocks" else 1


def _column_sizes(state: str, known: Vocabulary) -> list[int]:
    """How many values each column of `views` takes."""
    if state == "joint":
        return known.column_sizes
    return [known.words + 1, known.words + 1, 2 * known.slots, known.slots]


def views(tokens, known: Vocabulary, state: str):
    """A sequence as each slot sees it: (batch, time, 3) -> (batch, series, time, columns) int32.

    Columns of slot s: the word, where the operation is on s, else 0; the word, where it is on another slot; how far
    that slot is from s, counted from 1; s. Under state "joint" the one series is the tokens as they are.
    """
    tokens = ops.expand_dims(tokens, 1)
    if state == "joint":
        return tokens
    slot, word = tokens[..., 1], tokens[..., 2]
    number = np.arange(known.slots, dtype="int32")[:, None]
    own = ops.equal(slot, number + 1)
    columns = [
        ops.where(own, word, 0),
        ops.where(own, 0, word),
        ops.where(ops.equal(slot, 0), 0, slot - 1 - number + known.slots),
        ops.zeros_like(slot) + number,
    ]
    return ops.stack([ops.cast(column, "int32") for column in columns], axis=-1)


def _network(tokens, known: Vocabulary, state, embedding, hidden, num_layers, dropout, policy) -> keras.KerasTensor:
    """The graph from tokens to logits, which are float32 whatever the policy.

    No mask: read forwards, what stands behind the end changes nothing before it, and the loss does not count it.
    """
    sizes = _column_sizes(state, known)
    x = TokenEmbedding(sizes, embedding, dtype=policy, name="tokens_embedded")(views(tokens, known, state))
    for k in range(num_layers):
        x = SeriesGRU(hidden, dtype=policy, name=f"gru_{k}")(x)
        # A seed of its own, drawn from the run's: without one, Keras on torch draws masks that no saved state restores.
        x = layers.Dropout(dropout, seed=dropout_seed(), dtype=policy, name=f"dropout_{k}")(x)
    x = layers.Dense(known.size // series_of(state, known), dtype="float32", name="words")(x)
    return layers.Reshape((-1, known.size), dtype="float32", name="token")(ops.transpose(x, (0, 2, 1, 3)))
