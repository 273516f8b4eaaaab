"""Inputs and outputs of each model, in physical units; a file a model, `signature(recipe)`."""
