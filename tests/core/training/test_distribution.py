"""One training on many devices gives the weights of one, sees every row once, and goes on on another number."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import small_training, spread_line
from helpers.checks import ROOT, run_python

from kmodels.core.runs.jobs.shared_run import SharedRun
from kmodels.core.runs.run import Run
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend
from kmodels.core.training.devices import distribution, layers
from kmodels.core.training.inference import as_numpy

TORCH = backend.current() == "torch"


def spread(run: Run, n: int, folder, stop=None) -> list[subprocess.Popen]:
    """Train a run of `small_training` on n devices: on torch in n processes, else in one. stop: where the last dies."""
    processes = n if TORCH else 1
    folder.mkdir()
    join = {"address": (folder / "meeting").as_uri(), "processes": processes}
    started = []
    for k in range(processes):
        own = folder / str(k)
        own.mkdir()
        last = k == processes - 1
        job = {"run": str(run.path), "devices": n, "join": join | {"rank": k} if TORCH else None}
        (own / "job").write_text(json.dumps(job | {"stop": stop if last else None}))
        words = [sys.executable, str(ROOT / "tests" / "helpers" / "spread_line.py"), str(own)]
        with (own / "said").open("wb") as said:
            started.append(subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=said, stderr=said))
    return started


def environment() -> dict:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": paths, "KERAS_BACKEND": backend.current(), "GLOO_SOCKET_IFNAME": "lo"}


def ended(started, folder) -> list[int]:
    """The exit statuses; what the processes said goes into the assertion's message."""
    found = [process.wait(300) for process in started]
    for k, status in enumerate(found):
        print(f"process {k}: {status}\n{(folder / str(k) / 'said').read_text()}")
    return found


def seen(folder) -> np.ndarray:
    """How often all processes together trained on each row, as each of them knows."""
    first, *others = (np.load(path) for path in folder.glob("*/seen.npy"))
    assert all((first == other).all() for other in others)
    return first


def same(one: Run, other: Run) -> None:
    """Weights, optimizer, seeds and history agree to 1e-5; what the processes count by themselves is left out."""
    (ours, mine), (theirs, yours) = one.load_state(), other.load_state()
    slope_offset_and_adam = [k for k, value in enumerate(ours) if value.shape != (small_training.N,)][:-6]
    for k in slope_offset_and_adam:
        np.testing.assert_allclose(ours[k], theirs[k], atol=1e-5, err_msg=str(k))
    for row, its in zip(mine["history"], yours["history"], strict=True):
        for name in row.keys() - {"seconds", "waiting_for_data"}:
            assert row[name] == pytest.approx(its[name], abs=1e-5), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Trained on one device; 50 rows in batches of 8, so the last batch is filled up."""
    run = small_training.run(tmp_path_factory.mktemp("alone"))
    small_training.trained(run, kind=spread_line.Dropping)
    return run


def test_the_way_of_many_devices_is_that_of_one(alone, tmp_path, monkeypatch):
    """With one device, in this process: what sharing out and adding up do must change nothing."""
    monkeypatch.setattr(distribution, "_current", distribution.current())  # put back afterwards
    join = {"address": (tmp_path / "meeting").as_uri(), "processes": 1, "rank": 0} if TORCH else None
    devices = distribution.begin(1, small_training.BATCH, join)
    run, seen = small_training.run(tmp_path / "runs"), []
    with devices.scope():
        shared = SharedRun.of(run, tmp_path / "nobody")
        small_training.trained(
            shared, kind=spread_line.Dropping, after_epoch=lambda model, row: seen.append(as_numpy(model.seen))
        )
    devices.leave()
    same(alone, run)
    assert [set(counts) for counts in seen] == [{1}, {2}], "every row once an epoch"


@pytest.mark.slow
def test_two_devices_give_the_weights_of_one_and_see_every_row_once_an_epoch(alone, tmp_path):
    run = small_training.run(tmp_path / "runs")
    started = spread(run, 2, tmp_path / "two")
    assert set(ended(started, tmp_path / "two")) == {0}
    same(alone, run)
    assert (seen(tmp_path / "two") == 2).all(), "two epochs"


@pytest.mark.slow
def test_a_training_goes_on_on_another_number_of_devices(alone, tmp_path):
    """One epoch on two devices, the other on one."""
    run = small_training.run(tmp_path / "runs")
    short = small_training.run(tmp_path / "short", epochs=1)
    assert set(ended(spread(short, 2, tmp_path / "two"), tmp_path / "two")) == {0}
    values, metadata = short.load_state()
    run.save_state(metadata["step"], values, metadata, set())
    assert ended(spread(run, 1, tmp_path / "one"), tmp_path / "one") == [0]
    same(alone, run)


@pytest.mark.slow
@pytest.mark.skipif(not TORCH, reason="one process, whatever the number of devices")
def test_a_killed_process_ends_the_others_and_the_training_goes_on(alone, tmp_path):
    run = small_training.run(tmp_path / "runs")
    first, last = ended(spread(run, 2, tmp_path / "killed", stop=10), tmp_path / "killed")
    assert last == -9 and first not in (0, None)
    assert run.saved_steps() == [small_training.PER_EPOCH], "the state of the last whole epoch"
    assert set(ended(spread(run, 2, tmp_path / "again"), tmp_path / "again")) == {0}
    same(alone, run)


def test_a_batch_that_does_not_divide_is_refused_with_what_does():
    with pytest.raises(UserError, match=r"--train\.batch_size 126 or 129, or 1, 2, 4 devices"):
        distribution.refuse_indivisible(128, 3)
    with pytest.raises(UserError, match=r"--train\.batch_size 4, or 1, 2 devices"):
        distribution.refuse_indivisible(2, 4)
    distribution.refuse_indivisible(128, 4)


def test_what_was_read_ahead_comes_again_and_once():
    items = distribution._Replayed(iter(range(6)))
    ahead = items()
    assert [next(ahead) for _ in range(3)] == [0, 1, 2]
    again = items()
    assert [next(again) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert list(ahead) == [], "nothing is taken from those that come later"


def test_on_one_device_nothing_is_done():
    devices = distribution.current()
    batch = {"x": np.arange(4)}
    assert devices.own_rows(batch) is batch and devices.summed([1, 2]) == [1, 2] and devices.reduced([3]) == [3]
    assert distribution.agreed({"row": [1.5, None]}) == {"row": [1.5, None]}
    (array,) = distribution.agreed_arrays([np.arange(3, dtype="int8")])
    assert array.dtype == "int8" and array.tolist() == [0, 1, 2]


def test_layers_of_kerass_own_that_look_at_the_batch_are_refused_where_devices_have_parts_of_it(monkeypatch):
    import keras

    x = keras.Input((2, 2))
    attention = keras.layers.MultiHeadAttention
    refused = [
        keras.Model(x, keras.layers.Dropout(0.1, name="own")(x)),
        keras.Model(x, attention(1, 2, dropout=0.1, name="own")(x, x)),
        keras.Model(x, keras.layers.GRU(2, recurrent_dropout=0.1, name="own")(x)),
        keras.Model(x, keras.layers.BatchNormalization(name="own")(x)),
        keras.Model(x, keras.Model(x, keras.layers.GaussianNoise(0.1, name="own")(x))(x)),
    ]
    taken = layers.BatchNormalization()(layers.Dropout(0.1)(attention(1, 2)(x, x)))
    taken = keras.layers.BatchNormalization(trainable=False)(keras.layers.Dropout(0.0)(taken))
    distribution.refuse_layers(refused[0])
    monkeypatch.setattr(distribution, "_current", distribution.TorchProcesses.__new__(distribution.TorchProcesses))
    distribution.refuse_layers(keras.Model(x, taken))
    for model in refused:
        with pytest.raises(UserError, match=r"layer own: .* --backend jax"):
            distribution.refuse_layers(model)


@pytest.mark.slow
@pytest.mark.skipif(backend.current() != "jax", reason="of jax")
def test_more_devices_than_xla_was_told_to_make_are_refused():
    code = (
        "import os; os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count=2'\n"
        "from kmodels.core.training import backend\n"
        "from kmodels.core.training.devices import distribution\n"
        "backend.start('jax')\n"
        "try: distribution.begin(4, 8)\n"
        "except Exception as error: print(error)"
    )
    done = run_python("-c", code, check=0)
    assert "--devices 4: jax has 2 here" in done.stdout and "XLA_FLAGS" in done.stdout
