"""3-D convolution in several forms: the same numbers, computed in the way that a backend and device is fastest at."""

import itertools

import keras
from keras import ops


def convolution3d(x, kernel, padding="same", form="auto"):
    """Convolve in three dimensions with stride 1, channels last.

    ::

        y[z, y, x] = sum_ijk x[z + i, y + j, x + k] K[i, j, k]

    Parameters
    ----------
    x : tensor
        (batch, z, y, x, channels).
    kernel : tensor
        (kz, ky, kx, channels, filters).
    padding : {"same", "valid"}
        Of the borders.
    form : str
        A name in FORMS, or "auto", the one that was measured to be fastest here.

    Returns
    -------
    tensor
        (batch, z', y', x', filters), z' = z for "same" and z - kz + 1 for "valid".
    """
    x, kernel = ops.convert_to_tensor(x), ops.convert_to_tensor(kernel)
    return FORMS[_fastest(x) if form == "auto" else form](x, kernel, padding)


def _fastest(x) -> str:
    """Name the fastest form on the backend that Keras runs on and the device that it computes on.

    Seconds, forward | forward and backward, of x (1, 21, 45, 45, 16) with 64 filters of 3 x 3 x 3, on two cores that
    were busy with other things as well; tensorflow's are processor seconds:

                                native         stacked        planes
        tensorflow           0.05 | 0.33    0.34 | 1.34    0.06 | 0.28
        tensorflow, oneDNN   0.02 | 0.08    0.08 | 0.67    0.03 | 0.14
        torch                0.37 | 1.17    0.42 | 1.49    0.13 | 0.41
        jax                  0.40 | 2.88    0.43 | 1.10    0.16 | 0.62

    On a GPU it is the library's own 3-D convolution; configs/reports/gpu.report.json has a ConvLSTM3D of them beside
    Keras' and PyTorch's on an H200.
    """
    if keras.backend.backend() == "tensorflow":
        return "native"
    if keras.backend.backend() == "torch":  # it alone computes where its tensor lies
        cpu = x.device.type == "cpu"
    else:
        cpu = keras.distribution.list_devices()[0].startswith("cpu")
    return "planes" if cpu else "native"


def native(x, kernel, padding):
    """Convolve by the backend's own operation."""
    return ops.conv(x, kernel, padding=padding, data_format="channels_last")


def shifted(x, kernel, padding):
    """Convolve by one matrix product of the channels for every place of the kernel, summed."""
    x, size = _padded(x, kernel, padding)
    places = itertools.product(*map(range, kernel.shape[:3]))
    return sum(ops.matmul(_window(x, place, size), kernel[place]) for place in places)


def stacked(x, kernel, padding):
    """Convolve as `shifted`, with the kernel's places along x side by side in the channels: a third of the products."""
    x, (nz, ny, nx) = _padded(x, kernel, padding)
    x = ops.concatenate([x[:, :, :, k : k + nx] for k in range(kernel.shape[2])], axis=-1)
    kernel = ops.reshape(kernel, (*kernel.shape[:2], -1, kernel.shape[-1]))
    places = itertools.product(*map(range, kernel.shape[:2]))
    return sum(ops.matmul(_window(x, place, (nz, ny)), kernel[place]) for place in places)


def planes(x, kernel, padding):
    """2-D convolution of every level, with the levels that the kernel spans side by side in the channels."""
    kz, ky, kx, channels, filters = kernel.shape
    if padding == "same":
        x = ops.pad(x, [(0, 0), ((kz - 1) // 2, kz // 2), (0, 0), (0, 0), (0, 0)])
    nz, ny, nx = x.shape[1] - kz + 1, *x.shape[2:4]
    x = ops.concatenate([x[:, k : k + nz] for k in range(kz)], axis=-1)
    kernel = ops.reshape(ops.transpose(kernel, (1, 2, 0, 3, 4)), (ky, kx, kz * channels, filters))
    x = ops.reshape(x, (-1, ny, nx, kz * channels))
    y = ops.conv(x, kernel, padding=padding, data_format="channels_last")
    return ops.reshape(y, (-1, nz, *y.shape[1:]))


FORMS = {"native": native, "shifted": shifted, "stacked": stacked, "planes": planes}


def _padded(x, kernel, padding):
    """Pad x with the zeros that "same" wants round it; return it and the size (z', y', x') of the result."""
    size = kernel.shape[:3]
    if padding == "same":
        x = ops.pad(x, [(0, 0), *(((k - 1) // 2, k // 2) for k in size), (0, 0)])
    return x, [n - k + 1 for n, k in zip(x.shape[1:4], size, strict=True)]


def _window(x, place, size):
    """Return the part of x, of this size, that begins at `place`."""
    return x[:, *(slice(start, start + n) for start, n in zip(place, size, strict=True))]
