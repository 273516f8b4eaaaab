"""Every number of a nand run."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection

Strategy = Literal["page_hop", "overwrite", "read_unwritten", "stale_read"]


class Geometry(Section):
    """The device's addresses; each count's largest address is the count - 1."""

    dies: int = Field(2, ge=1, le=64, description="dies")
    planes: int = Field(4, ge=1, le=64, description="planes a die")
    blocks: int = Field(1000, ge=1, le=1 << 20, description="blocks a plane")
    first_block: int = Field(0, ge=0, description="the simulator uses blocks from this number on")
    pages: int = Field(2564, ge=2, le=1 << 16, description="pages a block")


class Data(Section):
    """The sequences, and the rules that they are checked by."""

    n_sequences: int = Field(20_000, ge=40, multiple_of=2, description="sequences, half of them invalid")
    seq_len: int = Field(50, ge=4, le=10_000, description="operations a sequence")
    num_blocks: int = Field(3, ge=1, le=256, description="blocks that a sequence works on")
    erase_rate: float = Field(0.05, ge=0, le=1, description="share of erases after the first ones")
    read_rate: tuple[float, float] = Field(
        (0.2, 0.6), description="lowest and highest share of reads, uniform over sequences; the rest are programs"
    )
    corruption: Literal["exact", "legacy"] = Field(
        "exact", description="exact: one proven violation; legacy: the prototype's generator with its label noise"
    )
    strategies: tuple[Strategy, ...] = Field(
        ("page_hop", "read_unwritten", "stale_read"),
        min_length=1,
        description="the kinds of violation, in equal numbers",
    )
    read_offset_limit: int = Field(5, ge=1, description="L: reads reach back fewer pages than this")
    program_order: Literal["strict", "monotonic", "any"] = Field(
        "strict", description="strict: p == w; monotonic: p >= w; any: never twice"
    )
    initial_state: Literal["not_erased", "erased", "unknown"] = Field(
        "not_erased",
        description="blocks when a recording begins: not_erased; erased; unknown: it begins in mid-life, and what was "
        "never seen is not held against a sequence",
    )
    split: tuple[float, float, float] = Field(
        (0.70, 0.15, 0.15), description="shares of training, validation and test, by pair"
    )
    geometry: Geometry = Geometry()

    @field_validator("read_rate", mode="before")
    @classmethod
    def _of_all(cls, value):
        """Take one number for every sequence's, as earlier recipes have it."""
        values = tuple(value) if isinstance(value, list | tuple) else (value,)
        return 2 * values if len(values) == 1 else values

    @model_validator(mode="after")
    def _agrees(self):
        total = self.geometry.dies * self.geometry.planes * (self.geometry.blocks - self.geometry.first_block)
        if self.num_blocks > total:
            raise ValueError(f"num_blocks = {self.num_blocks} is more than the {total} blocks of the geometry")
        if self.num_blocks >= self.seq_len - 1:
            raise ValueError(f"num_blocks = {self.num_blocks} first erases leave seq_len = {self.seq_len} no room")
        low, high = self.read_rate
        if not 0 <= low <= high:
            raise ValueError(f"read_rate = [{low:g}, {high:g}]: needs 0 <= lowest <= highest")
        if self.erase_rate + high > 0.95:
            raise ValueError("erase_rate + read_rate must leave at least 0.05 for programs")
        if self.initial_state == "unknown" and self.corruption == "legacy":
            raise ValueError("corruption = legacy needs initial_state = not_erased, as the prototype has it")
        if min(self.split) <= 0:
            raise ValueError(f"split = {self.split}: every part needs a share above 0")
        if self.program_order != "strict" and "page_hop" in self.strategies:
            raise ValueError(
                f"strategies: page_hop is legal under program_order {self.program_order}; use overwrite instead"
            )
        return self


class Model(Section):
    """How a sequence is encoded, and the network."""

    encoding: Literal["steps", "slots", "normalized"] = Field(
        "steps",
        description="steps: pages as steps from the operation before in the same block, formed by the network; slots: "
        "pages embedded; normalized: address / largest address, as in the prototype",
    )
    features: Literal["none", "differences", "rule_flags"] = Field(
        "none",
        description="none: the network tracks the state of each block by itself; differences: what came before in the "
        "same block; rule_flags: whether each rule is kept, which gives the answer away",
    )
    bidirectional: bool = Field(False, description="read the sequence in both directions")
    sequence_order: Literal["block", "time"] = Field(
        "block",
        description="block: read block after block, so that a block's past comes just before; time: as recorded",
    )
    pooling: Literal["attention_max", "attention"] = Field(
        "attention_max",
        description="features of the validity head; attention: a weighted mean over the operations; attention_max: "
        "also the largest logit of each violation",
    )
    embedding: int = Field(32, ge=1, le=1024, description="width of an operation's embedding")
    hidden: int = Field(64, ge=1, le=4096, description="units of each GRU and direction")
    num_layers: int = Field(1, ge=1, le=8, description="GRU layers")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout rate after each GRU layer")
    operation_head: bool = Field(True, description="predict for every operation whether it is the first violation")
    ensemble_size: int = Field(
        1, ge=1, le=32, description="networks of different random start whose mean probability is the output"
    )
    threshold: Literal["validation", "half"] = Field(
        "validation",
        description="probability from which a sequence is invalid; validation: of the best there the one nearest to "
        "0.5; half: 0.5, as in the prototype",
    )
    max_slots: int = Field(
        16, ge=1, le=4096, description="blocks told apart where their numbers are embedded (slots in the order of time)"
    )
    max_page: int = Field(63, ge=1, le=1 << 16, description="pages told apart; higher ones count as this")
    max_difference: int = Field(16, ge=1, le=4096, description="differences told apart, either sign")

    @model_validator(mode="after")
    def _agrees(self):
        if self.sequence_order == "block" and self.encoding == "normalized":
            raise ValueError(
                "sequence_order = block needs encoding = steps or slots, not normalized; or set sequence_order = time"
            )
        return self


class Train(TrainSection):
    """How it is trained."""

    epochs: int = Field(14, ge=1, description="passes over the training data")
    learning_rate: float = Field(1e-2, gt=0, le=1, description="Adam's step size at the start")
    loss: Literal["bce", "focal"] = Field(
        "bce", description="bce: binary cross-entropy; focal: focal loss, of the validity"
    )
    focal_alpha: float = Field(0.7, gt=0, lt=1, description="focal loss: weight of the invalid class")
    focal_gamma: float = Field(2.0, ge=0, description="focal loss: exponent, how far easy examples fade")
    hard_negatives: bool = Field(
        True, description="after each epoch, train again on the invalid sequences that were missed"
    )
    operation_weight: float = Field(10.0, ge=0, description="weight of the per-operation loss beside the validity's")


class NandRecipe(Recipe):
    """Classify NAND command sequences."""

    RENAMED: ClassVar[dict[str, str]] = {
        "model.reading": "model.sequence_order",
        "model.members": "model.ensemble_size",
        "model.layers": "model.num_layers",
    }
    RENAMED_CHOICES: ClassVar[dict[str, dict[str, str]]] = {
        "model.pooling": {"worst": "attention_max"},
        "model.features": {"oracle_flags": "rule_flags"},
    }
    VARIANTS: ClassVar = {
        "flawed": {
            "data": {"read_rate": [0.4, 0.4]},
            "model": {"encoding": "normalized", "sequence_order": "time"},
            "train": {"epochs": 8},
        },
        "bidirectional": {"model": {"bidirectional": True}, "train": {"epochs": 8}},
        "slots": {"model": {"encoding": "slots", "bidirectional": True}, "train": {"epochs": 8}},
        "differences": {
            "model": {"encoding": "slots", "features": "differences", "bidirectional": True},
            "train": {"epochs": 2},
        },
    }
    SMALL_OPERATIONS: ClassVar = True
    FASTEST: ClassVar = ("jax", "tensorflow", "torch")
    SMOKE: ClassVar = {
        "data": {"n_sequences": 800, "seq_len": 30},
        "model": {"hidden": 16, "num_layers": 1},
        "train": {"epochs": 2},
    }

    task: Literal["nand"] = Field("nand", description="the model that this recipe belongs to")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()


RECIPE = NandRecipe
