"""Ensembles that need no network, and their scores."""

from kmodels.precip.evaluation.baselines.methods import baselines

__all__ = ["baselines"]
