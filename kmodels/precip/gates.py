"""What a run must reach on held-out days."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("prior maximum / real, heavy days", "max_ratio", 0.86, "prototype"),
    Gate("prior mean / real, heavy days", "mean_ratio", 0.73, "prototype"),
    Gate("diversity of prior samples", "diversity", 0.2, "prototype"),
    Gate("posterior maximum / real, heavy days", "posterior_max_ratio", 0.91, "prototype"),
    Gate("CRPS / RainFARM's", "crps_ratio_rainfarm", 0.85, "this project", "<="),
    Gate("CRPS / exact posterior's", "crps_ratio_exact_posterior", 1.10, "this project", "<="),
    Gate("spread / skill, at least", "spread_skill", 0.9, "this project"),
    Gate("spread / skill, at most", "spread_skill", 1.1, "this project", "<="),
    Gate("P99 bias", "p99_bias", 0.05, "this project", "<="),
    Gate("difference in wet-cell share", "wet_difference", 0.01, "this project", "<="),
    Gate("mass bias", "mass_bias", 0.02, "this project", "<="),
    Gate("difference of spectra (RALSD)", "ralsd", 1.5, "this project", "<=", "dB"),
    Gate("prior P99 / posterior P99, at least", "gap_p99_ratio", 0.95, "this project"),
    Gate("prior P99 / posterior P99, at most", "gap_p99_ratio", 1.05, "this project", "<="),
)
