"""What a run must reach on held-out structures."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("the seed's loss", "seed_loss", 1.285e-3, "seed", "<="),
    Gate("mean absolute error", "mae", 0.01, "ours", "<="),
    Gate("beside the mean spectrum", "r2", 0.95, "ours"),
    Gate("peaks", "peak_error", 2.0, "ours", "<=", "nm"),
    Gate("time of a structure on a CPU", "milliseconds", 5.0, "ours", "<=", "ms"),
)
