"""What a run must reach in rooms that it was not trained in."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("error / mean map's", "rmse_ratio_mean_map", 0.5, "ours", "<="),
    Gate("within 25%", "delta1", 0.75, "ours"),
    # Raw, a listener's error with another room's echoes lies far above the mean map's: it believes them. What must fall
    # back to the mean map is what they can tell: see `examine.what_others_tell`.
    Gate("other rooms tell nothing", "shuffled_off", 0.02, "ours", "<="),
    Gate("the residual is used", "sparse", 0.15, "seed", ">=", "m"),
)
