"""Predictions, metrics, baselines, diagnostics and figures."""
