"""Simulated data, from physics or rules: NumPy and an explicit random generator, no Keras."""

from kmodels.nand.simulator.sequences import SIMULATION, simulate

__all__ = ["SIMULATION", "simulate"]
