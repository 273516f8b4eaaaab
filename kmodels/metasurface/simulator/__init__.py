"""Random patterns and two solvers: NumPy and an explicit random generator, no Keras."""

from kmodels.metasurface.simulator.structures import SIMULATION, simulate

__all__ = ["SIMULATION", "simulate"]
