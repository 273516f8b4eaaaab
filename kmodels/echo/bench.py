"""How fast a training step and a prediction of the network are, beside the same network in plain PyTorch."""

from collections.abc import Callable

import numpy as np

from kmodels.core import backend, inference, measure, reference
from kmodels.echo.model import build
from kmodels.echo.recipe import EchoRecipe


def bench(report: Callable[[int, int, str], None], smoke: bool = False) -> list[dict]:
    """Time the default network in turn with its twin, both on as many threads as the backend has.

    report(done, total, text) shows progress. smoke: tiny sizes, whose figures mean nothing.
    Returns a dictionary for each case: its name, and what `measure.in_turn` found.
    """
    recipe = EchoRecipe().with_changes(EchoRecipe.SMOKE if smoke else {})
    examples = random_examples(recipe)
    model = build(recipe, 1000)
    inputs, targets = inference.as_tensors(examples)
    torch_echo = reference.twin("torch_echo")
    train, predict = torch_echo.steps(recipe, *examples, backend.threads())
    todo = {
        "train, vs plain PyTorch": (lambda: float(model.train_on_batch(inputs, targets)[0]), train),
        "predict, vs plain PyTorch": (lambda: model.predict_on_batch(inputs), predict),
    }
    found = []
    for k, (name, pair) in enumerate(todo.items()):
        report(k, len(todo), name)
        found.append({"case": name} | measure.in_turn(*pair, pairs=15))
    return found


def random_examples(recipe: EchoRecipe) -> tuple[dict, dict]:
    """A batch of noise: (inputs, targets)."""
    rng = np.random.default_rng(0)
    batch, size = recipe.train.batch_size, recipe.data.image_size
    heard = rng.uniform(0, 6, (batch, size, size * recipe.model.moments, 2)).astype("float32")
    depth = rng.uniform(1, 8, (batch, size, size)).astype("float32")
    return {"spectrogram": heard}, {"depth": depth, "coarse": depth}
