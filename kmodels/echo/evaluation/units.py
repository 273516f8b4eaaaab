"""Units of the metrics that have one; the others are shares and ratios."""

_PROTOCOLS = ("", "_batvision", "_echogeom", "_htf")
_PARTS = ("sparse", "base_difference")
_ELSEWHERE = [*(f"{name}{how}" for name in ("rmse", "mae") for how in _PROTOCOLS), *_PARTS]
_NAMES = [*_ELSEWHERE, "base_mae_trained", "base_mae_unseen"]
UNITS = dict.fromkeys([*_NAMES, *(f"transfer_{name}" for name in _ELSEWHERE)], "m")
