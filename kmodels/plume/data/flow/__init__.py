"""Where air goes over terrain: cells and faces, and winds without divergence."""
