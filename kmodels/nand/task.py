"""Which function of the nand model does what, for the pipeline that all models share."""

from operator import attrgetter

from kmodels.core.spec.task import Task, TrainingData
from kmodels.nand.data.encode import encode
from kmodels.nand.data.load import SUFFIXES, load
from kmodels.nand.data.split import split
from kmodels.nand.evaluation.baselines import baselines
from kmodels.nand.evaluation.calibration import ThresholdCalibration
from kmodels.nand.evaluation.diagnostics import diagnostics
from kmodels.nand.evaluation.figures import plot
from kmodels.nand.evaluation.metrics import metrics
from kmodels.nand.evaluation.prediction import decode
from kmodels.nand.gates import GATES
from kmodels.nand.ladder import LADDER
from kmodels.nand.network.classifier import build
from kmodels.nand.network.mining import HardNegativeMining
from kmodels.nand.recipe import NandRecipe
from kmodels.nand.simulator.sequences import SIMULATION


def notes(recipe: NandRecipe) -> list[str]:
    """List what a reader of the report must know about where its figures come from."""
    texts = []
    if recipe.model.features == "rule_flags":
        texts.append("uses rule flags: the inputs hold the answer, so these figures say nothing about learning")
    if recipe.model.features == "differences":
        texts.append(
            "uses features: page and time differences to the same block's operations before, and their counts "
            "(raw trace only, no rules)"
        )
    if recipe.data.corruption == "legacy":
        texts.append("legacy data: some of its invalid labels are legal sequences, and large pages give others away")
    return texts


def transfer(recipe: NandRecipe) -> NandRecipe:
    """Make the recipe of the transfer data: longer, more blocks, other addresses, and mostly reads.

    200 operations on 8 blocks, at addresses that no training sequence has. Of what comes after the first erases, seven
    operations in ten are reads, where training has two to six: what decides an operation lies further back than in
    training. There are as many sequences as in the test part: the share of one in five hundred hangs on chance.
    """
    blocks = recipe.data.geometry.blocks
    data = {
        "n_sequences": max(40, 2 * round(recipe.data.n_sequences * recipe.data.split[2] / 2)),
        "seq_len": 200,
        "num_blocks": 8,
        "read_rate": (0.7, 0.7),
        "corruption": "exact",
        "geometry": {"first_block": blocks, "blocks": 2 * blocks},
    }
    return recipe.with_changes({"data": data})


class NandTask(Task):
    """Classify NAND flash command sequences, and find where they break which rule."""

    name = "nand"
    question = "Is this NAND flash command sequence legal, and where does it break which rule?"
    recipe = NandRecipe
    simulation = SIMULATION
    suffixes = SUFFIXES
    output_suffixes = (".csv", ".parquet")
    gates = GATES
    unit = "pair"
    references = ("rule_checker",)
    ladder = LADDER
    headline = (
        "accuracy",
        "macro_f1",
        "invalid_f1",
        "valid_f1",
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
    )

    load = staticmethod(load)
    groups = staticmethod(attrgetter("pair"))
    split = staticmethod(split)
    encode = staticmethod(encode)
    build = staticmethod(build)
    decode = staticmethod(decode)
    baselines = staticmethod(baselines)
    diagnostics = staticmethod(diagnostics)
    notes = staticmethod(notes)
    figures = staticmethod(plot)
    transfer_recipe = staticmethod(transfer)

    def metrics(self, splits, prediction, seed):
        """Score validity and the places of violations."""
        return metrics(splits["test"], prediction, seed)

    def callbacks(self, recipe, data: TrainingData):
        """Choose the threshold after each epoch, and mine hard negatives."""
        mining = [HardNegativeMining(data.records, data.examples, recipe)] if recipe.train.hard_negatives else []
        return [*mining, ThresholdCalibration(data.validation)]


TASK = NandTask()
