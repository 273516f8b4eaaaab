"""The path of every model, where no model is needed to see it."""

import importlib

import pytest

from kmodels.core.runs import pipeline


@pytest.mark.parametrize(("shares", "said"), [((0.04, 0.04), ""), ((0.0, 0.1), "input-pipeline stall: 7.5%")])
def test_a_stall_is_told_where_it_matters(shares, said, capsys):
    """An epoch counts by its seconds."""
    rows = [{"waiting_for_data": share, "seconds": 10.0 + 20.0 * k} for k, share in enumerate(shares)]
    pipeline.say_stall(rows)
    found = capsys.readouterr().out
    assert said in found and bool(said) == bool(found)


def test_a_run_stopped_after_its_last_epoch_is_evaluated_on_resuming(tmp_path, monkeypatch):
    """Before, what chooses on validation data had no model then: no epoch had told it."""
    main = importlib.import_module("kmodels.fit").main  # kmodels.fit is a function, too
    small = ["--data.n_sequences", "200", "--model.hidden", "4", "--train.epochs", "1"]

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(pipeline, "evaluate", stop)
        assert main(["--model", "nand", "--smoke", *small, "--out", str(tmp_path)]) != 0
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert not (run / "report.json").exists()
    assert main(["--resume", str(run)]) == 0
    assert (run / "report.json").exists()
