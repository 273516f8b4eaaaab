"""Why nothing can be computed, where neither the user's files nor this package are to blame."""

import os
import re
import sys

# Of variables that choose what a backend computes on, such as JAX_PLATFORMS and CUDA_VISIBLE_DEVICES.
CHOICE = re.compile(r"^(JAX|KERAS|CUDA|HIP|ROCR)_.*(PLATFORM|DEVICE)")


def of_backend() -> str | None:
    """Say in a line why the backend that Keras runs on computes nothing on this machine.

    Returns
    -------
    str or None
        None where it computes, or where none has been imported.
    """
    keras = sys.modules.get("keras")
    if keras is None:
        return None
    try:
        keras.ops.convert_to_numpy(keras.ops.zeros(1) + 1)
    except Exception as error:  # noqa: BLE001 - backends raise errors of any class
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        chosen = [f"{name}={value}" for name, value in sorted(os.environ.items()) if CHOICE.search(name)]
        asked = f"; the environment has {', '.join(chosen)}: unset it" if chosen else "; look at its installation"
        return f"{keras.config.backend()} computes nothing on this machine: {reason}{asked}, or use another --backend"
    return None
