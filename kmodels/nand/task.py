"""The contents page of the nand model."""

from kmodels.core.spec.task import Task
from kmodels.core.training import batching
from kmodels.nand.data.encode import encode
from kmodels.nand.data.load import SUFFIXES, load
from kmodels.nand.evaluation.diagnostics import diagnostics
from kmodels.nand.evaluation.figures import draw
from kmodels.nand.evaluation.metrics import baselines, calibrate, decode, metrics
from kmodels.nand.gates import GATES
from kmodels.nand.ladder import LADDER
from kmodels.nand.network.classifier import build
from kmodels.nand.network.mining import mine_hard_negatives
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator.sequences import SIMULATION, simulate


def notes(recipe: NandRecipe) -> list[str]:
    """What a reader of the report must know about where its figures come from."""
    found = []
    if recipe.model.features == "oracle_flags":
        found.append("uses oracle features: the inputs hold the answer, so these figures say nothing about learning")
    if recipe.model.features == "differences":
        found.append(
            "uses features: page and time differences to the same block's operations before, and their counts "
            "(raw trace only, no rules)"
        )
    if recipe.data.corruption == "legacy":
        found.append("legacy data: some of its invalid labels are legal sequences, and large pages give others away")
    return found


def transfer(recipe: NandRecipe) -> NandRecipe:
    """Sequences of 200 operations on 8 blocks, all of them at addresses that no training sequence has."""
    blocks = recipe.data.geometry.blocks
    data = {
        "n_sequences": 2 * max(20, min(500, recipe.data.n_sequences // 40)),
        "seq_len": 200,
        "num_blocks": 8,
        "corruption": "exact",
        "geometry": {"first_block": blocks, "blocks": 2 * blocks},
    }
    return recipe.with_changes({"data": data})


TASK = Task(
    name="nand",
    question="Is this NAND flash command sequence legal, and where does it break which rule?",
    recipe=NandRecipe,
    simulation=SIMULATION,
    suffixes=SUFFIXES,
    output_suffixes=(".csv", ".parquet"),
    simulate=simulate,
    load=load,
    split=lambda trace, recipe: batching.split_groups(trace.pair, recipe.data.split, recipe.seed),
    encode=encode,
    build=build,
    calibrate=calibrate,
    decode=decode,
    metrics=lambda parts, prediction, seed: metrics(parts["test"], prediction, seed),
    baselines=baselines,
    diagnostics=diagnostics,
    figures=draw,
    gates=GATES,
    ladder=LADDER,
    headline=(
        "accuracy",
        "invalid_f1",
        "f1_page_hop",
        "f1_read_unwritten",
        "f1_stale_read",
        "worst_strategy_f1",
        "localisation",
        "transfer_accuracy",
        "balanced_accuracy",
        "mcc",
        "auroc",
        "calibration_error",
    ),
    notes=notes,
    mine_hard_negatives=mine_hard_negatives,
    transfer=transfer,
)
