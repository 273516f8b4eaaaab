"""Predictions on torch that are recorded once and played back; see `predictions`."""
