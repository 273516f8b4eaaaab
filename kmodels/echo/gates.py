"""Acceptance thresholds in rooms that the model was not trained in."""

from kmodels.core.spec.gate import Gate

# The prototype asks for 0.15 m, and calls 0.2 to 0.3 m ideal; an untrained network's residual is 0.7 m.
RESIDUAL = Gate(
    "mean |residual|",
    "sparse",
    (0.15, 0.3),
    "prototype",
    "within",
    "m",
    levels=(("minimum", (0.15, 0.3)), ("ideal", (0.2, 0.3))),
)
DELTA1_LEVELS = (("minimum", 0.45), ("ideal", 0.55))

GATES = (
    Gate("RMSE / mean map's", "rmse_ratio_mean_map", 0.5, "this project", "<="),
    Gate("pixels within 25% (delta1)", "delta1", 0.75, "this project", levels=DELTA1_LEVELS),
    Gate("mean relative error", "abs_rel", 0.25, "this project", "<="),
    # A deaf model has 1: another room's recording makes it no worse.
    Gate("RMSE with another room's sound / with its own", "shuffled_audio_ratio", 2.0, "this project"),
    RESIDUAL,
)
