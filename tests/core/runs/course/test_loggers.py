"""Services that are told of a training."""

import importlib
import json

import keras
import pytest
from helpers.checks import fails_cleanly, only_run

from kmodels.core.runs.course import loggers
from kmodels.core.runs.run import Run
from kmodels.core.spec import registry

fit = importlib.import_module("kmodels.fit").main  # kmodels.fit is a function, too
SMALL = ["--model", "nand", "--smoke", "--data.n_sequences=80", "--model.hidden=4", "--model.sequence_order=time"]
SMALL += ["--train.epochs=2", "--train.hard_negatives=false", "--model.operation_head=false"]


class Recorder:
    """Keeps what it is told."""

    def __init__(self, said):
        self.said = said

    def begin(self, run):
        self.said.append(("begin", run.metadata["log"].get("id")))
        return "run-1"

    def epoch(self, row):
        self.said.append(("epoch", row["epoch"]))

    def result(self, report, folder):
        self.said.append(("result", sorted(name for name in loggers.KEPT if (folder / name).exists())))

    def end(self, finished):
        self.said.append(("end", finished))


@pytest.fixture
def said(monkeypatch):
    told = []
    monkeypatch.setitem(loggers.LOGGERS, "mlflow", lambda: Recorder(told))
    monkeypatch.setattr(loggers, "check", lambda name: None)
    return told


def test_a_service_is_told_of_a_training_and_goes_on_with_it(said, tmp_path, eager):
    assert fit([*SMALL, "--log", "mlflow", "--out", str(tmp_path)]) == 0
    assert said == [("begin", None), ("epoch", 1), ("epoch", 2), ("result", sorted(loggers.KEPT)), ("end", True)]
    run = only_run(tmp_path)
    assert json.loads((run / "run.json").read_text())["log"] == {"to": "mlflow", "id": "run-1"}
    with pytest.raises(KeyboardInterrupt), loggers.telling(Run.open(run)):
        raise KeyboardInterrupt
    assert said[-2:] == [("begin", "run-1"), ("end", False)]


def test_a_service_that_fails_ends_nothing(said, tmp_path, capsys, monkeypatch):
    def refuse(self, row):
        raise OSError("the server is gone\nand more")

    monkeypatch.setattr(Recorder, "epoch", refuse)
    run = Run.create(tmp_path, registry.recipe_type("nand")(), keras.config.backend(), None, True, log="mlflow")
    with loggers.telling(run) as told:
        told("epoch", {"epoch": 1})
        told("epoch", {"epoch": 2})
    assert capsys.readouterr().out.count("--log mlflow: the server is gone; the training goes on without it") == 1
    assert said == [("begin", None)]


def test_a_service_that_is_not_installed_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    code = fit([*SMALL, "--log", "wandb", "--out", str(tmp_path)])
    fails_cleanly(capsys, code, "--log wandb", "pip install 'kmodels[wandb]'")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_mlflow_keeps_recipe_metrics_gates_and_artifacts(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    assert fit([*SMALL, "--log", "mlflow", "--out", str(tmp_path / "runs")]) == 0
    client = mlflow.MlflowClient()
    (experiment,) = (one for one in client.search_experiments() if one.name == "kmodels.nand")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert kept.info.status == "FINISHED" and kept.data.params["train.epochs"] == "2"
    assert [point.step for point in client.get_metric_history(kept.info.run_id, "val_loss")] == [1, 2]
    assert "held_out/accuracy" in kept.data.metrics
    assert any(name.startswith("gate/") for name in kept.data.tags)
    assert {one.path for one in client.list_artifacts(kept.info.run_id)} == set(loggers.KEPT)


@pytest.mark.slow
def test_wandb_keeps_a_run_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert fit([*SMALL, "--log", "wandb", "--out", str(tmp_path)]) == 0
    (kept,) = tmp_path.glob("nand-*/wandb/offline-run-*/*.wandb")
    assert kept.stat().st_size > 1000
