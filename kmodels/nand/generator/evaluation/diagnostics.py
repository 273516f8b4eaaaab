"""What TensorBoard shows after every epoch: what the model generates by then."""

from matplotlib.figure import Figure

from kmodels.core.spec.task import EvaluationInput
from kmodels.nand.generator.evaluation import figures
from kmodels.nand.generator.evaluation.metrics import SampleEvaluator

FEW = 200  # sequences: enough for a curve, generated in a fraction of a second


def diagnostics(evaluated: EvaluationInput) -> tuple[dict[str, float], dict[str, Figure]]:
    """Compute the scalars and plot the figures of an epoch.

    Returns
    -------
    scalars : dict of str to float
        The scores of FEW sequences of each kind.
    figures : dict of str to Figure
        The mix of operations beside the data's.
    """
    prediction, model = evaluated.prediction, evaluated.prediction.model
    n = min(FEW, model.samples)
    free, constrained = (prediction.generate(masked, n) for masked in (False, True))
    evaluator = SampleEvaluator({"test": evaluated.records}, model.rules, model.vocabulary, 0)
    scores = evaluator.evaluate(free, constrained, -prediction.log_likelihood, prediction.length)
    scalars = {name: value for name, value in scores.values.items() if value is not None}
    return scalars, {"mix": figures.plot_mix(evaluated.records, constrained, model)}
