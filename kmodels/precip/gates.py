"""What a run must reach on held-out days."""

from kmodels.core.spec.gate import Gate

OURS = "this project"

# The prototype's levels are amounts on heavy days whose real maximum is 187 and mean 20.6 mm/day: as shares of these.
# They bound from below; the other side is the reciprocal, for an untrained network's maximum is twice the real one.
MAXIMUM = Gate(
    "prior maximum / real, heavy days",
    "max_ratio",
    (0.86, 1.16),
    "prototype",
    "within",
    levels=(("minimum", (0.75, 1.33)), ("good", (0.86, 1.16)), ("excellent", (0.94, 1.06))),
)
# In a calibrated ensemble two members differ as much as a member and the truth, however much that is.
DISTANCE = Gate(
    "distance of members / to the truth", "distance_ratio", (0.95, 1.05), OURS, "within", kind="requirement"
)

GATES = (
    Gate("CRPS / RainFARM's", "crps_ratio_rainfarm", 0.80, OURS, "<="),
    Gate("CRPS / conditioned Gaussian field's", "crps_ratio_latent_gaussian", 0.98, OURS, "<="),
    Gate("its part above P99 (twCRPS) / that field's", "twcrps_p99_ratio_latent_gaussian", 0.95, OURS, "<="),
    Gate("CRPS of maxima of 4 x 4 cells / that field's", "crps_max_4_ratio_latent_gaussian", 0.98, OURS, "<="),
    Gate("CRPS of maxima of 16 x 16 cells / that field's", "crps_max_16_ratio_latent_gaussian", 0.98, OURS, "<="),
    Gate("place of rain above P95 (FSS) / that field's", "fss_ratio_latent_gaussian", 1.01, OURS),
    Gate("cells above P99 found (CSI) / that field's", "csi_p99_ratio_latent_gaussian", 1.05, OURS),
    Gate("CRPS / exact posterior's", "crps_ratio_exact_posterior", 1.02, OURS, "<="),
    MAXIMUM,
    Gate(
        "posterior maximum / real, heavy days",
        "posterior_max_ratio",
        (0.91, 1.1),
        "prototype",
        "within",
        levels=(("minimum", (0.86, 1.16)), ("good", (0.91, 1.1)), ("excellent", (0.98, 1.02))),
    ),
    Gate("CRPS with another day's latents / its own", "shuffled_ratio", 1.05, OURS),
    # Necessary, and no evidence of skill: days of the training, drawn at random, are calibrated by nature.
    Gate(
        "prior mean / real, heavy days",
        "mean_ratio",
        (0.73, 1.37),
        "prototype",
        "within",
        kind="requirement",
        levels=(("good", (0.73, 1.37)), ("excellent", (0.87, 1.15))),
    ),
    DISTANCE,
    Gate("spread / skill", "spread_skill", (0.95, 1.05), OURS, "within", kind="requirement"),
    Gate("P99 bias", "p99_bias", 0.03, OURS, "<=", kind="requirement"),
    Gate("P99.9 bias", "p999_bias", 0.05, OURS, "<=", kind="requirement"),
    Gate("difference in wet-cell share", "wet_difference", 0.01, OURS, "<=", kind="requirement"),
    Gate("mass bias", "mass_bias", 0.02, OURS, "<=", kind="requirement"),
    Gate("difference of spectra (RALSD)", "ralsd", 1.0, OURS, "<=", "dB", kind="requirement"),
    Gate("prior P99 / posterior P99", "gap_p99_ratio", (0.95, 1.05), OURS, "within", kind="requirement"),
)
