"""A Trace as the network's inputs: `tokens` (n, time, columns) int32 and `numbers` (n, time, k) float32.

Token column 0 is always the operation + 1, and 0 behind the end of a sequence: the network's mask.
"""

from dataclasses import dataclass

import numpy as np

from kmodels.core.training.batching import ArrayExamples
from kmodels.nand.data.records import ERASE, OPERATIONS, PAD, PROGRAM, Trace
from kmodels.nand.data.rules import Device
from kmodels.nand.recipe import NandRecipe

FARTHEST = 15  # operations and counts told apart; more count as this


class NandPreprocessor:
    """Turn sequences into the arrays that `NandClassifier` is trained on.

    Parameters
    ----------
    recipe : NandRecipe, optional
        The encoding and its features; the default recipe's for None.

    Examples
    --------
    >>> preprocess = NandPreprocessor()
    >>> x, y = preprocess(trace)  # doctest: +SKIP
    """

    def __init__(self, recipe: NandRecipe | None = None):
        self.recipe = NandRecipe() if recipe is None else recipe

    @property
    def columns(self) -> dict[str, int]:
        """The token columns and how many values each takes, an argument of `NandClassifier`."""
        return columns(self.recipe)

    def __call__(self, trace: Trace) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Encode n sequences as ({"tokens": ...}, {"invalid": ..., "operation": ...}), no targets without labels."""
        examples = encode(trace.read(), self.recipe)
        return examples.inputs, examples.targets


def columns(recipe: NandRecipe) -> dict[str, int]:
    """List the token columns and how many values each takes: {"op": 4, "slot": 16, ...}."""
    model, geometry = recipe.model, recipe.data.geometry
    sizes = {"op": len(OPERATIONS) + 1}
    if model.encoding != "normalized":
        pages = geometry.pages if model.encoding == "steps" else model.max_page + 1
        slots = model.max_slots if _is_embedded(model) else geometry.dies * geometry.planes * geometry.blocks
        sizes |= {"die": geometry.dies, "plane": geometry.planes, "slot": slots, "page": pages + 1}
    if model.sequence_order == "block":
        sizes["first"] = 2
    if model.features == "differences":
        sizes |= {
            "difference": 2 * model.max_difference + 2,
            "since": FARTHEST + 2,
            "before": len(OPERATIONS) + 1,
            **{f"n_{name}": FARTHEST + 1 for name in OPERATIONS},
        }
    if model.features == "rule_flags":
        sizes |= {"is_erased": 2, "is_next_page": 2, "is_written": 2, "is_recent": 2}
    return sizes


def _is_embedded(model) -> bool:
    """Whether the network embeds a block's number; otherwise it only tells by it which operations belong together."""
    return model.encoding == "slots" and model.sequence_order == "time"


@dataclass(frozen=True)
class TraceExamples:
    """Examples of a trace on disk, encoded when they are taken.

    Parameters
    ----------
    trace : Trace
        n sequences.
    recipe : NandRecipe
        Its model section gives the encoding.
    """

    trace: Trace
    recipe: NandRecipe

    def __len__(self) -> int:
        return len(self.trace)

    def take(self, rows: np.ndarray) -> tuple[dict, dict]:
        """Encode these rows as (inputs, targets), see `encode`."""
        examples = encode(self.trace.read(rows), self.recipe)
        return examples.inputs, examples.targets


def encode(trace: Trace, recipe: NandRecipe) -> ArrayExamples | TraceExamples:
    """Make inputs and targets.

    Parameters
    ----------
    trace : Trace
        n sequences.
    recipe : NandRecipe
        Its model section gives the encoding.

    Returns
    -------
    ArrayExamples or, of a trace on disk, TraceExamples
        Inputs: tokens (n, time, columns) and, under `encoding: normalized`, numbers (n, time, 4). Targets, where the
        trace has labels: invalid (n,) 0/1; for the operation head operation (n, time): the code at the first
        violation, 0 elsewhere, -1 (counts nothing) behind the end and in invalid sequences whose place of violation is
        not known.
    """
    if trace.on_disk:
        return TraceExamples(trace, recipe)
    slot = trace.slots()
    tokens = {"op": trace.op + 1}
    if recipe.model.encoding != "normalized":
        page = np.minimum(trace.page, recipe.model.max_page) if recipe.model.encoding == "slots" else trace.page
        tokens |= {
            "die": trace.die,
            "plane": trace.plane,
            "slot": slot % recipe.model.max_slots if _is_embedded(recipe.model) else slot,
            "page": page + 1,
        }
    if recipe.model.sequence_order == "block":
        tokens["first"] = mark_first_operations(slot)
    if recipe.model.features == "differences":
        tokens |= differences(trace, slot, recipe.model.max_difference)
    if recipe.model.features == "rule_flags":
        tokens |= rule_flags(trace, slot, recipe.data)
    stacked = np.stack([tokens[name] for name in columns(recipe)], axis=-1).astype("int32")
    inputs = {"tokens": np.where(stacked[..., :1] == 0, 0, stacked)}
    if recipe.model.encoding == "normalized":
        inputs["numbers"] = normalized(trace, recipe.data.geometry)
    return ArrayExamples(inputs, {} if trace.invalid is None else _targets(trace, recipe))


def _targets(trace, recipe):
    invalid = {"invalid": trace.invalid.astype("float32")}
    if not recipe.model.operation_head:
        return invalid
    rows = np.arange(len(trace))
    operation = np.where(trace.op == PAD, -1, 0).astype("int32")
    known = trace.violation_index >= 0
    operation[rows[known], trace.violation_index[known]] = trace.violation_code[known]
    operation[trace.invalid & ~known] = -1
    return invalid | {"operation": operation}


def mark_first_operations(slot: np.ndarray) -> np.ndarray:
    """Mark the first operation of every block: (n, time) 0/1; slots are numbered by first appearance."""
    before = np.maximum.accumulate(slot, axis=1)[:, :-1]
    return (slot > np.pad(before, ((0, 0), (1, 0)), constant_values=-1)).astype("int32")


def normalized(trace: Trace, geometry) -> np.ndarray:
    """Divide addresses by the largest: (n, time, 4) in [0, 1]. Neighbouring pages differ by 4e-4."""
    largest = [geometry.dies, geometry.planes, geometry.blocks, geometry.pages]
    parts = [trace.die, trace.plane, trace.block, np.maximum(trace.page, 0)]
    return np.stack([p / max(count - 1, 1) for p, count in zip(parts, largest, strict=True)], -1).astype("float32")


def differences(trace: Trace, slot: np.ndarray, farthest: int) -> dict[str, np.ndarray]:
    """Compute what comes before each operation in the same block of the raw trace: (n, time) each.

    difference: page minus the page last programmed in the block (-1 before the first), clipped to +-farthest and
    shifted to 1 .. 2 farthest + 1; 0 for an erase. since: operations since the block was last touched, 0 if never.
    before: the block's last operation + 1. n_erase, n_program, n_read: how many the block has had.
    No rule and no limit of the device is used: an illegal operation counts like a legal one, and an erase resets
    nothing.
    """
    n, time = trace.op.shape
    slots = int(slot.max(initial=0)) + 1
    base = np.arange(n) * slots
    programmed, touched, before = (np.full(n * slots, -1) for _ in range(3))
    counts = [np.zeros(n * slots, "int64") for _ in OPERATIONS]
    names = ["difference", "since", "before", *(f"n_{name}" for name in OPERATIONS)]
    features = {name: np.empty((time, n), "int32") for name in names}
    for t in range(time):
        op, page, at = trace.op[:, t], trace.page[:, t], base + slot[:, t]
        step = np.clip(page - programmed[at], -farthest, farthest) + farthest + 1
        features["difference"][t] = np.where(op == ERASE, 0, step)
        features["since"][t] = np.where(touched[at] < 0, 0, np.minimum(t - touched[at], FARTHEST + 1))
        features["before"][t] = before[at] + 1
        for number, name in enumerate(OPERATIONS):
            features[f"n_{name}"][t] = np.minimum(counts[number][at], FARTHEST)
            counts[number][at] += op == number
        programmed[at] = np.where(op == PROGRAM, page, programmed[at])
        real = op != PAD
        touched[at] = np.where(real, t, touched[at])
        before[at] = np.where(real, op, before[at])
    return {name: values.T for name, values in features.items()}


def rule_flags(trace: Trace, slot: np.ndarray, rules) -> dict[str, np.ndarray]:
    """Compute the state that decides legality, as the prototype's features do: they give the answer away."""
    device = Device(len(trace), int(slot.max(initial=0)) + 1, rules)
    names = ("is_erased", "is_next_page", "is_written", "is_recent")
    features = {name: np.empty(trace.op.shape[::-1], "int32") for name in names}
    for t in range(trace.op.shape[1]):
        page = trace.page[:, t]
        frontier, written = device.step(trace.op[:, t], slot[:, t], page)
        features["is_erased"][t] = frontier >= 0
        features["is_next_page"][t] = page == frontier
        features["is_written"][t] = written
        features["is_recent"][t] = frontier - 1 - page < rules.read_offset_limit
    return {name: values.T for name, values in features.items()}
