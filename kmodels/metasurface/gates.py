"""What a run must reach on held-out structures, and on others at 301 wavelengths (`transfer_`)."""

from kmodels.core.spec.gate import Gate

OURS = "this project"

GATES = (
    Gate("R2 against the mean spectrum", "r2", 0.95, OURS),
    Gate("mean absolute error", "mae", 0.012, OURS, "<="),
    Gate("R2 at 301 wavelengths", "transfer_r2", 0.95, OURS),
    Gate("mean absolute error at 301 wavelengths", "transfer_mae", 0.012, OURS, "<="),
    Gate("peak position error at 301 wavelengths", "transfer_peak_error", 3.0, OURS, "<=", "nm"),
    Gate("share within the 90% intervals", "interval_coverage", (0.88, 0.92), OURS, "within", kind="requirement"),
    Gate("stripes and checkerboards flagged", "regular_flagged", 0.99, OURS, kind="requirement"),
    Gate("held-out patterns flagged", "flagged", 0.05, OURS, "<=", kind="requirement"),
    Gate("latency of a structure on a CPU, batch 64", "milliseconds", 5.0, OURS, "<=", "ms", kind="requirement"),
)
