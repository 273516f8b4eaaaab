"""Acceptance thresholds on held-out data."""

from kmodels.core.spec.gate import Gate

GATES = (
    Gate("accuracy", "accuracy", 0.995, "this project"),
    Gate("invalid F1", "invalid_f1", 0.995, "this project"),
    Gate("F1 of every strategy", "worst_strategy_f1", 0.99, "this project"),
    Gate("localisation accuracy", "localisation", 0.99, "this project"),
    Gate("accuracy on transfer data", "transfer_accuracy", 0.97, "this project"),
    Gate("invalid F1 on transfer data", "transfer_invalid_f1", 0.97, "this project"),
    Gate("F1 of every strategy on transfer data", "transfer_worst_strategy_f1", 0.90, "this project"),
    Gate("localisation on transfer data", "transfer_localisation", 0.99, "this project"),
    Gate("better than the prior", "distance_from_prior", 2.0, "prototype", unit="sigma"),
)
