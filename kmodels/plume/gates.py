"""What a run must reach on held-out runs, whose terrain, sources and winds no training run has."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("correlation", "pearson", 0.97, "this project"),
    Gate("within a factor of two (FAC2)", "fac2", 0.85, "this project"),
    Gate("|fractional bias|", "abs_fb", 0.05, "this project", "<="),
    Gate("normalised mean square error", "nmse", 0.3, "this project", "<="),
    Gate("geometric variance", "vg", 1.6, "this project", "<="),
    Gate("overlap of the clouds (FMS)", "fms", 0.8, "this project"),
    Gate("MSE / persistence's", "mse_ratio_persistence", 0.5, "this project", "<="),
    Gate("MSE / wind-moved persistence's", "mse_ratio_wind_moved", 0.8, "this project", "<="),
    Gate("mass residual", "mass_residual", 0.02, "this project", "<="),
    Gate("30 steps: FAC2", "rollout_fac2", 0.6, "this project"),
    Gate("30 steps: |fractional bias|", "rollout_abs_fb", 0.15, "this project", "<="),
)
