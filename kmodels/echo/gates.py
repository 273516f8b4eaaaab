"""What a run must reach in rooms that it was not trained in."""

from kmodels.core.gate import Gate

GATES = (
    Gate("error / mean map's", "rmse_ratio_mean_map", 0.5, "ours", "<="),
    Gate("within 25%", "delta1", 0.75, "ours"),
    # Another room's echoes must help no more than none: an error far above the mean map's is what a listener makes.
    Gate("other rooms' audio / mean map", "shuffled_ratio", 0.98, "ours"),
    Gate("the residual is used", "sparse", 0.15, "seed", ">=", "m"),
)
