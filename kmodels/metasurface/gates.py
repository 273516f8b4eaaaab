"""What a run must reach on held-out structures."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("mean absolute error", "mae", 0.005, "this project", "<="),
    Gate("R2 against the mean spectrum", "r2", 0.985, "this project"),
    Gate("peak position error", "peak_error", 1.8, "this project", "<=", "nm"),
    Gate("peaks within 2 nm", "peaks_within_2nm", 0.74, "this project"),
    Gate("error of the transmitted power", "transmission_error", 0.0025, "this project", "<="),
    Gate("loss of the prototype", "prototype_loss", 1.285e-3, "prototype", "<="),
    Gate(
        "latency of a structure on a CPU, batch 64", "milliseconds", 5.0, "this project", "<=", "ms", kind="requirement"
    ),
)
