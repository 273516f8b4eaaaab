"""What is measured of the diffraction net beside what every model has."""

from kmodels.benchmarks.parts import Bench

BENCH = Bench(
    sample=("n_structures", 200),
    grows={
        "pixels": {n * n: {"data": {"pixels": n}} for n in (64, 128, 256)},
        "wavelengths": {n: {"data": {"n_wavelengths": n}} for n in (51, 101, 201)},
    },
    variant="scalar",
)
