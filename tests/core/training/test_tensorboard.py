"""What TensorBoard shows of a run: read back as its own pages do."""

from types import SimpleNamespace

import pytest
from helpers.killing import scalars_of
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    get_experiment,
    list_session_groups,
)

from kmodels.core.training import tensorboard
from kmodels.nand.recipe import NandRecipe
from kmodels.plume.recipe import PlumeRecipe

GATE = {"metric": "accuracy", "value": 0.97, "direction": ">=", "bound": 0.9, "unit": "1", "status": "passed"}


def finished(model, metrics):
    """The report of a run of three epochs."""
    return {
        "model": model,
        "backend": "torch",
        "history": [{}] * 3,
        "metrics": metrics,
        "gates": [{"name": "a"} | GATE],
    }


def test_losses_of_training_and_validation_have_one_tag(tmp_path):
    """TensorBoard draws equal tags of two folders into one chart."""
    row = {"epoch": 1, "loss": 3.0, "kl": 2.0, "weight/kl": 0.1, "seconds": 9.0}
    monitor = tensorboard.Monitor(tmp_path)
    monitor.epoch(1, row | {"val_loss": 4.0, "val_kl": 1.0, "val_crps": 5.0}, {})
    monitor.close()
    found = {
        name: {tag: point.value for tag, (point,) in scalars_of(tmp_path / name).items()}
        for name in ("train", "validation")
    }
    assert found["train"] == pytest.approx({"loss/total": 3, "loss/kl": 2, "weight/kl": 0.1, "training/seconds": 9})
    assert found["validation"] == {"loss/total": 4, "loss/kl": 1, "validation/crps": 5}


def test_hparams_compares_runs_of_several_models(tmp_path):
    """Columns are the fields and headline metrics of all runs; further metrics stay out of the table."""
    recipe = NandRecipe().with_changes({"seed": 7, "train": {"learning_rate": 0.5}})
    for name, one, metrics in (
        ("nand-a", NandRecipe(), {"accuracy": 0.9, "brier_score": 0.1}),
        ("nand-b", recipe, {"accuracy": 0.8, "brier_score": 0.2}),
        ("plume-a", PlumeRecipe(), {"fac2": 0.7, "accuracy": None}),
    ):
        report = finished(one.task, metrics)
        tensorboard.write_result(tmp_path / name / "tensorboard", report, one, ("accuracy", "fac2"))
    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(str(tmp_path))
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(tmp_path))
    context = backend_context.Context(SimpleNamespace(data_provider=provider))
    experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
    assert [metric.name.tag for metric in experiment.metric_infos] == ["held_out/accuracy", "held_out/fac2"]
    assert {"model", "train.learning_rate", "model.hidden"} <= {hparam.name for hparam in experiment.hparam_infos}
    request = api_pb2.ListSessionGroupsRequest(slice_size=99, allowed_statuses=[api_pb2.STATUS_SUCCESS])
    groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    rows = {
        (group.hparams["model"].string_value, group.hparams["seed"].number_value): group.hparams["train.learning_rate"]
        for group in groups
    }
    assert len(groups) == len(rows) == 3 and rows["nand", 7].number_value == 0.5


def test_what_is_written_again_after_a_kill_stands_there_once(tmp_path):
    for value in (0.5, 0.75):
        report = finished("nand", {"accuracy": value, "brier_score": value})
        tensorboard.write_result(tmp_path, report, NandRecipe(), ("accuracy",))
    for folder, name in ((tmp_path, "brier_score"), (tmp_path / "held_out", "accuracy")):
        assert [(e.step, e.value) for e in scalars_of(folder)[f"held_out/{name}"]] == [(3, 0.75)]
