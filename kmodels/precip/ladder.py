"""The ladder of precip: the prototype's three versions, what it tried on the third, and what repairs its samples."""

from dataclasses import replace

from kmodels.core.spec.gate import Gate
from kmodels.core.spec.ladder import Ladder, Step
from kmodels.core.spec.recipe import merge
from kmodels.precip.gates import DISTANCE, MAXIMUM
from kmodels.precip.recipe import PIECES, V1

# The prototype's measure of the same thing, which no calibrated ensemble need reach: a better one is less diverse.
DIVERSITY = Gate(
    "diversity of prior samples",
    "diversity",
    0.2,
    "prototype",
    levels=(("minimum", 0.1), ("good", 0.2), ("excellent", 0.3)),
)
PROTOTYPE_REAL_MAX = 187.0  # mm/day, the real maximum of the prototype's heavy days: its figures are ratios to it here


# What the prototype proposed to try on V3, and the least that it asks for: a prior maximum above 140 of 187 mm/day, and
# fields that differ. It published no results.
LEAST = tuple(replace(gate, bound=dict(gate.levels)["minimum"]) for gate in (MAXIMUM, DIVERSITY))
OPTIONS = tuple(
    Step(f"V3, {name}", change, changes, LEAST, branch=True)
    for name, change, changes in (
        ("beta 0.005", "V3 with half the weight of the divergence", {"train": {"beta_kl": 0.005}}),
        ("256 latent dimensions", "V3 with a longer latent code", {"model": {"d_z": 256}}),
        ("map in two blocks", "V3 with the coarse map in the first two blocks", {"model": {"injection": "first_two"}}),
        ("temperature 1.2", "the network of V3, its prior sampled more boldly", {"model": {"temperature": 1.2}}),
        ("temperature 1.4", "the network of V3, its prior sampled more boldly", {"model": {"temperature": 1.4}}),
    )
)


LADDER = Ladder(
    (
        Step(
            "V1: summary alone",
            "the decoder knows the coarse state by its summary; beta 0.05, weights up to 2",
            V1,
            (Gate("prior maximum / real, still lost", "max_ratio", 0.5, "prototype", "<="),),
            {"max_ratio": 12 / PROTOTYPE_REAL_MAX, "posterior_max_ratio": 162 / PROTOTYPE_REAL_MAX},
        ),
        Step(
            "V2: coarse map everywhere",
            "all blocks of the decoder see the coarse map; beta 0.01, weights up to 10",
            {"model": {"injection": "all"}, "train": {"beta_kl": 0.01, "w_max": 10.0}},
            (Gate("gain of prior maximum / real", "max_ratio_gain", 0.1, "prototype"),),
            {"max_ratio": 120 / PROTOTYPE_REAL_MAX, "posterior_max_ratio": 189 / PROTOTYPE_REAL_MAX, "diversity": 0.23},
        ),
        Step(
            "V3: coarse map first",
            "only the first block sees it",
            {"model": {"injection": "first"}},
            (MAXIMUM, DIVERSITY),
            {"posterior_max_ratio": 185 / PROTOTYPE_REAL_MAX},
        ),
        *OPTIONS,
        Step(
            "V4: learned prior",
            "z ~ p(z|x), a normal law that the coarse state gives, and the weight of the divergence that makes the "
            "loss a bound of the likelihood",
            merge(PIECES["learned prior"], PIECES["ELBO's weight of the divergence"]),
            (Gate("prior P99 / posterior P99", "gap_p99_ratio", 0.9, "this project"),),
        ),
        Step(
            "V4: CRPS training",
            "no batch normalization; white noise and the coarse map enter every block of the decoder; the fair CRPS of "
            "fields from prior and posterior is part of the loss",
            merge(PIECES["no batch normalization"], PIECES["CRPS training"]),
            (
                MAXIMUM,
                DISTANCE,
                Gate("CRPS / RainFARM's", "crps_ratio_rainfarm", 0.85, "this project", "<="),
                Gate("spread / skill, at least", "spread_skill", 0.9, "this project"),
                Gate("difference of spectra (RALSD)", "ralsd", 1.5, "this project", "<=", "dB"),
            ),
        ),
        Step(
            "V4: coarse rain kept",
            "each block of the sampled fields is scaled to the coarse rain, which the model is given",
            PIECES["coarse rain kept"],
            (
                Gate("difference in wet-cell share", "wet_difference", 0.01, "this project", "<="),
                Gate("mass bias", "mass_bias", 0.02, "this project", "<="),
            ),
        ),
    ),
    figures=(
        "max_ratio",
        "posterior_max_ratio",
        "diversity",
        "distance_ratio",
        "mean_ratio",
        "p95_ratio",
        "gap_p99_ratio",
        "posterior_diversity",
        "crps",
        "crps_ratio_rainfarm",
        "spread_skill",
        "p99_ratio",
        "ralsd",
        "kl",
    ),
)
