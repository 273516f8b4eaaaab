"""A Recipe is every number of a run: typed, frozen, bounded, with units in its field descriptions.

Precedence, lowest first: defaults, `--variant`, YAML file, `--smoke`, command line. See `kmodels.core.cli.parse`.
"""

import hashlib
import json
from typing import Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

ELSEWHERE = 1_000_003  # far from the seeds that somebody trains with next to each other


class Section(BaseModel):
    """A group of fields: frozen, no unknown keys, no NaN, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


class TrainSection(Section):
    """How it is trained: the fields that mean the same in every model."""

    epochs: int = Field(10, ge=1, description="passes over the training data [epochs]")
    batch_size: int = Field(128, ge=1, description="examples a step [examples]")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's step size at the start")
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="course of the learning rate; cosine: to zero at the last step"
    )
    clip_norm: float = Field(1.0, ge=0, description="largest global norm of a gradient; 0: no limit")
    patience: int = Field(
        0, ge=0, description="stop after so many epochs without a lower validation loss; 0: never [epochs]"
    )
    min_delta: float = Field(0.0, ge=0, description="for patience, a loss is lower when it is lower by more than this")
    dtype: Literal["float32", "mixed_bfloat16"] = Field(
        "float32", description="arithmetic of the layers, as Keras names it; losses are always float32"
    )
    deterministic: bool | None = Field(
        None,
        description="add up in one order, so that the same recipe gives the same weights to the last bit, at some cost "
        "in time; null: true on a CPU, false on an accelerator",
    )
    checkpoint_seconds: float = Field(
        600.0, gt=0, description="save within an epoch, too, when the last save is this old [s]"
    )

    def kept_epochs(self, done: int) -> set[int]:
        """Choose, of `done` epochs, those whose states are kept to the end, beside the best and the last."""
        return set()


class Recipe(Section):
    """The base of every model's recipe: sections `data`, `model` and `train`, and a seed.

    Attributes
    ----------
    VARIANTS : dict
        Named sets of changed fields, `{"flawed": {"model": {"encoding": "normalized"}}}`.
    SMOKE : dict
        The changes that make the whole path run in a minute or two.
    TUNING : dict
        Fields by their dotted keys that `fit --from` changes beside the step size, which becomes a tenth.
    SMALL_OPERATIONS : bool
        Whether the model runs many small operations a step (see `backend.select`).
    FASTEST : tuple of str
        Backends in the order of the time that a whole training takes on a CPU; empty: not measured.
    ONE_DEVICE : tuple of str
        Backends on which a training is known to go wrong on several devices, which `fit` refuses.
    RENAMED : dict of str to str
        `{"train.precision": "train.dtype"}`, old key to new one; of a field or of a section.
    RENAMED_CHOICES : dict
        `{"model.pooling": {"worst": "attention_max"}}`, by the new key: old value to new one.
    RENAMED_VARIANTS : dict of str to str
        Old name of a variant to its new one.
    BEFORE : dict
        What runs did that were stored before a field was there, where its default is another: nested by section.

    Notes
    -----
    What was called otherwise in earlier versions is still read (see `kmodels.core.cli.parse.with_current_names`); a
    subclass adds its own RENAMED tables to those of its base.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {}
    SMOKE: ClassVar[dict[str, Any]] = {}
    TUNING: ClassVar[dict[str, Any]] = {}
    SMALL_OPERATIONS: ClassVar[bool] = False
    FASTEST: ClassVar[tuple[str, ...]] = ()
    ONE_DEVICE: ClassVar[tuple[str, ...]] = ()
    RENAMED: ClassVar[dict[str, str]] = {"train.precision": "train.dtype"}
    RENAMED_CHOICES: ClassVar[dict[str, dict[str, str]]] = {}
    RENAMED_VARIANTS: ClassVar[dict[str, str]] = {}
    BEFORE: ClassVar[dict[str, Any]] = {}

    task: str = Field(description="the model that this recipe belongs to")
    seed: int = Field(0, ge=0, lt=2**31, description="root of all random numbers: data, weights, order")

    @classmethod
    def renamed(cls, table: str = "RENAMED") -> dict:
        """Merge one of the RENAMED tables of this class with those of its bases."""
        merged = {}
        for base in reversed(cls.__mro__):
            merged |= vars(base).get(table, {})
        return merged

    def to_yaml(self) -> str:
        """Write the recipe as YAML text, every field included."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def digest(self) -> str:
        """Hash the recipe to eight hexadecimal digits, which change when any field changes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def seed_elsewhere(self) -> int:
        """Choose a seed for data that no training near this recipe's seed sees."""
        return (self.seed + ELSEWHERE) % 2**31

    def with_changes(self, changes: dict[str, Any]) -> "Recipe":
        """Replace some fields: `recipe.with_changes({"train": {"epochs": 3}})`.

        Parameters
        ----------
        changes : dict
            Nested by section; fields that it does not name stay.

        Returns
        -------
        Recipe
            A new one, of the same class.

        Raises
        ------
        pydantic.ValidationError
            For a field that there is not, or a value that is not allowed.
        """
        merged = merge(self.model_dump(mode="json"), changes)
        return type(self).model_validate_json(json.dumps(merged))


def merge(base: dict, changes: dict) -> dict:
    """Put the leaves of `changes` over those of `base`, both nested dictionaries; neither is altered."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def leaves(section: type[Section], prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    """List every settable key of a recipe type, dotted, with its pydantic field.

    Parameters
    ----------
    section : type of Section
        A recipe or one of its sections.
    prefix : tuple of str
        Sections above it.

    Returns
    -------
    dict of str to pydantic.fields.FieldInfo
        `{"train.epochs": FieldInfo}`.
    """
    found = {}
    for name, field in section.model_fields.items():
        path = (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= leaves(field.annotation, path)
        else:
            found[".".join(path)] = field
    return found
