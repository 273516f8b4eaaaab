"""Acceptance thresholds of generated sequences."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("legal share, constrained", "validity_constrained", 1.0, "this project"),
    Gate("legal share, unconstrained", "validity_free", 0.95, "this project"),
    Gate("novelty", "novelty", 0.99, "this project"),
    Gate("coverage of (operation, offset) bins", "coverage", 1.0, "this project"),
    Gate("distance of the operation mix", "mix_distance", 0.02, "this project", direction="<="),
)
