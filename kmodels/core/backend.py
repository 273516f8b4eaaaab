"""The one door to the backends: Keras runs on tensorflow, jax or torch, and only this file knows them by name."""

import contextlib
import importlib.util
import os
import platform
import sys
from importlib import metadata

from kmodels.core.errors import UserError

NAMES = ("tensorflow", "jax", "torch")


def installed() -> list[str]:
    """The backends that this Python has, in order of preference."""
    return [name for name in NAMES if importlib.util.find_spec(name) is not None]


def select(name: str | None = None, small_operations: bool = False) -> str:
    """Choose the backend before Keras is imported: `name`, else KERAS_BACKEND, else the first installed.

    small_operations: the model runs hundreds of small operations a step, as recurrent ones do. TensorFlow then runs
    several of them side by side on a thread each, which took 0.65 times as long on two cores (Bi-GRU of 64 units).
    For all other models TensorFlow gets oneDNN's convolutions, which it would choose by itself on some processors only:
    on one with AVX-512 and without VNNI a 3 x 3 convolution of 36 to 16 channels and its gradients took 54 ms instead
    of 333. Who has set TF_ENABLE_ONEDNN_OPTS is obeyed.
    Raises UserError when it is not installed, or when Keras already runs on another one.
    """
    have = installed()
    asked = name or os.environ.get("KERAS_BACKEND")
    if not have:
        raise UserError(f"no backend is installed: pip install tensorflow (or one of {', '.join(NAMES[1:])})")
    if asked and asked not in NAMES:
        raise UserError(f"backend {asked!r} is unknown; allowed: {', '.join(NAMES)}")
    if asked and asked not in have:
        raise UserError(f"backend {asked!r} is not installed (pip install {asked}); here: {', '.join(have)}")
    if "keras" in sys.modules:
        running = current()
        if name and name != running:
            raise UserError(f"Keras already runs on {running} in this process; {name} needs a new one")
        return running
    chosen = asked or have[0]
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
    if small_operations:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(os.cpu_count() or 1))
    else:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    return chosen


def current() -> str:
    """The backend that Keras runs on."""
    import keras

    return keras.config.backend()


def seed_everything(seed: int) -> None:
    """Fix every source of randomness, so that the same recipe gives the same weights on the same machine."""
    import keras

    keras.utils.set_random_seed(seed)
    if current() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def compiles() -> bool:
    """Whether a loaded model's predictions are compiled: on jax alone.

    On tensorflow XLA, and on torch `torch.compile`, take up to minutes for a recurrent model before the first answer.
    """
    return current() == "jax"


def without_gradients():
    """A context in which layers are called for their outputs alone; torch would keep what a gradient needs."""
    if current() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def value_and_gradient(function):
    """x (NumPy, float32) -> (value, d value / d x), both NumPy, for a function of one tensor that gives one number."""
    return {"tensorflow": _tensorflow_gradient, "jax": _jax_gradient, "torch": _torch_gradient}[current()](function)


def _tensorflow_gradient(function):
    import tensorflow as tf

    @tf.function
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)

    return lambda x: tuple(part.numpy() for part in both(tf.convert_to_tensor(x)))


def _jax_gradient(function):
    import jax
    import numpy as np

    both = jax.jit(jax.value_and_grad(function))
    return lambda x: tuple(np.asarray(part) for part in both(x))


def _torch_gradient(function):
    import keras
    import torch

    def both(x):
        tensor = keras.ops.convert_to_tensor(x).requires_grad_()
        value = function(tensor)
        (slope,) = torch.autograd.grad(value, tensor)
        return value.detach().cpu().numpy(), slope.cpu().numpy()

    return both


def versions() -> dict[str, str]:
    """The versions that decide a result."""
    names = ("kmodels", "keras", current(), "numpy", "pandas", "scikit-learn")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}


def accelerators() -> list[str]:
    """The names of the accelerators that the backend would train on; empty on a CPU."""
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
