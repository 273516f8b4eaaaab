"""The options of one training on many devices: what they mean, and what is refused in a line before anything begins."""

import argparse

import pytest
from helpers.checks import fails_cleanly

from kmodels.core.cli import devices
from kmodels.core.runs.jobs import spread
from kmodels.core.runs.jobs.spread import Spread
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend as backends
from kmodels.fit import main as fit

SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_JOB_ID": "7"}
TORCHRUN = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x"}


def asked(*words, **environment) -> Spread | None:
    options = argparse.ArgumentParser()
    devices.add_options(options)
    return devices.spread(options.parse_args(words), environment)


def test_options_say_where_a_training_runs():
    assert asked() is None and asked("--devices", "1") is None
    assert asked("--devices", "2") == Spread(2) and asked("--devices", "all") == Spread(None)
    words = ("--coordinator", "node1:7700", "--processes", "2", "--process-id", "1")
    assert asked(*words) == Spread(1, "node1:7700", 2, 1) and not asked(*words).first
    assert asked("--coordinator", "torchrun", **TORCHRUN) == Spread(1, "env://", 2, 1, 1)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("node[03-07,9],other", "node03"), ("a1,a2", "a1"), ("gpu-[1,3]", "gpu-1"), ("single", "single")],
)
def test_slurm_names_the_first_machine(nodes, first):
    found = asked("--coordinator", "slurm", **SLURM, SLURM_STEP_NODELIST=nodes)
    assert found == Spread(1, f"{first}:61447", 4, 2, 0)


@pytest.mark.parametrize(
    ("words", "environment", "why"),
    [
        (["--devices", "0"], {}, "--devices 0: expected a number, at least 1, or all"),
        (["--devices", "two"], {}, "--devices two: expected"),
        (["--processes", "2"], {}, "of --coordinator"),
        (["--coordinator", "node1"], {}, "expected HOST:PORT of the first process, or slurm or torchrun"),
        (["--coordinator", "node1:7"], {}, "also --processes P and --process-id K"),
        (["--coordinator", "node1:7", "--processes", "2", "--process-id", "2"], {}, "and 0 to P-1"),
        (["--coordinator", "slurm"], {}, "no SLURM_NTASKS in the environment"),
        (["--coordinator", "torchrun", "--processes", "2"], TORCHRUN, "by itself"),
        ([], TORCHRUN, "--coordinator torchrun makes one training of them"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, environment, why):
    with pytest.raises(UserError) as refused:
        asked(*words, **environment)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("where", "backend", "why"),
    [
        (Spread(1, "a:1", 2), "tensorflow", "--backend jax or torch"),
        (Spread(2, "a:1", 2), "torch", "a process has one device"),
        (Spread(1, "env://", 2), "jax", "torchrun holds the port"),
        (Spread(3), "jax", "--train.batch_size 126 or 129, or 1, 2, 4 devices"),
    ],
)
def test_what_a_backend_cannot_do_is_refused_with_what_can(where, backend, why):
    with pytest.raises(UserError) as refused:
        spread.check(where, backend, 128)
    assert why in str(refused.value)


def test_a_batch_that_does_not_divide_leaves_no_run_behind(tmp_path, capsys):
    words = ["--model", "nand", "--smoke", "--devices", "3", "--out", str(tmp_path / "runs")]
    assert fit(words) == 2
    fails_cleanly(capsys, 2, "does not divide by 3 devices")
    assert not list((tmp_path / "runs").glob("*"))
    assert fit([*words, "--seeds", "2"]) == 2
    fails_cleanly(capsys, 2, "--seeds trains several")


@pytest.mark.skipif(backends.current() != "tensorflow", reason="of tensorflow")
def test_a_recipe_that_goes_wrong_on_several_devices_of_a_backend_is_refused(tmp_path, capsys):
    assert fit(["--model", "precip", "--smoke", "--devices", "2", "--out", str(tmp_path / "runs")]) == 2
    fails_cleanly(capsys, 2, "trains wrongly on several devices of tensorflow; --backend jax or --backend torch")
