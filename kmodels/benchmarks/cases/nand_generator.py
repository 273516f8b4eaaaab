"""What is measured of the generator beside what every model has."""

from kmodels.benchmarks.parts import Bench

BENCH = Bench(
    sample=("n_sequences", 2000),
    grows={"operations of a sequence": {n: {"data": {"seq_len": n}} for n in (25, 50, 100)}},
    alternatives={"an epoch of every prefix": {"train": {"scheme": "prefix"}}},
)
