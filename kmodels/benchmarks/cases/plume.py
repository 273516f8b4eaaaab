"""What is measured of the plume network beside what every model has: its ConvLSTM against Keras' own."""

import keras

from kmodels.benchmarks.parts import Bench
from kmodels.layers.conv_lstm3d import ConvLSTM3D

# (batch, time, z, y, x, channels); as many channels go out
SHAPES = {"default": (2, 6, 21, 45, 45, 16), "full": (2, 30, 21, 45, 45, 32), "smoke": (2, 3, 4, 8, 8, 4)}


def _conv_lstms(size):
    """Make our layer and Keras' own."""
    shape = SHAPES[size]
    return *(layer(shape[-1], 3, padding="same") for layer in (ConvLSTM3D, keras.layers.ConvLSTM3D)), shape


BENCH = Bench(
    sample=("n_runs", 12),
    grows={
        "frames seen": {n: {"data": {"past": n}} for n in (3, 6, 12)},
        "cells": {8 * n * n: {"data": {"grid": {"ny": n, "nx": n}}} for n in (12, 20, 32)},
    },
    layers={"ConvLSTM3D of Keras": _conv_lstms},
    compiles_predictions=False,  # of 30 minutes: not within ten minutes
)
