"""What a run must reach on held-out structures."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("loss of the prototype", "prototype_loss", 1.285e-3, "prototype", "<="),
    Gate("mean absolute error", "mae", 0.01, "this project", "<="),
    Gate("R2 against the mean spectrum", "r2", 0.95, "this project"),
    Gate("peak position error", "peak_error", 2.0, "this project", "<=", "nm"),
    Gate("latency of a structure on a CPU, batch 64", "milliseconds", 5.0, "this project", "<=", "ms"),
)
