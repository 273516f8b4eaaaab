"""Helpers of many tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("kmodels", "pyproject.toml", "README.md", "LICENSE")  # of the package


def examples(task, recipe, n=None):
    """Encoded training examples of a recipe's simulated data, the first n."""
    from kmodels.core.runs import pipeline

    parts = pipeline.load_splits(task, recipe, None)
    rows = parts.rows["train"][:n]
    return task.encode(parts.records.take(rows), recipe)


def run_python(*words, backend=None, timeout=600, check=None, **kwargs):
    """A fresh Python process; returns it finished. check: the exit status that must come."""
    environment = os.environ | ({"KERAS_BACKEND": backend} if backend else {})
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        cwd=ROOT,
        **kwargs,
    )
    if check is not None:
        assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def forward(model, inputs: dict) -> dict[str, np.ndarray]:
    """A network's outputs, computed without compiling anything."""
    from kmodels.core.training import inference

    outputs = model(inference.as_tensors(inputs), training=False)
    return {name: inference.as_numpy(value) for name, value in outputs.items()}


def report_of(run: Path) -> dict:
    """The content of a run's report."""
    return json.loads((run / "report.json").read_text())


def only_run(out: Path) -> Path:
    """The one run folder in `out`."""
    (run,) = (path for path in out.iterdir() if path.is_dir())
    return run


def equal_arrays(one: dict, other: dict, tolerance: float = 0.0):
    """Assert that two dictionaries of arrays agree, to the tolerance and, beyond it, to that share of the numbers."""
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=tolerance, err_msg=name)


def fails_cleanly(capsys, status, *words) -> str:
    """Assert that an in-process verb ended with exit status 2 and one `error:`, and return what it said."""
    assert status == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said
    for word in words:
        assert str(word) in said, f"{word!r} is not in: {said}"
    return said
