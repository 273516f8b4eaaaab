"""The one door to the backends: Keras runs on tensorflow, jax or torch, and only this file knows them by name.

What a training on many devices needs of them is in `devices.distribution`.
"""

import contextlib
import functools
import hashlib
import importlib.util
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from kmodels.core.io import files, system
from kmodels.core.spec.errors import UserError
from kmodels.core.spec.suggest import did_you_mean

NAMES = ("tensorflow", "jax", "torch")
# What a user's keras.json may set otherwise; in half precision or with channels first models do not compute the same.
SETTINGS = {"floatx": "float32", "image_data_format": "channels_last", "epsilon": 1e-7}
# Of what jax keeps compiled: all of it together [bytes], how long, so that a file that was cut short goes, too [days],
# and what compiles in less is not worth a file [s].
COMPILED_BYTES, COMPILED_DAYS, COMPILED_SECONDS = 10**9, 30.0, 0.1
FASTEST = "fastest.json"  # in the cache: by machine and model, what was measured there
WIDE_OPEN = 1e4  # what a gate gets whose sigmoid is to be 1


def installed() -> list[str]:
    """List the backends that this Python has, in order of preference."""
    return [name for name in NAMES if importlib.util.find_spec(name) is not None]


def select(
    name: str | None = None, small_operations: bool = False, fastest: tuple[str, ...] = (), model: str = ""
) -> str:
    """Choose the backend before Keras is imported: `name`, else KERAS_BACKEND, else as `choice` says.

    For models of large operations TensorFlow gets oneDNN's convolutions, which it would choose by itself on some
    processors only: on one with AVX-512 and without VNNI a 3 x 3 convolution of 36 to 16 channels and its gradients
    took 54 ms instead of 333. TF_ENABLE_ONEDNN_OPTS, where it is set, is left as it is.

    Parameters
    ----------
    name : str, optional
        The backend that was asked for.
    small_operations : bool
        Whether the model runs hundreds of small operations a step, as recurrent ones do. TensorFlow then runs several
        of them side by side on a thread each, which took 0.65 times as long on two cores (Bi-GRU of 64 units).
    fastest, model
        As in `choice`.

    Returns
    -------
    str
        The backend that Keras runs on from now on.

    Raises
    ------
    UserError
        Where it is not installed, or Keras already runs on another one.
    """
    asked, _ = choice(name, fastest, model)
    check(asked)
    if "keras" in sys.modules:
        running = current()
        if name and name != running:
            raise UserError(f"Keras already runs on {running} in this process; {name} needs a new one")
        return running
    os.environ["KERAS_BACKEND"] = asked
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up chatter: what fails raises, too
    if small_operations:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(os.cpu_count() or 1))
    else:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    return asked


def start(
    name: str | None = None, small_operations: bool = False, fastest: tuple[str, ...] = (), model: str = ""
) -> str:
    """Choose the backend as `select` does, and import Keras on it, without the lines that libraries print then.

    Parameters
    ----------
    name, small_operations, fastest, model
        As in `select`.

    Returns
    -------
    str
        The backend.

    Raises
    ------
    UserError
        As `select` does, and where Keras was imported before and set otherwise than the models need.
    """
    chosen = select(name, small_operations, fastest, model)
    ours = "keras" not in sys.modules
    with _quiet():
        import keras
    if chosen == "tensorflow":
        logging.getLogger("tensorflow").addFilter(_is_of_use)
    for setting, needed in SETTINGS.items():
        found, change = getattr(keras.config, setting)(), f"set_{setting}"
        if found != needed and not ours:
            raise UserError(f"Keras has {setting} {found!r} in this process: keras.config.{change}({needed!r}) first")
        getattr(keras.config, change)(needed)
    if chosen == "jax":
        _keep_compiled()
    return chosen


@functools.cache  # once a process
def _keep_compiled() -> None:
    """Have jax keep what it compiles on disk, where other processes find it: a network compiles for up to a minute.

    What a user set of jax's cache stays. Compiled code is the machine's: XLA chooses instructions by the processor, and
    shares work out by the cores that it finds, neither of which jax looks at as it searches. What cannot be read or
    written there is compiled as ever, without a word: jax would warn of each.
    """
    import jax

    own = "JAX_COMPILATION_CACHE_DIR" in os.environ or jax.config.jax_compilation_cache_dir is not None
    if own or not jax.config.jax_enable_compilation_cache:
        return
    top = system.data_folder() / "jax"
    folder = system.private_folder(top / _machine("jax", "jaxlib"))
    if folder is None:
        return
    system.trim(top, COMPILED_BYTES, COMPILED_DAYS)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", COMPILED_SECONDS)
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry", UserWarning)


def _machine(*packages: str) -> str:
    """Hash the processor, the number of cores, and the versions of packages."""
    versions = [f"{name} {_version(name)}" for name in packages]
    return hashlib.sha256(f"{versions} {len(system.cores())} {system.processor()}".encode()).hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # a build under another name, such as tensorflow-cpu
        return ""


def _is_of_use(record: logging.LogRecord) -> bool:
    """Drop a warning that TensorFlow gives where several networks predict in one process, as those of a fit do.

    It takes Keras' functions of different networks for one that is traced again and again.
    """
    return "triggered tf.function retracing" not in str(record.msg)


def check(name: str) -> None:
    """Refuse a backend that cannot be used here.

    Raises
    ------
    UserError
        That says whether it is unknown or not installed, and what is.
    """
    have = installed()
    if not have:
        raise UserError(f"no backend is installed: pip install tensorflow (or one of {', '.join(NAMES[1:])})")
    if name not in NAMES:
        raise UserError(f"backend {name!r} is unknown{did_you_mean(name, NAMES)}; allowed: {', '.join(NAMES)}")
    if name not in have:
        raise UserError(f"backend {name!r} is not installed (pip install {name}); here: {', '.join(have)}")


@contextlib.contextmanager
def _quiet():
    """Hide what is written to standard error inside, unless an error is raised.

    Libraries written in C say what they miss as they are loaded, whatever log level is set: TensorFlow, which Keras
    loads beside the other backends, does. Python cannot keep them from it but by giving them another file.
    """
    with tempfile.TemporaryFile() as aside:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def note_fastest(model: str, order: list[str]) -> None:
    """Remember the backends in the order of the time that a training of a model was measured to take here.

    It counts while processor, cores, and the backends that are installed are the same, with their versions.
    """
    path = system.data_folder() / FASTEST
    known = {}
    key = _machine(*installed())
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):  # none yet, or damaged
        known = {machine: dict(of) for machine, of in json.loads(path.read_text(encoding="utf-8")).items()}
    files.write_json(path, known | {key: known.get(key, {}) | {model: order}})


def _fastest_here(model: str) -> str | None:
    """Recall the backend that was measured to be the fastest for a model on this machine; None: none was."""
    try:
        known = json.loads((system.data_folder() / FASTEST).read_text(encoding="utf-8"))
        first = known[_machine(*installed())][model][0]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return first if first in installed() else None


def choice(name: str | None, fastest: tuple[str, ...] = (), model: str = "") -> tuple[str, str]:
    """Tell which backend `select` would choose, and why. Ask before it is selected.

    Parameters
    ----------
    name : str or None
        The backend that was asked for; else KERAS_BACKEND counts.
    fastest : tuple of str
        A recipe's backends from the fastest on, as measured on a CPU; where there may be a GPU they say nothing.
    model : str
        The model's name: what `kmodels.bench --choose` measured of it on this machine comes before `fastest`.

    Returns
    -------
    backend, reason : str
        The reason is for people.
    """
    asked = name or os.environ.get("KERAS_BACKEND")
    if asked:
        return asked, "as asked"
    if model and (here := _fastest_here(model)):
        return here, "the fastest for this model on this machine (kmodels.bench --choose)"
    best = [name for name in fastest if name in installed()]
    if best and shutil.which("nvidia-smi") is None:
        return best[0], "on a CPU the fastest for this model of those installed (kmodels.bench)"
    return (*installed(), NAMES[0])[0], "the first that is installed"


def current() -> str:
    """Name the backend that Keras runs on."""
    import keras

    return keras.config.backend()


def seed_everything(seed: int, deterministic: bool | None = None) -> None:
    """Fix every source of randomness, so that the same recipe gives the same weights on the same machine.

    Parameters
    ----------
    seed : int
        Of weights, order and whatever else is drawn.
    deterministic : bool, optional
        Whether operations that add up in parallel do so in one order. None: on a CPU, but not on an accelerator, where
        it costs time, and weights differ in their last bits from run to run. Once chosen it stays for the process.
    """
    import keras

    with _quiet():  # Keras loads TensorFlow here on every backend, where it is installed
        keras.utils.set_random_seed(seed)
    if deterministic or (deterministic is None and current() == "tensorflow" and not accelerators()):
        {"tensorflow": _tensorflow_in_order, "jax": _jax_in_order, "torch": _torch_in_order}[current()]()


def _tensorflow_in_order() -> None:
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()


def _jax_in_order() -> None:
    """Tell XLA before it is asked for a device; on a CPU jax adds up in one order anyway."""
    flag = "--xla_gpu_deterministic_ops=true"
    if flag not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()


def _torch_in_order() -> None:
    """Tell CUDA's operations; an operation that has no such form raises. On a CPU torch does so anyway."""
    import torch

    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS refuses
        torch.use_deterministic_algorithms(True)


def compiles() -> bool:
    """Tell whether a loaded model's predictions are compiled: on jax alone.

    On tensorflow XLA, and on torch `torch.compile`, take up to minutes for a recurrent model before the first answer.
    """
    return current() == "jax"


@contextlib.contextmanager
def restoring(variables: list) -> Iterator[None]:
    """Give variables their values back where an error inside takes them away.

    Keras on jax does: it keeps the values of a training outside the variables, and drops them where its first step is
    refused.

    Parameters
    ----------
    variables : list of keras.Variable
        With values.
    """
    before = [(variable, variable.value) for variable in variables] if current() == "jax" else []
    try:
        yield
    except BaseException:
        for variable, value in before:
            if not _has_value(variable):
                variable.assign(value)
        raise


def _has_value(variable) -> bool:
    try:
        return variable.value is not None
    except TypeError:  # Keras calls an initializer that is gone
        return False


def without_gradients() -> contextlib.AbstractContextManager:
    """Open a context in which layers are called for their outputs alone; torch would keep what a gradient needs."""
    if current() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def value_and_gradient(function: Callable) -> Callable:
    """Make (x, ...) -> (value, d value / d x), NumPy float32, of a function that gives one number.

    Parameters
    ----------
    function : callable
        Of a tensor x and, where it needs more, of what does not depend on x: arrays, or dictionaries of them. It is
        compiled once for calls whose arrays have the same shapes.

    Returns
    -------
    callable
        Takes NumPy arrays in place of tensors.
    """
    return {"tensorflow": _tensorflow_gradient, "jax": _jax_gradient, "torch": _torch_gradient}[current()](function)


def _tensorflow_gradient(function):
    import tensorflow as tf

    @tf.function
    def both(x, *others):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x, *others)
        return value, tape.gradient(value, x)

    return lambda *given: tuple(part.numpy() for part in both(*tf.nest.map_structure(tf.convert_to_tensor, given)))


def _jax_gradient(function):
    import jax
    import numpy as np

    both = jax.jit(jax.value_and_grad(function))
    return lambda *given: tuple(np.asarray(part) for part in both(*given))


def _torch_gradient(function):
    import keras
    import torch

    def both(x, *others):
        tensor = keras.ops.convert_to_tensor(x).requires_grad_()
        value = function(tensor, *keras.tree.map_structure(keras.ops.convert_to_tensor, others))
        (slope,) = torch.autograd.grad(value, tensor)
        return value.detach().cpu().numpy(), slope.cpu().numpy()

    return both


def compiled(function: Callable) -> Callable:
    """Compile a function of tensors, for its output alone: arrays or dictionaries of them in, one NumPy array out.

    Parameters
    ----------
    function : callable
        Of tensors or dictionaries of them. It is compiled once for calls whose arrays have the same shapes; torch
        computes as it is written.

    Returns
    -------
    callable
        Takes NumPy arrays in place of tensors.
    """
    return {"tensorflow": _tensorflow_compiled, "jax": _jax_compiled, "torch": _torch_compiled}[current()](function)


def _tensorflow_compiled(function):
    import tensorflow as tf

    traced = tf.function(function)
    return lambda *given: traced(*tf.nest.map_structure(tf.convert_to_tensor, given)).numpy()


def _jax_compiled(function):
    import jax
    import numpy as np

    traced = jax.jit(function)
    return lambda *given: np.asarray(traced(*given))


def _torch_compiled(function):
    import keras

    def call(*given):
        with without_gradients():
            output = function(*keras.tree.map_structure(keras.ops.convert_to_tensor, given))
        return output.cpu().numpy()

    return call


def batch_normalized(x: Any, scale: Any, offset: Any, epsilon: float) -> tuple:
    """Normalise x by its mean and variance over all axes but the last.

    Each backend does it in one operation, forward and backward, where Keras has about ten; jax joins them by itself.

    Parameters
    ----------
    x : tensor
        (batch, y, x, channels) float32.
    scale, offset : tensor
        (channels,) float32.
    epsilon : float
        Added to the variance.

    Returns
    -------
    normalised : tensor
        (batch, y, x, channels) float32.
    mean, variance : tensor
        (channels,) float32; the variance is that of the batch, divided by n.
    """
    how = {"tensorflow": _tensorflow_normalized, "torch": _torch_normalized}.get(current(), _normalized)
    return how(x, scale, offset, epsilon)


def _normalized(x, scale, offset, epsilon):
    from keras import ops

    mean, variance = ops.moments(x, axes=[0, 1, 2])
    return ops.batch_normalization(x, mean, variance, -1, offset, scale, epsilon), mean, variance


def _tensorflow_normalized(x, scale, offset, epsilon):
    import tensorflow as tf

    normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=epsilon)
    n = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), variance.dtype)
    return normalised, mean, variance * (n - 1) / n


def _torch_normalized(x, scale, offset, epsilon):
    import torch

    channels_first = x.permute(0, 3, 1, 2)
    normalised, mean, inverse = torch.native_batch_norm(channels_first, scale, offset, None, None, True, 0.0, epsilon)
    return normalised.permute(0, 2, 3, 1), mean.detach(), inverse.detach() ** -2 - epsilon


def whole_gru() -> Callable | None:
    """Find the function that runs a GRU over all steps in one operation.

    Returns
    -------
    callable or None
        ``(x, state, mask, cell) -> (outputs, last)`` with x (batch, time, features), state (batch, units), mask
        (batch, time) or None, Keras' cell, outputs (batch, time, units) and the last of these. None where Keras' own
        loop is as good.
    """
    return _torch_gru if current() == "torch" else None


def _torch_gru(x, state, mask, cell):
    """Run a GRU in torch's order of gates: reset, update, new.

    A masked step leaves the state as it is: one more feature, 1 at masked steps, opens the update gate so far that
    its sigmoid is 1 to the last bit.
    """
    import torch
    from keras import ops

    def gates(values):
        update, reset, new = torch.tensor_split(ops.cast(values, x.dtype), 3, dim=-1)
        return torch.cat([reset, update, new], -1).T.contiguous()

    kernel = gates(cell.kernel)
    if mask is not None:
        masked = torch.logical_not(ops.convert_to_tensor(mask, "bool")).to(x.dtype)
        x = torch.cat([x, masked.unsqueeze(-1)], -1)
        column = x.new_zeros(3, cell.units)
        column[1] = WIDE_OPEN
        kernel = torch.cat([kernel, column.reshape(-1, 1)], 1)
    weights = [kernel, gates(cell.recurrent_kernel), *torch.unbind(gates(cell.bias), 1)]
    outputs, last = torch.gru(x, state.to(x.dtype).unsqueeze(0).contiguous(), weights, True, 1, 0.0, True, False, True)
    return outputs, last[0]


def versions() -> dict[str, str]:
    """List the versions that decide a result, by package."""
    names = ("kmodels", "keras", current(), "numpy", "pandas", "scikit-learn")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def threads() -> int:
    """Count the threads of the processor on which the backend runs one operation."""
    if current() == "tensorflow":
        import tensorflow as tf

        set_by_hand = tf.config.threading.get_intra_op_parallelism_threads()
        return set_by_hand or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or len(os.sched_getaffinity(0)))
    if current() == "torch":
        import torch

        return torch.get_num_threads()
    return len(os.sched_getaffinity(0))


def accelerators() -> list[str]:
    """Name the accelerators that the backend would train on; none on a CPU."""
    name = current()
    if name == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(d).get("device_name", d.name) for d in devices]
    if name == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import torch

    return [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]


def load_saved_model(path: Any) -> Callable:
    """Load a SavedModel: a function of a dictionary of arrays. It needs tensorflow, whatever backend Keras runs on."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def serve(arrays):  # holds what was loaded: its variables are deleted with it
        return loaded.serve({name: tf.convert_to_tensor(value) for name, value in arrays.items()})

    return serve


def litert_interpreter(path: Any) -> Any:
    """Open a LiteRT file that has operations of TensorFlow's own; TensorFlow is needed to run them."""
    import tensorflow as tf

    return tf.lite.Interpreter(model_path=str(path))


def litert_options(precision: str) -> dict:
    """List what `keras.Model.export` is told, on tensorflow, to write a LiteRT file in a precision."""
    import tensorflow as tf

    if precision == "float32":
        return {}
    types = {"target_spec": {"supported_types": [tf.float16]}} if precision == "float16" else {}
    return {"optimizations": [tf.lite.Optimize.DEFAULT]} | types
