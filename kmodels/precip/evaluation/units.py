"""Units of the metrics that have one; the others are counts, shares and ratios."""

from kmodels.precip.evaluation.daily_statistics import POOLED

_RAIN = (
    "crps",
    "twcrps_p95",
    "twcrps_p99",
    *POOLED,
    "mae_tail",
    "real_max",
    "real_mean",
    "posterior_crps",
    "posterior_mae_tail",
)
UNITS = dict.fromkeys(_RAIN, "mm/day") | {"ralsd": "dB", "kl": "nats"}
