"""The generator: embedded tokens -> GRU layers -> probability of every next token."""

import json
import random

import keras
from keras import layers

from kmodels.core.model import TermModel, adam
from kmodels.layers.token_embedding import TokenEmbedding
from kmodels.nand import losses
from kmodels.nand.generator.encode import Vocabulary, vocabulary
from kmodels.nand.recipe import Data


def build(recipe, steps: int) -> "NandGenerator":
    """The compiled generator of a recipe, for a training of so many steps."""
    model, train = recipe.model, recipe.train
    generator = NandGenerator(
        data=recipe.data.model_dump(mode="json"),
        max_hop=model.max_hop,
        samples=model.samples,
        embedding=model.embedding,
        hidden=model.hidden,
        depth=model.layers,
        dropout=model.dropout,
        policy=train.precision,
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
    """

    def __init__(
        self,
        data,
        max_hop=3,
        samples=2000,
        embedding=64,
        hidden=128,
        depth=1,
        dropout=0.0,
        policy="float32",
        **kwargs,
    ):
        self_config = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        rules = Data.model_validate_json(json.dumps(data))
        known = vocabulary(rules, max_hop)
        inputs = {"tokens": keras.Input((None, 3), dtype="int32", name="tokens")}
        network = _network(inputs["tokens"], known, embedding, hidden, depth, dropout, policy)
        super().__init__({"token": 1.0}, inputs=inputs, outputs={"token": network}, **kwargs)
        self._config = self_config
        self.rules, self.known, self.samples = rules, known, samples

    def terms(self, x, y, y_pred):
        """token: cross-entropy of the operations that count, nats an operation."""
        return {"token": losses.operation_cross_entropy(y["token"], y_pred["token"])}

    def step_layers(self) -> tuple:
        """(embedding, GRU layers in order, head): what a single step of sampling runs through."""
        grus = [self.get_layer(f"gru_{k}") for k in range(self._config["depth"])]
        return self.get_layer("tokens_embedded"), grus, self.get_layer("token")

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a configuration."""
        return cls(**config)


def _network(tokens, known: Vocabulary, embedding, hidden, depth, dropout, policy) -> keras.KerasTensor:
    """The graph from tokens to logits, which are float32 whatever the policy.

    No mask: read forwards, what stands behind the end changes nothing before it, and the loss does not count it.
    """
    x = TokenEmbedding(known.column_sizes, embedding, dtype=policy, name="tokens_embedded")(tokens)
    for k in range(depth):
        x = layers.GRU(hidden, return_sequences=True, dtype=policy, name=f"gru_{k}")(x)
        # A seed of its own, drawn from the run's: without one, Keras on torch draws masks that no saved state restores.
        x = layers.Dropout(dropout, seed=random.getrandbits(31), dtype=policy, name=f"dropout_{k}")(x)
    return layers.Dense(known.size, dtype="float32", name="token")(x)
