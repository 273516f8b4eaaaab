"""Simulated data, from physics or rules: NumPy and an explicit random generator, no Keras."""

from kmodels.precip.simulator.days import SIMULATION, simulate

__all__ = ["SIMULATION", "simulate"]
