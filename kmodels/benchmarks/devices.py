"""The accelerator that a benchmark runs on: its name, and how much of its memory was used at most."""

from kmodels.core.runs import provenance
from kmodels.core.training import backend


def name() -> str:
    """Name the accelerator, or the processor where there is none."""
    return (*backend.accelerators(), provenance.hardware()["processor"])[0]


def peak_memory_gb() -> float:
    """Measure the largest memory that this process has held so far [GB]: of the accelerator, else of the machine."""
    if not backend.accelerators():
        return provenance.peak_memory_gb()
    peak = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend.current()]
    return round(peak() / 1e9, 3)


def _tensorflow() -> int:
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _jax() -> int:
    import jax

    return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]


def _torch() -> int:
    import torch

    return torch.cuda.max_memory_allocated()
