"""What a run must reach on held-out runs, whose terrain, sources and winds no training run has."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("correlation", "pearson", 0.97, "ours"),
    Gate("within a factor of two", "fac2", 0.85, "ours"),
    Gate("bias", "abs_fb", 0.05, "ours", "<="),
    Gate("normalised error", "nmse", 0.3, "ours", "<="),
    Gate("geometric variance", "vg", 1.6, "ours", "<="),
    Gate("volume of the cloud", "fms", 0.8, "ours"),
    Gate("error / persistence's", "mse_ratio_persistence", 0.5, "ours", "<="),
    Gate("error / moved persistence's", "mse_ratio_wind_moved", 0.8, "ours", "<="),
    Gate("mass", "mass_residual", 0.02, "ours", "<="),
    Gate("30 steps: factor of two", "rollout_fac2", 0.6, "ours"),
    Gate("30 steps: bias", "rollout_abs_fb", 0.15, "ours", "<="),
)
