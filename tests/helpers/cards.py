"""A preset judged on simulated data of another seed, beside its card: `python tests/helpers/cards.py NAME SEED`.

It imports kmodels alone, so that an installed one can be asked.
"""

import json
import sys


def compared(name: str, seed: int) -> dict[str, tuple]:
    """Evaluate a preset anew.

    Parameters
    ----------
    name : str
        The preset.
    seed : int
        Of the data.

    Returns
    -------
    dict of str to tuple
        {headline metric: (interval now, interval on the card)}, of those that have both.
    """
    from kmodels import presets
    from kmodels.core.report.report import judged
    from kmodels.core.runs import pipeline
    from kmodels.core.runs.predictor import Predictor
    from kmodels.presets import make

    predictor, card = Predictor.open(presets.path(name)), presets.card(name)
    task, recipe = predictor.task, predictor.recipe.with_changes({"seed": seed})
    parts = pipeline.load_splits(task, recipe, None)
    untrained = make.build_untrained(task, recipe, parts)  # ratios to the best of the baselines need it
    found = pipeline.evaluate(task, predictor.model, recipe, parts, untrained)
    now, then = judged(task, found.scores, found.baselines, True)["intervals"], card["intervals"]
    return {metric: (now[metric], then[metric]) for metric in task.headline if now.get(metric) and then.get(metric)}


def apart(pairs: dict[str, tuple]) -> list[str]:
    """Name the metrics whose two intervals do not meet."""
    return [name for name, (one, other) in pairs.items() if one[0] > other[1] or one[1] < other[0]]


if __name__ == "__main__":
    from kmodels.core.training import backend

    backend.start()
    print(json.dumps(compared(sys.argv[1], int(sys.argv[2]))))
