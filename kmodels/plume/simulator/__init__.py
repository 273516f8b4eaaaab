"""Simulated data, from physics or rules: NumPy and an explicit random generator, no Keras."""

from kmodels.plume.simulator.simulate_runs import SIMULATION, simulate

__all__ = ["SIMULATION", "simulate"]
