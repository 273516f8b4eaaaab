"""What is measured of the precip network beside what every model has."""

from kmodels.benchmarks.parts import Bench

BENCH = Bench(
    sample=("n_days", 400),
    grows={"cells": {y * x: {"data": {"grid": {"ny": y, "nx": x}}} for y, x in ((28, 24), (52, 44), (104, 88))}},
)
