"""Studies beyond fit, each run as a module: inverse design, transfer to rigorous spectra, packing of files."""
