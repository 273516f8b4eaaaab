"""What a run must reach on held-out data."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("accuracy", "accuracy", 0.995, "ours"),
    Gate("invalid F1", "invalid_f1", 0.995, "ours"),
    Gate("F1 of every strategy", "worst_strategy_f1", 0.99, "ours"),
    Gate("first violation found", "localisation", 0.99, "ours"),
    Gate("longer sequences elsewhere", "transfer_accuracy", 0.97, "ours"),
    Gate("better than the prior", "distance_from_prior", 2.0, "seed", unit="sigma"),
)
