"""Acceptance thresholds of generated sequences."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("legal share, unconstrained", "validity_free", 0.99, "this project"),
    Gate("distance of the operation mix", "mix_distance", 0.01, "this project", "<="),
    Gate("distance of the (operation, offset) mix", "offset_mix_distance", 0.02, "this project", "<="),
    Gate("surprise of a held-out operation", "nats_per_operation", 2.2, "this project", "<=", "nat"),
    # By construction: a table of token counts reaches these, too.
    Gate("legal share, constrained", "validity_constrained", 1.0, "this project", kind="requirement"),
    Gate("novelty", "novelty", 0.99, "this project", kind="requirement"),
    Gate("coverage of (operation, offset) bins", "coverage", 1.0, "this project", kind="requirement"),
)
