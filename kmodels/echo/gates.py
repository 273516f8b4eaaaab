"""Acceptance thresholds in rooms that the model was not trained in."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("RMSE / mean map's", "rmse_ratio_mean_map", 0.5, "this project", "<="),
    Gate("pixels within 25% (delta1)", "delta1", 0.75, "this project"),
    # The raw error with another room's echoes lies far above the mean map's, for the model predicts that room. What
    # must fall back to the mean map is the best shrunken prediction: see `evaluation.shuffled_audio`.
    Gate("shuffled-audio control", "shuffled_audio_gap", 0.02, "this project", "<="),
    Gate("mean |residual|", "sparse", 0.15, "prototype", ">=", "m"),
)
