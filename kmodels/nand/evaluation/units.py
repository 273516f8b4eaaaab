"""Units of the metrics that have one; the others are counts, shares and ratios."""

UNITS = {"distance_from_prior": "sigma", "transfer_distance_from_prior": "sigma"}
