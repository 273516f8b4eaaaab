"""What is measured of the echo network beside what every model has."""

from kmodels.benchmarks.parts import Bench

BENCH = Bench(
    sample=("n_rooms", 20),
    grows={"pixels": {n * n: {"data": {"image_size": n}} for n in (32, 64, 128)}},
)
