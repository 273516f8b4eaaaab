"""Which backend is the fastest on this machine."""

from helpers.checks import fails_cleanly

from kmodels import bench
from kmodels.benchmarks import choose
from kmodels.core.training import backend


def test_the_fastest_is_remembered_and_taken(monkeypatch, tmp_path, capsys):
    """On this machine alone, and only while the same backends are installed."""
    steps = {"tensorflow": 30.0, "jax": 20.0}

    def child(entry, limit):
        if entry.backend == "torch":
            raise ValueError("no memory")
        return {
            "first_s": 10.0 * (entry.backend == "jax"),
            "steps_of_training": 2000,
            "median_ms": steps[entry.backend],
        }

    monkeypatch.setenv("KMODELS_CACHE", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(backend, "installed", lambda: ["tensorflow", "jax", "torch"])
    monkeypatch.setattr(choose, "in_a_process", child)
    assert bench.main(["--choose", "--model", "nand"]) == 0
    said = capsys.readouterr().out
    assert "a training of nand: jax 50 s, tensorflow 60 s" in said and "no memory" in said
    assert backend.choice(None, ("torch",), "nand") == (
        "jax",
        "the fastest for this model on this machine (kmodels.bench --choose)",
    )
    assert backend.choice("torch", (), "nand")[0] == "torch"
    assert backend.choice(None, ("torch",), "echo")[0] == "torch", "not measured"
    monkeypatch.setattr(backend.system, "processor", lambda: "another")
    assert backend.choice(None, ("torch",), "nand")[0] == "torch"
    (tmp_path / backend.FASTEST).write_text("[]")
    assert backend.choice(None, ("torch",), "nand")[0] == "torch"
    backend.note_fastest("nand", ["tensorflow", "jax"])
    assert backend.choice(None, (), "nand")[0] == "tensorflow"


def test_backends_are_chosen_among_all(capsys):
    fails_cleanly(capsys, bench.main(["--choose", "--backend", "jax"]), "without --backend")
    fails_cleanly(capsys, bench.main(["--choose", "--workers", "2"]), "run in turn")
