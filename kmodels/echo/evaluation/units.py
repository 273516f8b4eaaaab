"""Units of the metrics that have one; the others are shares and ratios."""

_PROTOCOLS = ("", "_batvision", "_echogeom", "_htf")
_PARTS = ("sparse", "base_difference", "base_mae_trained", "base_mae_unseen")
UNITS = dict.fromkeys([*(f"{name}{how}" for name in ("rmse", "mae") for how in _PROTOCOLS), *_PARTS], "m")
