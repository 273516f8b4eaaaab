"""Studies beyond fit."""
