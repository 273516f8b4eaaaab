"""The classifier: embeddings -> GRU layers -> attention pooling -> validity, and a head on every operation."""

from collections.abc import Mapping
from typing import Literal

import keras
from keras import layers, ops

from kmodels.core.spec.arguments import check_choice, check_integers, check_numbers, check_rate
from kmodels.core.training import backend
from kmodels.core.training.devices.layers import Dropout
from kmodels.core.training.optimizer import adam
from kmodels.core.training.term_model import TermModel, dropout_seed, policy_name
from kmodels.layers.attention_pooling import AttentionPooling
from kmodels.layers.grouped_rnn import GroupedRNN
from kmodels.layers.token_embedding import TokenEmbedding
from kmodels.nand.data import encode
from kmodels.nand.data.records import CODES
from kmodels.nand.network import losses
from kmodels.nand.network.gru import GRU
from kmodels.nand.network.page_steps import PageSteps
from kmodels.nand.recipe import NandRecipe


def build(recipe: NandRecipe, steps: int) -> "NandClassifier":
    """Make the compiled classifier of a recipe, for a training of so many steps."""
    classifier = NandClassifier.from_recipe(recipe)
    classifier.compile(optimizer=adam(recipe.train, steps), jit_compile="auto")
    return classifier


@keras.saving.register_keras_serializable("kmodels.nand")
class NandClassifier(TermModel):
    """GRU classifier of command sequences, of one direction or both.

    Inputs: tokens (batch, time, columns) int32, column "op" the operation + 1, and 0 behind the end of a sequence;
    with `numbers` > 0 also numbers (batch, time, numbers) float32. `NandPreprocessor` makes them.

    Outputs: invalid (batch,), the logit that the sequence breaks a rule; with `operation_head` also operation (batch,
    time, codes), logits of the code of the first violation. With `ensemble_size` > 1 the mean probability of the
    networks (soft voting) is the output, and their own logits are the outputs each_invalid (batch, ensemble_size) and
    each_operation (batch, ensemble_size, time, codes).

    Targets: invalid (batch,) 0/1; with `operation_head` also operation (batch, time) int32: the code of the first
    violation at its step, 0 at other steps, -1 where a step does not count.

    `threshold` is a variable: the probability from which a sequence counts as invalid, 0.5 at the start.

    `export` writes a SavedModel on tensorflow and, without gradients, on jax; on torch Keras exports no outputs in a
    dictionary: save the model, load it on one of those and export it there.

    Parameters
    ----------
    columns : mapping of str to int, optional
        The token columns and how many values each takes, "op" first; those of the default recipe for None. With
        `sequence_order` "block", the column "slot" says which block an operation is on.
    numbers : int
        Real-valued features of an operation.
    page_steps : int
        Read the column "page" by its steps from operation to operation of a block, so many told apart of either sign
        (`PageSteps`); 0: embed the page.
    sequence_order : {"block", "time"}
        Read the operations block after block, or in the order of time.
    embedding : int
        Width of an operation's embedding.
    hidden : int
        Units of each GRU and direction.
    num_layers : int
        GRU layers.
    dropout : float
        Dropout rate after each GRU layer.
    bidirectional : bool
        Read the sequence in both directions.
    pooling : {"attention_max", "attention"}
        Features of the validity head: a weighted mean over the operations; attention_max: also each code's largest
        logit.
    operation_head : bool
        Predict for every operation whether it is the first violation.
    ensemble_size : int
        Networks of different random start, each trained by its own loss.
    fixed_threshold : bool
        Keep the threshold at 0.5 where it would be chosen on validation data.
    loss : {"bce", "focal"}
        Binary cross-entropy or focal loss of the validity.
    focal_alpha, focal_gamma : float
        The focal loss' weight of the invalid class, and its exponent.
    operation_weight : float
        Weight of the operation head's loss beside that of the validity.
    dtype : str or keras.DTypePolicy, optional
        Dtype policy of the layers, Keras' global policy for None; logits are float32 in any case.
    name : str, optional
        Of the model.

    References
    ----------
    Cho et al. 2014, arXiv:1406.1078 (GRU). Yang et al. 2016, doi:10.18653/v1/N16-1174 (attention pooling). Lin et al.
    2017, arXiv:1708.02002 (focal loss).
    """

    def __init__(
        self,
        columns: Mapping[str, int] | None = None,
        numbers: int = 0,
        page_steps: int = 16,
        *,
        sequence_order: Literal["block", "time"] = "block",
        embedding: int = 32,
        hidden: int = 64,
        num_layers: int = 1,
        dropout: float = 0.1,
        bidirectional: bool = False,
        pooling: Literal["attention_max", "attention"] = "attention_max",
        operation_head: bool = True,
        ensemble_size: int = 1,
        fixed_threshold: bool = False,
        loss: Literal["bce", "focal"] = "bce",
        focal_alpha: float = 0.7,
        focal_gamma: float = 2.0,
        operation_weight: float = 10.0,
        dtype=None,
        name: str | None = None,
    ):
        columns = encode.columns(NandRecipe()) if columns is None else columns
        _check_arguments(columns, page_steps, sequence_order, pooling, loss)
        check_integers("NandClassifier", embedding=embedding, hidden=hidden, num_layers=num_layers)
        check_integers("NandClassifier", ensemble_size=ensemble_size)
        check_integers("NandClassifier", least=0, numbers=numbers, page_steps=page_steps)
        check_rate("NandClassifier", dropout=dropout)
        check_numbers("NandClassifier", "from 0 to 1", focal_alpha=focal_alpha)
        check_numbers("NandClassifier", focal_gamma=focal_gamma, operation_weight=operation_weight)
        columns = dict(columns)
        policy = policy_name(dtype)
        inputs = {"tokens": keras.Input((None, len(columns)), dtype="int32", name="tokens")}
        if numbers:
            inputs["numbers"] = keras.Input((None, numbers), dtype="float32", name="numbers")
        # While it loads a model, Keras' Bidirectional tells layers by their ids, and takes two for one when the second
        # is given the id of what is gone: so those it copies stay until all are made.
        copied = []
        networks = [
            _network(
                inputs,
                f"_{k}" if k else "",
                copied,
                columns=columns,
                page_steps=page_steps,
                sequence_order=sequence_order,
                embedding=embedding,
                hidden=hidden,
                num_layers=num_layers,
                dropout=dropout,
                bidirectional=bidirectional,
                pooling=pooling,
                operation_head=operation_head,
                policy=policy,
            )
            for k in range(ensemble_size)
        ]
        weights = {"verdict": 1.0} | ({"operation": operation_weight} if operation_head else {})
        super().__init__(weights, inputs=inputs, outputs=_vote(networks), name=name)
        self.fixed_threshold = fixed_threshold
        self.threshold = self.scalar("threshold", 0.5)
        self._arguments = {
            "columns": columns,
            "numbers": numbers,
            "page_steps": page_steps,
            "sequence_order": sequence_order,
            "embedding": embedding,
            "hidden": hidden,
            "num_layers": num_layers,
            "dropout": dropout,
            "bidirectional": bidirectional,
            "pooling": pooling,
            "operation_head": operation_head,
            "ensemble_size": ensemble_size,
            "fixed_threshold": fixed_threshold,
            "loss": loss,
            "focal_alpha": focal_alpha,
            "focal_gamma": focal_gamma,
            "operation_weight": operation_weight,
            "dtype": policy,
        }

    @classmethod
    def from_recipe(cls, recipe: NandRecipe) -> "NandClassifier":
        """Make the network of a recipe, not compiled."""
        model, train = recipe.model, recipe.train
        return cls(
            columns=encode.columns(recipe),
            numbers=4 if model.encoding == "normalized" else 0,
            page_steps=model.max_difference if model.encoding == "steps" else 0,
            sequence_order=model.sequence_order,
            embedding=model.embedding,
            hidden=model.hidden,
            num_layers=model.num_layers,
            dropout=model.dropout,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            operation_head=model.operation_head,
            ensemble_size=model.ensemble_size,
            fixed_threshold=model.threshold == "half",
            loss=train.loss,
            focal_alpha=train.focal_alpha,
            focal_gamma=train.focal_gamma,
            operation_weight=train.operation_weight,
            dtype=train.dtype,
        )

    def target_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Name the targets, with their shapes behind the batch."""
        return {"invalid": ()} | ({"operation": (None,)} if self._arguments["operation_head"] else {})

    def terms(self, x, y, y_pred) -> dict:
        """Compute the loss terms of each example.

        Returns
        -------
        dict of str to tensor, shape (batch,)
            verdict: binary cross-entropy or focal loss. operation: cross-entropy of the first violation's code. Of an
            ensemble the mean: each network is trained by its own errors, not by those of the vote.
        """
        if "each_invalid" not in y_pred:
            return self._network_terms(y, y_pred)
        members = [
            self._network_terms(
                y, {name: y_pred[f"each_{name}"][:, k] for name in ("invalid", "operation") if name in y_pred}
            )
            for k in range(self._arguments["ensemble_size"])
        ]
        return {name: sum(terms[name] for terms in members) / len(members) for name in members[0]}

    def _network_terms(self, y, logits) -> dict:
        """Compute the terms of one network of the ensemble."""
        arguments, invalid = self._arguments, ops.cast(y["invalid"], "float32")
        if arguments["loss"] == "focal":
            alpha, gamma = arguments["focal_alpha"], arguments["focal_gamma"]
            terms = {"verdict": losses.focal(invalid, logits["invalid"], alpha, gamma)}
        else:
            terms = {"verdict": losses.binary_cross_entropy(invalid, logits["invalid"])}
        if arguments["operation_head"]:
            terms["operation"] = losses.operation_cross_entropy(y["operation"], logits["operation"])
        return terms

    def export(self, filepath, format: str = "tf_saved_model", **kwargs):
        """Export the network, as `keras.Model.export` does; on jax without gradients, `GroupedRNN`'s own among them."""
        if format == "tf_saved_model" and backend.current() == "jax":
            kwargs["jax2tf_kwargs"] = {"with_gradient": False} | (kwargs.get("jax2tf_kwargs") or {})
        return super().export(filepath, format=format, **kwargs)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {"name": self.name, **self._arguments, "columns": dict(self._arguments["columns"])}


def _check_arguments(columns, page_steps, sequence_order, pooling, loss) -> None:
    """Refuse arguments that would fail deep inside, or be ignored."""
    if not isinstance(columns, Mapping):
        example = "a dictionary of sizes by name, such as {'op': 4, 'slot': 16}"
        raise ValueError(f"NandClassifier: columns = {columns!r}; expected {example}")
    check_choice("NandClassifier", "sequence_order", sequence_order, ("block", "time"))
    check_choice("NandClassifier", "pooling", pooling, ("attention_max", "attention"))
    check_choice("NandClassifier", "loss", loss, ("bce", "focal"))
    if next(iter(columns), None) != "op":
        raise ValueError(f'NandClassifier: columns = {columns}; the first must be "op", 0 behind the end of a sequence')
    if sequence_order == "block" and "slot" not in columns:
        raise ValueError(
            f'NandClassifier: sequence_order = "block" needs a column "slot"; columns: {", ".join(columns)}; '
            f'or set sequence_order = "time"'
        )
    if page_steps and not {"slot", "page"} <= columns.keys():
        raise ValueError(
            f'NandClassifier: page_steps = {page_steps} needs columns "slot" and "page"; columns: {", ".join(columns)}'
        )


def _network(
    inputs,
    suffix,
    copied,
    *,
    columns,
    page_steps,
    sequence_order,
    embedding,
    hidden,
    num_layers,
    dropout,
    bidirectional,
    pooling,
    operation_head,
    policy,
) -> dict[str, keras.KerasTensor]:
    """Connect one network from inputs to logits; logits are float32 whatever the policy."""
    tokens = inputs["tokens"]
    mask = ops.not_equal(tokens[..., 0], 0)
    block = list(columns).index("slot") if sequence_order == "block" else None
    # A block's number says which operations belong together and nothing else. Embedded, it made noise of every block
    # beyond those trained on: 50% to 98% right on sequences of eight blocks after a training on three.
    names = list(columns)
    read = [k for k, name in enumerate(names) if k != block and not (page_steps and name in ("slot", "page"))]
    sizes, x = [columns[names[k]] for k in read], ops.take(tokens, read, axis=-1)
    if page_steps:
        steps = PageSteps(page_steps, name=f"page_steps{suffix}")(
            tokens[..., names.index("page")], tokens[..., names.index("slot")]
        )
        sizes, x = [*sizes, 2 * page_steps + 2], ops.concatenate([x, ops.expand_dims(steps, -1)], axis=-1)
    x = TokenEmbedding(sizes, embedding, dtype=policy, name=f"tokens_embedded{suffix}")(x)
    if "numbers" in inputs:
        x = layers.Concatenate(dtype=policy, name=f"with_numbers{suffix}")([x, inputs["numbers"]])
    x = own = layers.Dense(4 * embedding, activation="gelu", dtype=policy, name=f"mixed{suffix}")(x)
    for k in range(num_layers):
        layer = GRU(hidden, return_sequences=True, dtype=policy, name=f"gru_{k}{suffix}")
        if bidirectional:
            copied.append(layer)
            layer = layers.Bidirectional(layer, dtype=policy, name=f"both_ways_{k}{suffix}")
        if block is None:
            x = layer(x, mask=mask)
        else:
            x = GroupedRNN(layer, dtype=policy, name=f"by_block_{k}{suffix}")(x, tokens[..., block], mask=mask)
        x = Dropout(dropout, seed=dropout_seed(), dtype=policy, name=f"dropout_{k}{suffix}")(x)
    evidence = [AttentionPooling(hidden, dtype=policy, name=f"pooling{suffix}")(x, mask=mask)]
    outputs = {}
    if operation_head or pooling == "attention_max":
        # Beside its context each operation's own features: a rule that shows in a few of them is learned from some
        # dozens of examples that way, and not at all through two layers of saturated gates and dropout.
        x = layers.Concatenate(dtype=policy, name=f"context_and_own{suffix}")([x, own])
        operation = layers.Dense(len(CODES), dtype="float32", name=f"operation{suffix}")(x)
        if operation_head:
            outputs["operation"] = operation
        if pooling == "attention_max":
            # A sequence is invalid when one of its operations is: the head sees each code's largest logit, too.
            # Either alone learns much later: the attention has to find the one operation that matters, and a maximum
            # teaches one operation of each sequence.
            evidence.append(ops.max(ops.where(ops.expand_dims(mask, -1), operation, -1e4), axis=1))
    evidence = layers.Concatenate(dtype="float32", name=f"evidence{suffix}")(evidence)
    outputs["invalid"] = ops.squeeze(layers.Dense(1, dtype="float32", name=f"verdict{suffix}")(evidence), -1)
    return outputs


def _vote(networks: list[dict]) -> dict[str, keras.KerasTensor]:
    """Return one network's outputs as they are; of several the mean probability as a logit, and each one's logits."""
    if len(networks) == 1:
        return networks[0]
    each = {name: ops.stack([outputs[name] for outputs in networks], axis=1) for name in networks[0]}
    p = ops.clip(ops.mean(ops.sigmoid(each["invalid"]), axis=1), 1e-7, 1 - 1e-7)
    outputs = {"invalid": ops.log(p) - ops.log1p(-p)}
    if "operation" in each:
        outputs["operation"] = ops.log(ops.mean(ops.softmax(each["operation"], axis=-1), axis=1) + 1e-9)
    return outputs | {f"each_{name}": logits for name, logits in each.items()}
