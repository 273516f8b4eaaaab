"""The classifier: embeddings -> GRU layers -> attention pooling -> verdict, and a head on every operation."""

import keras
from keras import layers, ops

from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed
from kmodels.layers.attention_pooling import AttentionPooling
from kmodels.layers.grouped_rnn import GroupedRNN
from kmodels.layers.token_embedding import TokenEmbedding
from kmodels.nand.data import encode
from kmodels.nand.data.records import CODES
from kmodels.nand.network import losses
from kmodels.nand.network.gru import GRU


def build(recipe, steps: int) -> "NandClassifier":
    """The compiled classifier of a recipe, for a training of so many steps."""
    model, train = recipe.model, recipe.train
    columns = encode.columns(recipe)
    classifier = NandClassifier(
        sizes=list(columns.values()),
        numbers=4 if model.encoding == "normalized" else 0,
        group_column=list(columns).index("slot") if model.sequence_order == "block" else None,
        embedding=model.embedding,
        hidden=model.hidden,
        num_layers=model.num_layers,
        dropout=model.dropout,
        bidirectional=model.bidirectional,
        pooling=model.pooling,
        operation_head=model.operation_head,
        ensemble_size=model.ensemble_size,
        fixed_threshold=model.threshold == "half",
        loss_name=train.loss,
        focal_alpha=train.focal_alpha,
        focal_gamma=train.focal_gamma,
        operation_weight=train.operation_weight,
        policy=train.dtype,
    )
    classifier.compile(optimizer=adam(train, steps), jit_compile="auto")
    return classifier


@keras.saving.register_keras_serializable("kmodels")
class NandClassifier(TermModel):
    """Bi-GRU classifier of command sequences.

    Inputs: tokens (batch, time, columns) int32, column 0 the operation + 1 and 0 behind the end; with numbers > 0
    also numbers (batch, time, numbers) float32. Outputs: invalid (batch,), the logit that the sequence breaks a rule;
    with operation_head also operation (batch, time, codes), logits of the code of the first violation.

    group_column: the token column that says which block an operation is on, where blocks are read one after another;
    it is not embedded.
    ensemble_size: so many networks of different random start, trained on the same batches, each by its own loss. Their mean
    probability is the output (soft voting); their own logits are the outputs each_invalid (batch, ensemble_size) and
    each_operation (batch, ensemble_size, time, codes).

    threshold: the probability from which a sequence counts as invalid; chosen on validation data, saved with it,
    unless fixed_threshold.
    """

    def __init__(
        self,
        sizes,
        numbers=0,
        group_column=None,
        embedding=32,
        hidden=64,
        num_layers=2,
        dropout=0.4,
        bidirectional=True,
        pooling="attention_max",
        operation_head=True,
        ensemble_size=1,
        fixed_threshold=False,
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
        # While it loads a model, Keras' Bidirectional tells layers by their ids, and takes two for one when the second
        # is given the id of what is gone: so those it copies stay until all are made.
        copied = []
        outputs = _voted([_network(inputs, f"_{k}" if k else "", copied, **self_config) for k in range(ensemble_size)])
        weights = {"verdict": 1.0} | ({"operation": operation_weight} if operation_head else {})
        super().__init__(weights, inputs=inputs, outputs=outputs, **kwargs)
        self._config = self_config
        self.fixed_threshold = fixed_threshold
        self.threshold = self.add_weight(
            name="threshold",
            shape=(),
            dtype="float32",
            initializer=keras.initializers.Constant(0.5),
            trainable=False,
            autocast=False,
        )

    def terms(self, x, y, y_pred):
        """verdict: binary cross-entropy or focal loss. operation: cross-entropy of the first violation's code.

        Of several members the mean: each is trained by its own errors, not by those of the vote.
        """
        if "each_invalid" not in y_pred:
            return self._terms(y, y_pred)
        members = [
            self._terms(y, {name: y_pred[f"each_{name}"][:, k] for name in ("invalid", "operation") if name in y_pred})
            for k in range(self._config["ensemble_size"])
        ]
        return {name: sum(terms[name] for terms in members) / len(members) for name in members[0]}

    def _terms(self, y, logits):
        """The terms of one network."""
        config = self._config
        if config["loss_name"] == "focal":
            verdict = losses.focal(y["invalid"], logits["invalid"], config["focal_alpha"], config["focal_gamma"])
        else:
            verdict = losses.binary_cross_entropy(y["invalid"], logits["invalid"])
        if not config["operation_head"]:
            return {"verdict": verdict}
        return {"verdict": verdict, "operation": losses.operation_cross_entropy(y["operation"], logits["operation"])}

    def get_config(self):
        """The constructor's arguments."""
        return {"name": self.name, **self._config}


def _network(
    inputs,
    suffix,
    copied,
    sizes,
    group_column,
    embedding,
    hidden,
    num_layers,
    dropout,
    bidirectional,
    pooling,
    operation_head,
    policy,
    **_,
) -> dict[str, keras.KerasTensor]:
    """The graph of one network from inputs to logits; logits are float32 whatever the policy."""
    tokens = inputs["tokens"]
    mask = ops.not_equal(tokens[..., 0], 0)
    # A block's number says which operations belong together and nothing else. Embedded, it made noise of every block
    # beyond those trained on: 50% to 98% right on sequences of eight blocks after a training on three.
    read = [k for k in range(len(sizes)) if k != group_column]
    embed = TokenEmbedding([sizes[k] for k in read], embedding, dtype=policy, name=f"tokens_embedded{suffix}")
    x = embed(ops.take(tokens, read, axis=-1))
    if "numbers" in inputs:
        x = layers.Concatenate(dtype=policy, name=f"with_numbers{suffix}")([x, inputs["numbers"]])
    x = own = layers.Dense(4 * embedding, activation="gelu", dtype=policy, name=f"mixed{suffix}")(x)
    for k in range(num_layers):
        layer = GRU(hidden, return_sequences=True, dtype=policy, name=f"gru_{k}{suffix}")
        if bidirectional:
            copied.append(layer)
            layer = layers.Bidirectional(layer, dtype=policy, name=f"both_ways_{k}{suffix}")
        if group_column is None:
            x = layer(x, mask=mask)
        else:
            x = GroupedRNN(layer, dtype=policy, name=f"by_block_{k}{suffix}")(x, tokens[..., group_column], mask=mask)
        x = layers.Dropout(dropout, seed=dropout_seed(), dtype=policy, name=f"dropout_{k}{suffix}")(x)
    evidence = [AttentionPooling(hidden, dtype=policy, name=f"pooling{suffix}")(x, mask=mask)]
    outputs = {}
    if operation_head or pooling == "attention_max":
        # Beside its context each operation's own features: a rule that shows in a few of them is learned from some
        # dozens of examples that way, and not at all through two layers of saturated gates and dropout.
        x = layers.Concatenate(dtype=policy, name=f"context_and_own{suffix}")([x, own])
        suspicion = layers.Dense(len(CODES), dtype="float32", name=f"operation{suffix}")(x)
        if operation_head:
            outputs["operation"] = suspicion
        if pooling == "attention_max":
            # A sequence is invalid when its worst operation is: the verdict sees each code's largest logit, too.
            # Either alone learns much later: the attention has to find the one operation that matters, and a maximum
            # teaches one operation of each sequence.
            evidence.append(ops.max(ops.where(ops.expand_dims(mask, -1), suspicion, -1e4), axis=1))
    evidence = layers.Concatenate(dtype="float32", name=f"evidence{suffix}")(evidence)
    outputs["invalid"] = ops.squeeze(layers.Dense(1, dtype="float32", name=f"verdict{suffix}")(evidence), -1)
    return outputs


def _voted(members: list[dict]) -> dict[str, keras.KerasTensor]:
    """One network's outputs as they are; of several the mean probability as a logit, and each one's own logits."""
    if len(members) == 1:
        return members[0]
    each = {name: ops.stack([outputs[name] for outputs in members], axis=1) for name in members[0]}
    p = ops.clip(ops.mean(ops.sigmoid(each["invalid"]), axis=1), 1e-7, 1 - 1e-7)
    voted = {"invalid": ops.log(p) - ops.log1p(-p)}
    if "operation" in each:
        voted["operation"] = ops.log(ops.mean(ops.softmax(each["operation"], axis=-1), axis=1) + 1e-9)
    return voted | {f"each_{name}": logits for name, logits in each.items()}
