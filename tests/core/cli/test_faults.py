"""What is told where a backend computes nothing."""

import sys
from types import SimpleNamespace

import pytest

from kmodels.core.cli import cli, faults
from kmodels.core.runs.predictor import load_network
from kmodels.core.spec.errors import UserError


def raising(*words):
    raise AssertionError(*words)


@pytest.fixture
def broken(monkeypatch):
    """A Keras whose backend finds no device."""
    config = SimpleNamespace(backend=lambda: "jax")
    ops = SimpleNamespace(zeros=lambda shape: raising(), convert_to_numpy=lambda value: value)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(ops=ops, config=config))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setenv("TPU_ML_PLATFORM", "Tensorflow")  # set by a library itself


def test_nothing_is_wrong_where_no_backend_is_imported_or_it_computes(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert faults.of_backend() is None
    ops = SimpleNamespace(zeros=lambda shape: 0, convert_to_numpy=lambda value: value)
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(ops=ops))
    assert faults.of_backend() is None


def test_a_backend_without_its_device_is_named_with_the_variable_that_asks_for_it(broken):
    said = faults.of_backend()
    assert said.startswith("jax computes nothing on this machine: AssertionError; ")
    assert "JAX_PLATFORMS=cuda" in said and said.endswith("unset it, or use another --backend") and "TPU" not in said


def test_a_verb_ends_in_that_line_and_in_a_traceback_where_the_backend_computes(broken, monkeypatch, capsys):
    def body(args, words):
        raising("inside")

    assert cli.run(cli.parser("fit", ""), body, []) == 2
    assert capsys.readouterr().err.startswith("error: jax computes nothing on this machine")
    monkeypatch.setattr(faults, "of_backend", lambda: None)
    with pytest.raises(AssertionError, match="inside"):
        cli.run(cli.parser("fit", ""), body, [])


def test_a_file_is_not_called_damaged_for_it(broken, tmp_path):
    with pytest.raises(UserError, match=r"^jax computes nothing on this machine"):
        load_network(tmp_path / "model.keras")
