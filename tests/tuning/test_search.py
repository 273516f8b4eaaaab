"""A search that is killed, one that loses a worker, and what each leaves behind."""

import json
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from helpers.checks import ROOT, fails_cleanly
from helpers.killing import kill_a_worker, started

from kmodels.core.cli import parse
from tuning import search, study

STUDY = str(ROOT / "tests" / "tuning" / "tiny.py")
WORDS = ("--study", STUDY, "--smoke")


def wait_for(found, process=None, seconds=300):
    """What `found()` gives, once it gives anything."""
    until = time.monotonic() + seconds
    while not (what := found()):
        assert process is None or process.poll() is None, process.stdout.read()
        assert time.monotonic() < until, "nothing came in time"
        time.sleep(0.01)
    return what


def runs(out, trial) -> list:
    return [path.parent for path in out.glob(f"trial_{trial}/**/run.json")]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A search killed in its second trial, then resumed to its end; and the first trial's report before that."""
    out = tmp_path_factory.mktemp("killed") / "search"
    command = [sys.executable, "-m", "tuning.search", *WORDS, "--max-trials", "3", "--keep", "1", "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: list(out.glob("trial_0001/*/checkpoints/step-*")), process)
    process.kill()
    process.wait()
    (first,), (second,) = runs(out, "0000"), runs(out, "0001")
    assert (first / "report.json").exists() and not (second / "report.json").exists(), "killed too late"
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*.json")}
    assert search.main(["--study", STUDY, "--resume", "--out", str(out)]) == 0
    return out, first, second, before


def test_a_search_killed_in_mid_trial_keeps_what_is_finished_and_runs_nothing_twice(killed):
    out, first, second, before = killed
    assert all(path.stat().st_mtime_ns == time for path, time in before.items() if path.exists())
    assert runs(out, "0000") == [first] and runs(out, "0001") == [second], "the killed run went on in its own folder"
    state = json.loads((out / "oracle.json").read_text())
    assert [trial["status"] for trial in state["trials"]] == ["COMPLETED"] * 3
    assert state["end_order"] == ["0000", "0001", "0002"]
    reports = list(out.glob("trial_*/*/report.json"))
    assert len(reports) == 3 and all(len(runs(out, trial)) == 1 for trial in state["end_order"])


def test_tensorboard_shows_the_hparams_of_every_trial(killed):
    """Asked as its own page asks: TensorBoard's plugin over the event files."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(str(killed[0]))
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(killed[0]))
    context = backend_context.Context(SimpleNamespace(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(slice_size=99, allowed_statuses=[api_pb2.STATUS_SUCCESS])
    groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    names = ("model.hidden", "train.learning_rate")
    values = sorted(tuple(group.hparams[name].number_value for name in names) for group in groups)
    assert values == [(4, 5e-3), (4, 1e-2), (6, 5e-3)]
    metrics = [{metric.name.tag: metric.value for metric in group.metric_values} for group in groups]
    table = pd.read_csv(killed[0] / "trials.csv")
    for name in ("val_accuracy", "val_auroc"):
        assert sorted(each[f"trial/{name}"] for each in metrics) == pytest.approx(sorted(table[name]), abs=1e-6)


def test_what_a_search_leaves(killed):
    out, tiny = killed[0], study.load(STUDY)
    table = pd.read_csv(out / "trials.csv", dtype={"trial": str})
    assert list(table["trial"]) == ["0000", "0001", "0002"] and set(table["status"]) == {"completed"}
    columns = {"model.hidden", "train.learning_rate", "val_accuracy", "val_auroc", "test_accuracy", "seconds"}
    assert columns <= set(table)
    content = json.loads((out / "summary.json").read_text())
    best = table.loc[table["val_accuracy"].idxmax()]
    assert content["best"] == best["trial"] and content["trials"][0]["val_accuracy"] == table["val_accuracy"][0]
    recipe = parse.resolve(type(tiny.base), [parse.read_yaml(out / "tiny.best.yaml")])
    assert recipe.model.hidden == best["model.hidden"] and recipe.train.learning_rate == best["train.learning_rate"]
    assert (out / "tiny.best.yaml").read_text().startswith("# python -m kmodels.fit --model nand --config ")
    assert (out / "parallel.png").stat().st_size > 1000 and (out / "heatmap.png").stat().st_size > 1000
    kept = {path.parent.parent.name for path in out.glob("trial_*/*/model.keras")}
    assert kept == {f"trial_{best['trial']}"} == {path.parent.parent.name for path in out.glob("trial_*/*/checkpoints")}


def test_the_summary_of_a_search_needs_no_backend(killed, capsys):
    code = "import sys; from tuning import search; search.main(sys.argv[1:]); sys.exit('keras' in sys.modules)"
    words = [sys.executable, "-c", code, "--study", STUDY, "--summary", "--out", str(killed[0])]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "best: trial" in done.stdout and "3 completed" in done.stdout and "trials.csv" in done.stdout


def test_a_search_that_is_done_does_nothing_more(killed, capsys):
    out = killed[0]
    before = sorted(out.glob("trial_*/*/run.json"))
    assert search.main(["--study", STUDY, "--resume", "--out", str(out)]) == 0
    assert sorted(out.glob("trial_*/*/run.json")) == before
    assert "3 done" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("who", ["worker", "driver"])
def test_a_worker_or_the_driver_is_killed_and_every_trial_is_run_once(who, tmp_path):
    pytest.importorskip("distributed")
    out = tmp_path / "search"
    words = [*WORDS, "--max-trials", "3", "--workers", "2", "--out", str(out)]
    driver = started(["tuning.search", *words])
    kill_a_worker(out, driver, driver.pid if who == "driver" else None)
    said, _ = driver.communicate(timeout=600)
    if who == "driver":
        again = started(["tuning.search", "--study", STUDY, "--resume", "--workers", "2", "--out", str(out)])
        said, _ = again.communicate(timeout=600)
        assert again.returncode == 0, said
    else:
        assert driver.returncode == 0 and "has gone; its jobs are given to others" in said, said
    state = json.loads((out / "oracle.json").read_text())
    assert [trial["status"] for trial in state["trials"]] == ["COMPLETED"] * 3
    assert sorted(state["end_order"]) == ["0000", "0001", "0002"]
    assert all(len(runs(out, trial)) == 1 for trial in state["end_order"])
    assert len(list(out.glob("trial_*/*/report.json"))) == 3
    assert not list(out.glob(".*")), "nothing is left of who was killed"


def test_a_damaged_state_is_told_and_without_it_no_finished_trial_is_trained_again(killed, tmp_path, capsys):
    out = shutil.copytree(killed[0], tmp_path / "copy")
    state, before = out / "oracle.json", sorted(out.glob("trial_*/*/run.json"))
    state.write_text(state.read_text()[:500])
    words = ["--study", STUDY, "--out", str(out)]
    for asked in ("--summary", "--resume"):
        fails_cleanly(capsys, search.main([*words, asked]), "oracle.json: damaged: ", "move it away, and --resume")
    state.unlink()
    assert search.main([*words, "--resume"]) == 0
    assert sorted(out.glob("trial_*/*/run.json")) == before
    assert json.loads(state.read_text())["end_order"] == ["0000", "0001", "0002"]


@pytest.mark.parametrize(
    "words, said",
    [
        ((), "which study?"),
        (("--study", "nand_step3"), "did you mean nand_step4?"),
        (("--study", "nowhere.py"), "no such file"),
        ((*WORDS, "--max-trials", "0"), "at least 1"),
        ((*WORDS, "--tuner", "random"), "--max-trials N"),
        ((*WORDS, "--resume"), "no search to go on with"),
        ((*WORDS, "--workers", "0"), "at least 1"),
        ((*WORDS, "--workers", "2", "--scheduler", "tcp://here:1"), "give one of them"),
        ((*WORDS, "--data", "nowhere.csv"), "nowhere.csv: no such file"),
        ((*WORDS, "--trials", "3"), "no such option: --trials; did you mean --max-trials?"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(words, said, tmp_path, capsys):
    fails_cleanly(capsys, search.main([*words, "--out", str(tmp_path / "none")]), said)
    assert not (tmp_path / "none" / "oracle.json").exists()


def test_a_search_is_not_begun_twice_nor_changed(killed, capsys):
    out = str(killed[0])
    fails_cleanly(capsys, search.main([*WORDS, "--out", out]), "there is a search already", "--resume")
    words = ["--study", STUDY, "--resume", "--out", out]
    fails_cleanly(capsys, search.main([*words, "--tuner", "random"]), "begun with --tuner grid")
    fails_cleanly(capsys, search.main(["--study", "nand_step4", "--resume", "--out", out]), "of study tiny")
