"""What a run must reach."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("legal, constrained", "validity_constrained", 1.0, "ours"),
    Gate("legal, free", "validity_free", 0.95, "ours"),
    Gate("novelty", "novelty", 0.99, "ours"),
    Gate("bins covered", "coverage", 1.0, "ours"),
    Gate("distance of the mix", "mix_distance", 0.02, "ours", direction="<="),
)
