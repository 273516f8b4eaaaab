"""What TensorBoard shows after every epoch: what the model writes by then."""

from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.generator.evaluation import figures
from kmodels.nand.generator.evaluation.metrics import Judge

FEW = 200  # sequences: enough for a curve, written in a fraction of a second


def diagnostics(evaluated: EvaluationInput) -> tuple[dict, dict]:
    """(scalars, pictures): validity of free sequences, nats an operation, distances; the mix beside the data's."""
    prediction, model = evaluated.prediction, evaluated.prediction.model
    n = min(FEW, model.samples)
    free, constrained = (prediction.samples(masked, n) for masked in (False, True))
    judge = Judge({"test": evaluated.records}, model.rules, model.known, 0)
    scores = judge.scores(free, constrained, -prediction.log_likelihood, prediction.length)
    scalars = {name: value for name, value in scores.values.items() if value is not None}
    return scalars, {"mix": figures.mix(evaluated.records, constrained, model)}
