"""Which backend is chosen, and why."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend


@pytest.mark.parametrize(
    "asked, environment, fastest, gpu, chosen, why",
    [
        ("torch", "jax", ("jax",), None, "torch", "as asked"),
        (None, "jax", ("torch",), None, "jax", "as asked"),
        (None, None, ("torch", "jax", "tensorflow"), None, "jax", "fastest"),
        (None, None, ("torch", "jax", "tensorflow"), "nvidia-smi", "tensorflow", "first"),
        (None, None, (), None, "tensorflow", "first"),
    ],
)
def test_the_fastest_that_is_installed_is_chosen_on_a_cpu(asked, environment, fastest, gpu, chosen, why, monkeypatch):
    """torch is not installed here."""
    monkeypatch.setattr(backend, "installed", lambda: ["tensorflow", "jax"])
    monkeypatch.setattr(backend.shutil, "which", lambda name: gpu)
    monkeypatch.delenv("KERAS_BACKEND")
    if environment:
        monkeypatch.setenv("KERAS_BACKEND", environment)
    found, said = backend.choice(asked, fastest)
    assert found == chosen and why in said


ORDER = """
import sys
from kmodels.core.training import backend
backend.start("tensorflow")
if sys.argv[1] == "accelerator":
    backend.accelerators = lambda: ["some"]
backend.seed_everything(0, {"None": None, "True": True, "False": False}[sys.argv[2]])
import tensorflow as tf
from tensorflow.python.framework import config
print(config.is_op_determinism_enabled())
"""


@pytest.mark.skipif(backend.current() != "tensorflow", reason="tensorflow alone adds up in any order on a CPU")
@pytest.mark.parametrize(
    "device, asked, in_order",
    [("cpu", None, True), ("accelerator", None, False), ("cpu", False, False), ("accelerator", True, True)],
)
def test_operations_add_up_in_one_order_on_a_cpu_and_where_it_is_asked_for(device, asked, in_order):
    done = subprocess.run([sys.executable, "-c", ORDER, device, str(asked)], capture_output=True, text=True)
    assert done.stdout.split() == [str(in_order)], done.stderr


STARTED = """
from kmodels.core.training import backend
backend.start()
import keras
print(keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon())
print(keras.layers.Dense(1).dtype_policy.name, keras.layers.Conv2D(1, 1).data_format)
"""


def test_what_the_users_keras_json_says_counts_for_nothing(tmp_path):
    other = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(other))
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["float32", "channels_last", "1e-07"]
    assert done.stdout.split()[-2:] == ["float32", "channels_last"]


@pytest.mark.parametrize("setting, other", [("floatx", "float16"), ("image_data_format", "channels_first")])
def test_a_keras_that_was_set_by_hand_is_not_changed_behind_ones_back(setting, other):
    import keras

    before, change = getattr(keras.config, setting)(), getattr(keras.config, f"set_{setting}")
    change(other)
    try:
        with pytest.raises(UserError, match=rf"Keras has {setting} '{other}' .*keras\.config\.set_{setting}\('"):
            backend.start()
        assert getattr(keras.config, setting)() == other
    finally:
        change(before)
    assert backend.start() == backend.current()


@pytest.mark.skipif(backend.current() != "tensorflow", reason="tensorflow says it")
def test_networks_that_predict_side_by_side_are_no_reason_to_warn(caplog):
    backend.start()
    said = "5 out of the last 5 calls to <function> triggered tf.function retracing"
    logging.getLogger("tensorflow").warning(said)
    logging.getLogger("tensorflow").warning("something else")
    assert [record.message for record in caplog.records] == ["something else"]


COMPILING = """
import sys, jax
from kmodels.core.training import backend
if len(sys.argv) > 1:
    jax.config.update("jax_compilation_cache_dir", sys.argv[1])
backend.start()
def f(x):
    for k in range(150):
        x = jax.numpy.sin(x @ x) + k
    return x
print(float(jax.jit(f)(jax.numpy.full((8, 8), 0.1)).sum()), jax.config.jax_compilation_cache_dir)
"""


def compiled(cache, *words, **environment) -> tuple[str, str]:
    """What a process computes that compiles for a while, and where jax keeps that; nothing is said meanwhile."""
    unset = {"JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"}
    own = {name: value for name, value in os.environ.items() if name not in unset}
    own |= {"KMODELS_CACHE": str(cache)} | environment
    done = subprocess.run([sys.executable, "-c", COMPILING, *words], capture_output=True, text=True, env=own)
    assert (done.returncode, done.stderr) == (0, "")
    value, place = done.stdout.split()
    return value, place


ON_JAX = pytest.mark.skipif(backend.current() != "jax", reason="jax compiles")


@ON_JAX
def test_what_jax_compiles_is_kept_and_a_damaged_file_is_no_matter(tmp_path):
    first, place = compiled(tmp_path)
    (kept,) = (tmp_path / "jax").glob("*/jit_f-*")
    assert kept.parent == Path(place)
    assert compiled(tmp_path) == (first, place)
    kept.write_bytes(kept.read_bytes()[:-1000])
    assert compiled(tmp_path) == (first, place)


@ON_JAX
def test_a_user_says_where_jax_keeps_what_it_compiles_or_that_it_does_not(tmp_path):
    here, there = tmp_path / "here", str(tmp_path / "there")
    assert compiled(here, JAX_COMPILATION_CACHE_DIR=there)[1] == there
    assert compiled(here, there)[1] == there
    assert compiled(here, JAX_ENABLE_COMPILATION_CACHE="false")[1] == "None"
    assert not here.exists()


@ON_JAX
def test_where_nothing_can_be_kept_it_is_compiled_as_ever(tmp_path):
    (tmp_path / "file").write_text("")
    assert compiled(tmp_path / "file" / "cache")[1] == "None"
