"""What a run must reach on held-out days."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("prior maximum / real, heavy days", "max_ratio", 0.86, "seed"),
    Gate("prior mean / real, heavy days", "mean_ratio", 0.73, "seed"),
    Gate("diversity of prior draws", "diversity", 0.2, "seed"),
    Gate("posterior maximum / real", "posterior_max_ratio", 0.91, "seed"),
    Gate("CRPS / RainFARM's", "crps_ratio_rainfarm", 0.85, "ours", "<="),
    Gate("CRPS / exact posterior's", "crps_ratio_exact_posterior", 1.10, "ours", "<="),
    Gate("spread / skill, at least", "spread_skill", 0.9, "ours"),
    Gate("spread / skill, at most", "spread_skill", 1.1, "ours", "<="),
    Gate("bias of P99", "p99_bias", 0.05, "ours", "<="),
    Gate("share of wet cells", "wet_difference", 0.01, "ours", "<="),
    Gate("mass", "mass_bias", 0.02, "ours", "<="),
    Gate("spectra", "ralsd", 1.5, "ours", "<=", "dB"),
    Gate("prior P99 / posterior P99, at least", "gap_p99_ratio", 0.95, "ours"),
    Gate("prior P99 / posterior P99, at most", "gap_p99_ratio", 1.05, "ours", "<="),
)
