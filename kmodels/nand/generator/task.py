"""Which function of the nand.generator model does what, for the pipeline that all models share."""

from operator import attrgetter

from kmodels.core.spec.task import GeneratorTask, TrainingData
from kmodels.nand.generator.data.encode import encode, tokens, training_examples
from kmodels.nand.generator.data.load import SUFFIXES, load
from kmodels.nand.generator.data.split import split
from kmodels.nand.generator.evaluation import sampling
from kmodels.nand.generator.evaluation.baselines import baselines
from kmodels.nand.generator.evaluation.calibration import SurpriseCalibration
from kmodels.nand.generator.evaluation.diagnostics import diagnostics
from kmodels.nand.generator.evaluation.figures import plot
from kmodels.nand.generator.evaluation.metrics import metrics
from kmodels.nand.generator.evaluation.prediction import decode
from kmodels.nand.generator.gates import GATES
from kmodels.nand.generator.network.generator import build
from kmodels.nand.generator.recipe import GeneratorRecipe
from kmodels.nand.generator.simulator import SIMULATION


def notes(recipe: GeneratorRecipe) -> list[str]:
    """List what a reader of the report must know about where its figures come from."""
    texts = [f"evaluated on {recipe.model.samples} constrained and as many free sequences, temperature 1"]
    if recipe.model.max_hop is None:
        texts.append("free sequences leave out tokens that surprise more than the threshold of legal operations")
    if recipe.train.scheme == "prefix":
        texts.append("one example for every prefix, as in the prototype: the same targets at many times the work")
    return texts


class NandGeneratorTask(GeneratorTask):
    """Learn which NAND flash command sequences are legal, and generate new ones."""

    name = "nand.generator"
    question = "Which NAND flash command sequences are legal, and how are new ones generated?"
    recipe = GeneratorRecipe
    simulation = SIMULATION
    suffixes = SUFFIXES
    output_suffixes = (".csv", ".parquet")
    gates = GATES
    unit = "pair"
    references = ("simulator",)
    headline = (
        "validity_free",
        "validity_untruncated",
        "validity_constrained",
        "novelty",
        "novelty_free",
        "coverage",
        "mix_distance",
        "offset_mix_distance",
        "nats_per_operation",
        "false_alarms",
    )

    load = staticmethod(load)
    groups = staticmethod(attrgetter("pair"))
    split = staticmethod(split)
    encode = staticmethod(encode)
    training_examples = staticmethod(training_examples)
    build = staticmethod(build)
    decode = staticmethod(decode)
    metrics = staticmethod(metrics)
    baselines = staticmethod(baselines)
    diagnostics = staticmethod(diagnostics)
    notes = staticmethod(notes)
    figures = staticmethod(plot)

    def adapt(self, model, records):
        """Start each word at its share in the training sequences."""
        model.adapt(tokens(records, model.rules, model.vocabulary))

    def callbacks(self, recipe, data: TrainingData):
        """Choose the threshold of the surprise after each epoch."""
        return [SurpriseCalibration(data.validation)] if recipe.model.max_hop is None else []

    def generate(self, model, recipe, n, seed, **options):
        """Generate n sequences."""
        return sampling.generate(model, n, seed, **options)


TASK = NandGeneratorTask()
