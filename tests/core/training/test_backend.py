"""Which backend is chosen, and why."""

import pytest

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
