"""The classifier's simulator: the generator learns from the legal half of its sequences."""

from kmodels.nand.simulator.sequences import SIMULATION, simulate

__all__ = ["SIMULATION", "simulate"]
