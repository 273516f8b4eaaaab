"""Units of the metrics that have one; the others are shares and ratios."""

UNITS = dict.fromkeys(("mse", "rollout_mse", "mse_lead_30", "transfer_mse"), "ug2 m-6")
