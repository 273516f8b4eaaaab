"""The suite runs on one backend, chosen by KERAS_BACKEND as everywhere; data is cached in a folder of its own."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import checks

from kmodels.core.io import files
from kmodels.core.spec import registry
from kmodels.core.training import backend

os.environ.setdefault("MPLBACKEND", "Agg")
# Two workers on two cores: idle OpenMP threads that spin would take the other one's core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# jax compiles a training step in some 10 s; the same step in another process is then read from here.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
backend.select(small_operations=True)  # as the verbs do for recurrent models: equal to the last bit


def pytest_xdist_make_scheduler(config, log):
    """A worker takes all tests of a file; of the contract, the longest of them, all those of a model."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # as collected: LONG first

    class ByModel(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return file + nodeid.rpartition("[")[2].split("-")[0].rstrip("]") if "test_contract" in file else file

    return ByModel(config, log)


# Folders and files whose tests say the same on every backend: what they test knows no Keras, runs in processes of its
# own, or is what stands around a training, such as options, tables and pages.
KERAS_FREE = {"data", "simulator", "io", "cli", "files", "kills", "tuning", "spec", "report", "runs", "benchmarks"}
KERAS_FREE |= {"exports"}  # processes on the backends that write a format
KERAS_FREE |= {"evaluation"}  # NumPy; the networks that some of it asks are tested on every backend
KERAS_FREE |= {f"test_{name}.py" for name in ("verbs", "pages", "climb", "architecture", "evidence", "ladder")}
KERAS_FREE |= {"test_simulated_data.py", "test_examples.py", "test_wheel.py"}
# What a signal or a kill leaves behind is files; that a training goes on bit by bit is seen on every backend.
ON_ONE_BACKEND = ("test_a_killed_prediction_ends_as_an_undisturbed_one", "test_ctrl_c_and_sigterm_save_at_once")
ON_ONE_BACKEND += ("test_the_study_from_end_to_end",)  # of parts that are tested on each
# A process that imports another backend and compiles takes half a minute but for the smallest model; that the others
# predict the same on every backend is also seen from the pinned runs (test_saved_by_earlier_versions.py).
SLOW = [
    f"test_load_in_a_fresh_process_on_another_backend[{name}]" for name in registry.NAMES if name != "nand.generator"
]


# jax compiles these networks for minutes; its contract takes those of the registry through all of a training.
SLOW_ON_JAX = {"plume", "precip", "echo", "metasurface"} if backend.current() == "jax" else set()
# Of the contract, these would be compiled anew.
COMPILED = ("loss_is_the_weighted_sum_of_its_terms_and_padding_counts_nothing", "bfloat16_policy")
SLOW += [f"test_{test}[{name}]" for test in COMPILED for name in SLOW_ON_JAX]


# Begun first, so that no worker is left with one of them at the end.
LONG = [f"test_{name}.py" for name in ("contract", "loop", "search", "verbs", "pages", "transfer", "bench")]


def _parts(path: Path) -> set[str]:
    """Names of the folders that a test's file lies in, and its own."""
    return set(path.relative_to(Path(__file__).parent).parts)


def pytest_ignore_collect(collection_path, config):
    """Import no file of which no test is wanted."""
    return True if "not keras_free" in config.option.markexpr and KERAS_FREE & _parts(collection_path) else None


def pytest_collection_modifyitems(items):
    """Mark tests as keras_free by the folder or file that they lie in, and as slow by that or by their name."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
    for item in items:
        if KERAS_FREE & _parts(item.path) or item.name.startswith(ON_ONE_BACKEND):
            item.add_marker(pytest.mark.keras_free)
        elif SLOW_ON_JAX & _parts(item.path) or item.name in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A temporary folder for all workers of this suite."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_folder(shared_folder):
    """Simulated data goes to a temporary folder, for this process, those beside it and those that it starts."""
    folder = shared_folder / "cache"
    os.environ["KMODELS_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def wheel(shared_folder):
    """A folder with the package installed from its wheel, made once for all workers; built of a copy, without network.

    The copy holds what the Dockerfile copies.
    """
    pytest.importorskip("setuptools", "77", reason="builds the wheel without the network")
    out = shared_folder / "wheel"
    with files.file_lock(shared_folder / "wheel.lock", wait=600.0) as alone:
        assert alone, "another worker builds it"
        if not out.exists():
            source = shared_folder / "source"
            folder, *others = checks.SOURCES
            shutil.copytree(checks.ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
            for name in others:
                shutil.copy(checks.ROOT / name, source)
            pip, quiet = [sys.executable, "-m", "pip"], ["--quiet", "--no-deps", "--no-index"]
            made = ["--no-build-isolation", "--wheel-dir", shared_folder / "wheels", source]
            subprocess.run([*pip, "wheel", *quiet, *made], check=True)
            (built,) = (shared_folder / "wheels").glob("kmodels-*.whl")
            subprocess.run([*pip, "install", *quiet, "--target", out, built], check=True)
    return out


@pytest.fixture(autouse=True)
def seeded():
    """Weights that a test draws without a seed are the same whatever ran before it in this worker."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(0)


def _eagerly():
    if backend.current() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager():
    """On TensorFlow nothing is traced during the test: a training of a few small steps takes a third of the time."""
    yield from _eagerly()


@pytest.fixture(scope="module")
def eager_file():
    """The same for all tests of a file."""
    yield from _eagerly()


@pytest.fixture(scope="session", params=registry.names())
def task(request):
    """Every Task in turn, those of installed packages too: a contract test asks for this."""
    return registry.task(request.param)


@pytest.fixture(scope="session")
def smoke_recipe(task):
    """The task's smallest recipe."""
    return task.recipe().with_changes(task.recipe.SMOKE)


@pytest.fixture(scope="session")
def smoke_runs(shared_folder):
    """`smoke_runs(name)`: a finished smoke run of that model, made once by a worker, to read and never to change."""
    from kmodels.fit import main as fit

    @functools.cache
    def made(name):
        out = shared_folder / "smoke_runs" / name
        with files.file_lock(out.with_suffix(".lock"), wait=600.0) as alone:
            assert alone, "another worker trains it"
            if not list(out.glob("*/report.json")):
                assert fit(["--model", name, "--smoke", "--out", str(out)]) == 0
        (run,) = (path for path in out.iterdir() if path.is_dir())
        return run

    return made


@pytest.fixture(scope="session")
def smoke_run(task, smoke_runs):
    """A finished smoke run of the task, made once, to read and never to change."""
    return smoke_runs(task.name)
