"""Plain PyTorch references of the networks."""
