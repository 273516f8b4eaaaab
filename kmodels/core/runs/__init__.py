"""A run's folder and its course."""
