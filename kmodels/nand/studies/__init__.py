"""Studies beyond fit, each run as a module: the rules of a device, learned from its legal traces alone."""
