"""Light in the network: propagation through the pattern whose phases, or more, are learned."""
