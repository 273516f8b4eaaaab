"""One training on many devices: what each backend needs for it, what its processes agree on, and dropout on all."""
