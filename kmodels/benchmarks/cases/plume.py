"""What is measured of the plume network beside what every model has: its ConvLSTM against Keras' own."""

import keras

from kmodels.benchmarks.speed import Bench
from kmodels.layers.conv_lstm3d import ConvLSTM3D

SHAPE = (2, 6, 21, 45, 45, 16)  # (batch, time, z, y, x, channels)


def _conv_lstms(shape=SHAPE, filters=16):
    """Make our layer and Keras' own."""
    return *(layer(filters, 3, padding="same") for layer in (ConvLSTM3D, keras.layers.ConvLSTM3D)), shape


BENCH = Bench(
    sample=("n_runs", 12),
    grows={
        "frames seen": {n: {"data": {"past": n}} for n in (3, 6, 12)},
        "cells": {8 * n * n: {"data": {"grid": {"ny": n, "nx": n}}} for n in (12, 20, 32)},
    },
    layers={"ConvLSTM3D of Keras": _conv_lstms},
)
