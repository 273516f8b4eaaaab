"""The classifier: embeddings -> GRU layers -> attention pooling -> verdict, and a head on every operation."""

import random

import keras
from keras import layers, ops

from kmodels.core.model import TermModel, adam
from kmodels.layers.attention_pooling import AttentionPooling
from kmodels.layers.token_embedding import TokenEmbedding
from kmodels.nand import encode, losses
from kmodels.nand.trace import CODES


def build(recipe, steps: int) -> "NandClassifier":
    """The compiled classifier of a recipe, for a training of so many steps."""
    model, train = recipe.model, recipe.train
    classifier = NandClassifier(
        sizes=list(encode.columns(recipe).values()),
        numbers=4 if model.encoding == "normalized" else 0,
        embedding=model.embedding,
        hidden=model.hidden,
        depth=model.layers,
        dropout=model.dropout,
        bidirectional=model.bidirectional,
        operation_head=model.operation_head,
        loss_name=train.loss,
        focal_alpha=train.focal_alpha,
        focal_gamma=train.focal_gamma,
        operation_weight=train.operation_weight,
        policy=train.precision,
    )
    classifier.compile(optimizer=adam(train, steps), jit_compile="auto")
    return classifier


@keras.saving.register_keras_serializable("kmodels")
class NandClassifier(TermModel):
    """Bi-GRU classifier of command sequences.

    Inputs: tokens (batch, time, columns) int32, column 0 the operation + 1 and 0 behind the end; with numbers > 0
    also numbers (batch, time, numbers) float32. Outputs: invalid (batch,), the logit that the sequence breaks a rule;
    with operation_head also operation (batch, time, codes), logits of the code of the first violation.

    threshold: the probability from which a sequence counts as invalid; chosen on validation data, saved with it.
    """

    def __init__(
        self,
        sizes,
        numbers=0,
        embedding=32,
        hidden=64,
        depth=2,
        dropout=0.4,
        bidirectional=True,
        operation_head=True,
        loss_name="bce",
        focal_alpha=0.7,
        focal_gamma=2.0,
        operation_weight=1.0,
        policy="float32",
        **kwargs,
    ):
        self_config = {k: v for k, v in locals().items() if k not in ("self", "kwargs", "__class__")}
        inputs = {"tokens": keras.Input((None, len(sizes)), dtype="int32", name="tokens")}
        if numbers:
            inputs["numbers"] = keras.Input((None, numbers), name="numbers")
        weights = {"verdict": 1.0} | ({"operation": operation_weight} if operation_head else {})
        super().__init__(weights, inputs=inputs, outputs=_network(inputs, **self_config), **kwargs)
        self._config = self_config
        self.threshold = self.add_weight(
            name="threshold",
            shape=(),
            dtype="float32",
            initializer=keras.initializers.Constant(0.5),
            trainable=False,
            autocast=False,
        )

    def terms(self, x, y, y_pred):
        """verdict: binary cross-entropy or focal loss. operation: cross-entropy of the first violation's code."""
        config = self._config
        if config["loss_name"] == "focal":
            verdict = losses.focal(y["invalid"], y_pred["invalid"], config["focal_alpha"], config["focal_gamma"])
        else:
            verdict = losses.binary_cross_entropy(y["invalid"], y_pred["invalid"])
        if not config["operation_head"]:
            return {"verdict": verdict}
        operation = losses.operation_cross_entropy(y["operation"], y_pred["operation"])
        return {"verdict": verdict, "operation": operation}

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a configuration."""
        return cls(**config)


def _network(
    inputs, sizes, embedding, hidden, depth, dropout, bidirectional, operation_head, policy, **_
) -> dict[str, keras.KerasTensor]:
    """The graph from inputs to logits; logits are float32 whatever the policy."""
    tokens = inputs["tokens"]
    mask = ops.not_equal(tokens[..., 0], 0)
    x = TokenEmbedding(sizes, embedding, dtype=policy, name="tokens_embedded")(tokens)
    if "numbers" in inputs:
        x = layers.Concatenate(dtype=policy, name="with_numbers")([x, inputs["numbers"]])
    x = own = layers.Dense(4 * embedding, activation="gelu", dtype=policy, name="mixed")(x)
    for k in range(depth):
        gru = layers.GRU(hidden, return_sequences=True, dtype=policy, name=f"gru_{k}")
        layer = layers.Bidirectional(gru, dtype=policy, name=f"both_ways_{k}") if bidirectional else gru
        # A seed of its own, drawn from the run's: without one, Keras on torch draws masks that no saved state restores.
        seed = random.getrandbits(31)
        x = layers.Dropout(dropout, seed=seed, dtype=policy, name=f"dropout_{k}")(layer(x, mask=mask))
    evidence = [AttentionPooling(hidden, dtype=policy, name="pooling")(x, mask=mask)]
    outputs = {}
    if operation_head:
        # Beside its context each operation's own features: a rule that shows in a few of them is learned from some
        # dozens of examples that way, and not at all through two layers of saturated gates and dropout.
        x = layers.Concatenate(dtype=policy, name="context_and_own")([x, own])
        outputs["operation"] = layers.Dense(len(CODES), dtype="float32", name="operation")(x)
        # A sequence is invalid when its worst operation is: the verdict sees each code's largest logit, too. Without
        # it the verdict waits an epoch or two until the attention has found the one operation that matters.
        hidden_end = ops.where(ops.expand_dims(mask, -1), outputs["operation"], -1e4)
        evidence.append(ops.max(hidden_end, axis=1))
    evidence = layers.Concatenate(dtype="float32", name="evidence")(evidence)
    outputs["invalid"] = ops.squeeze(layers.Dense(1, dtype="float32", name="verdict")(evidence), -1)
    return outputs
