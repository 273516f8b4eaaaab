"""Every number of a nand run."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection

Strategy = Literal["page_hop", "overwrite", "read_unwritten", "stale_read"]


class Geometry(Section):
    """The device's addresses; each count's largest address is the count - 1."""

    dies: int = Field(2, ge=1, le=64, description="dies [1]")
    planes: int = Field(4, ge=1, le=64, description="planes a die [1]")
    blocks: int = Field(1000, ge=1, le=1 << 20, description="blocks a plane [1]")
    first_block: int = Field(0, ge=0, description="the simulator uses blocks from this number on")
    pages: int = Field(2564, ge=2, le=1 << 16, description="pages a block [1]")


class Data(Section):
    """What sequences there are, and by which rules they are judged."""

    n_sequences: int = Field(20_000, ge=40, multiple_of=2, description="sequences, half of them invalid [sequences]")
    seq_len: int = Field(50, ge=4, le=10_000, description="operations a sequence [operations]")
    num_blocks: int = Field(3, ge=1, le=256, description="blocks that a sequence works on [blocks]")
    erase_rate: float = Field(0.05, ge=0, le=1, description="share of erases after the first ones [1]")
    read_rate: float = Field(0.40, ge=0, le=1, description="share of reads; the rest are programs [1]")
    corruption: Literal["exact", "legacy"] = Field(
        "exact", description="exact: one proven violation; legacy: the seed's generator with its label noise"
    )
    strategies: tuple[Strategy, ...] = Field(
        ("page_hop", "read_unwritten", "stale_read"),
        min_length=1,
        description="the kinds of violation, in equal numbers",
    )
    read_offset_limit: int = Field(5, ge=1, description="L: reads reach back fewer pages than this [pages]")
    program_order: Literal["strict", "monotonic", "any"] = Field(
        "strict", description="strict: p == w; monotonic: p >= w; any: never twice"
    )
    split: tuple[float, float, float] = Field(
        (0.70, 0.15, 0.15), description="shares of training, validation and test, by pair [1]"
    )
    geometry: Geometry = Geometry()

    @model_validator(mode="after")
    def _agrees(self):
        total = self.geometry.dies * self.geometry.planes * (self.geometry.blocks - self.geometry.first_block)
        if self.num_blocks > total:
            raise ValueError(f"num_blocks = {self.num_blocks} is more than the {total} blocks of the geometry")
        if self.num_blocks >= self.seq_len - 1:
            raise ValueError(f"num_blocks = {self.num_blocks} first erases leave seq_len = {self.seq_len} no room")
        if self.erase_rate + self.read_rate > 0.95:
            raise ValueError("erase_rate + read_rate must leave at least 0.05 for programs")
        if min(self.split) <= 0:
            raise ValueError(f"split = {self.split}: every part needs a share above 0")
        if self.program_order != "strict" and "page_hop" in self.strategies:
            raise ValueError(
                f"strategies: page_hop is legal under program_order {self.program_order}; use overwrite instead"
            )
        return self


class Model(Section):
    """How a sequence is encoded, and the network."""

    encoding: Literal["slots", "normalized"] = Field(
        "slots", description="slots: blocks and pages embedded; normalized: address / largest address, as the seed has"
    )
    features: Literal["none", "differences", "rule_flags"] = Field(
        "differences",
        description="differences: what came before in the same block; rule_flags: hands over the answer",
    )
    bidirectional: bool = Field(True, description="read the sequence both ways")
    sequence_order: Literal["block", "time"] = Field(
        "block",
        description="order of reading: block after block, so that a block's past stands before it; or as it came",
    )
    pooling: Literal["attention_max", "attention"] = Field(
        "attention_max",
        description="what the verdict sees; attention: a weighted mean over the operations; attention_max: also the most "
        "suspect one",
    )
    embedding: int = Field(32, ge=1, le=1024, description="width of an operation's embedding [1]")
    hidden: int = Field(32, ge=1, le=4096, description="units of each GRU and direction [1]")
    num_layers: int = Field(2, ge=1, le=8, description="GRU layers")
    dropout: float = Field(0.4, ge=0, lt=1, description="share of features dropped after each GRU layer [1]")
    operation_head: bool = Field(True, description="say for every operation whether it is the first violation")
    ensemble_size: int = Field(1, ge=1, le=32, description="networks of different random start whose mean probability is the output")
    threshold: Literal["validation", "half"] = Field(
        "validation",
        description="probability from which a sequence is invalid; validation: the best there; half: 0.5, as the seed",
    )
    max_slots: int = Field(16, ge=1, le=4096, description="blocks told apart; further ones share slots [blocks]")
    max_page: int = Field(63, ge=1, le=1 << 16, description="pages told apart; higher ones count as this [pages]")
    max_difference: int = Field(16, ge=1, le=4096, description="differences told apart, either sign [pages]")

    @model_validator(mode="after")
    def _agrees(self):
        if self.sequence_order == "block" and self.encoding != "slots":
            raise ValueError(f"sequence_order = block needs encoding = slots, not {self.encoding}; or set sequence_order = time")
        return self


class Train(TrainSection):
    """How it is trained."""

    epochs: int = Field(2, ge=1, description="passes over the training data [epochs]")
    learning_rate: float = Field(5e-3, gt=0, le=1, description="Adam's step size at the start")
    loss: Literal["bce", "focal"] = Field("bce", description="of the verdict")
    focal_alpha: float = Field(0.7, gt=0, lt=1, description="focal loss: weight of the invalid class [1]")
    focal_gamma: float = Field(2.0, ge=0, description="focal loss: how far easy examples fade [1]")
    hard_negatives: bool = Field(
        True, description="after each epoch, train again on the invalid sequences that were missed"
    )
    operation_weight: float = Field(10.0, ge=0, description="weight of the per-operation loss beside the verdict's [1]")


class NandRecipe(Recipe):
    """Classify NAND command sequences."""

    VARIANTS: ClassVar = {
        "flawed": {
            "model": {"encoding": "normalized", "features": "none", "bidirectional": False, "sequence_order": "time"},
        },
        "slots": {"model": {"features": "none"}, "train": {"epochs": 15}},
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
