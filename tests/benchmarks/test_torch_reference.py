"""The plain PyTorch references against which speed is measured compute what the models do."""

import numpy as np
import pytest
from helpers.checks import examples

from kmodels.benchmarks import reference
from kmodels.core.spec import registry
from kmodels.core.training import inference

torch = pytest.importorskip("torch", reason="the references are in PyTorch")


@pytest.mark.parametrize(
    "name, changes",
    [("nand", {}), ("nand", {"model": {"bidirectional": True}}), ("nand.generator", {}), ("plume", {})],
    ids=["nand", "nand, both ways", "nand.generator", "plume"],
)
def test_the_same_weights_give_the_same_outputs_and_loss(name, changes):
    """To 1e-4. The other models' references are compared in the tests of those models."""
    from kmodels.benchmarks.torch_reference.steps import Steps

    theirs_module = reference.network(name)
    task = registry.task(name)
    recipe = task.recipe().with_changes(task.recipe.SMOKE).with_changes(changes)
    model, rng = task.build(recipe, 10), np.random.default_rng(0)
    for variable in model.trainable_variables:  # biases start at 0: what is not taken would not show
        variable.assign_add(rng.normal(0, 0.05, variable.shape).astype("float32"))
    inputs, targets = examples(task, recipe, 8).take(np.arange(8))
    outputs = model(inference.as_tensors(inputs))
    loss = float(model.compute_loss(*inference.as_tensors((inputs, targets)), outputs))

    steps = Steps(theirs_module, recipe, model)
    steps.net.load({variable.path: inference.as_numpy(variable) for variable in model.variables})
    found = steps.predict(inputs)()
    found = found if isinstance(found, tuple) else (found,)
    order = {"nand": ("invalid", "operation"), "nand.generator": ("token",), "plume": ("future", "carried")}[name]
    for part, array in zip(order, found, strict=True):
        np.testing.assert_allclose(inference.as_numpy(outputs[part]), array, atol=1e-4, err_msg=part)
    truth = {part: torch.tensor(array) for part, array in targets.items()}
    given = theirs_module.given({part: torch.tensor(array) for part, array in inputs.items()})
    theirs = theirs_module.loss(steps.net, given, truth, recipe, steps.weights)
    assert theirs.item() == pytest.approx(loss, rel=1e-4)

    train = steps.train(inputs, targets)
    first = train()
    assert min(train() for _ in range(20)) < first, "it learns"


def test_operations_are_counted_of_what_is_multiplied():
    """A dense layer of 3 x 5 on 7 rows, forwards, and backwards for its weights; its input needs no gradient."""
    from types import SimpleNamespace

    from kmodels.benchmarks.torch_reference.steps import Steps

    reference = SimpleNamespace(
        net=lambda recipe, model: torch.nn.Linear(3, 5),
        given=lambda inputs: (inputs["x"],),
        loss=lambda net, given, targets, recipe, weights: net(*given).sum(),
    )
    recipe = SimpleNamespace(train=SimpleNamespace(learning_rate=1e-3, clip_norm=1.0))
    steps = Steps(reference, recipe, SimpleNamespace(term_weights={}))
    assert steps.operations({"x": np.ones((7, 3), "float32")}, {}) == 2 * (2 * 7 * 3 * 5)


def test_traffic_is_what_operations_read_and_write_but_not_views():
    from kmodels.benchmarks.torch_reference.steps import _Traffic

    a, b = torch.ones(7, 3), torch.ones(5, 3)
    with _Traffic() as counter:
        a @ b.T
    assert counter.bytes == 4 * (7 * 3 + 5 * 3 + 7 * 5)
