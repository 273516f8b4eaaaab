"""Every number of a nand.generator run."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from kmodels.core.spec.recipe import Recipe, Section, TrainSection
from kmodels.nand.recipe import Data


class GeneratorData(Data):
    """The sequences; all with one share of reads, for the mix of what is generated is compared with theirs."""

    read_rate: tuple[float, float] = Field((0.4, 0.4), description=Data.model_fields["read_rate"].description)


class Model(Section):
    """The vocabulary and the network, and how many sequences it is evaluated on."""

    max_offset: int = Field(
        16, ge=1, le=4096, description="page offsets told apart, either sign; farther ones count as the last"
    )
    max_hop: int | None = Field(
        None,
        ge=0,
        le=4096,
        description="none: a token for every operation, formed from the trace alone; a number: for legal operations "
        "alone, with programs that skip so many pages at most",
    )
    memory: Literal["pages", "none"] = Field(
        "pages",
        description="pages: the network sees which of the last `max_offset` pages of each block the trace has shown to "
        "be written; none: it has to remember them",
    )
    state: Literal["blocks", "joint"] = Field(
        "blocks",
        description="blocks: a GRU state for each block, all with the same weights; joint: one state for the sequence",
    )
    embedding: int = Field(16, ge=1, le=1024, description="width of an operation's embedding")
    hidden: int = Field(32, ge=1, le=4096, description="units of each GRU")
    num_layers: int = Field(1, ge=1, le=8, description="GRU layers")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout rate after each GRU layer")
    samples: int = Field(2000, ge=1, description="sequences of each kind that it generates for an evaluation")

    @property
    def keeps_pages(self) -> bool:
        """Whether the network sees the pages that are written; never where tokens stand for legal operations alone."""
        return self.memory == "pages" and self.max_hop is None


class Train(TrainSection):
    """How it is trained."""

    epochs: int = Field(10, ge=1, description="passes over the training data")
    batch_size: int = Field(32, ge=1, description="examples a step")
    learning_rate: float = Field(2e-2, gt=0, le=1, description="Adam's step size at the start")
    scheme: Literal["sequence", "prefix"] = Field(
        "sequence",
        description="sequence: a sequence is an example, every operation a target; prefix: every prefix is an example "
        "and the operation behind it its one target, as in the prototype",
    )


class GeneratorRecipe(Recipe):
    """Generate legal NAND command sequences."""

    RENAMED: ClassVar[dict[str, str]] = {"model.layers": "model.num_layers"}
    VARIANTS: ClassVar = {"prefix": {"train": {"scheme": "prefix"}}, "joint": {"model": {"state": "joint"}}}
    SMALL_OPERATIONS: ClassVar = True
    FASTEST: ClassVar = ("jax", "tensorflow", "torch")
    SMOKE: ClassVar = {
        "data": {"n_sequences": 800, "seq_len": 30},
        "model": {"hidden": 16, "embedding": 16, "samples": 200},
        "train": {"epochs": 2},
    }

    @model_validator(mode="after")
    def _agrees(self):
        if self.data.initial_state == "unknown" and self.model.max_hop is not None:
            raise ValueError("model.max_hop = a number needs data.initial_state = not_erased or erased")
        return self

    task: Literal["nand.generator"] = Field("nand.generator", description="the model that this recipe belongs to")
    data: GeneratorData = GeneratorData()
    model: Model = Model()
    train: Train = Train()


RECIPE = GeneratorRecipe
